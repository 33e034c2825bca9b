"""Adds up what the sessions met, for the end of the run."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.helpers.chaos_tally import Tally

TALLY = pytest.StashKey[Tally]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count."""
    config.stash[TALLY] = Tally()


@pytest.fixture(scope="session")
def tally(pytestconfig: pytest.Config) -> Tally:
    """Where sessions are counted."""
    return pytestconfig.stash[TALLY]


@pytest.fixture
def cpu_s() -> Callable[[], float]:
    """Return how many seconds of CPU this test has taken so far."""
    started = time.process_time()
    return lambda: time.process_time() - started


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the counts."""
    for line in config.stash[TALLY].lines():
        terminalreporter.write_line(line)
