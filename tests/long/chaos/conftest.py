"""Adds up what the sessions met, for the end of the run."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.helpers.chaos_tally import Tally
from tests.helpers.service_tally import ServiceTally

TALLY = pytest.StashKey[Tally]()
SERVICE_TALLY = pytest.StashKey[ServiceTally]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count."""
    config.stash[TALLY] = Tally()
    config.stash[SERVICE_TALLY] = ServiceTally()


@pytest.fixture(scope="session")
def tally(pytestconfig: pytest.Config) -> Tally:
    """Where sessions are counted."""
    return pytestconfig.stash[TALLY]


@pytest.fixture(scope="session")
def service_tally(pytestconfig: pytest.Config) -> ServiceTally:
    """Where schedules of a service are counted."""
    return pytestconfig.stash[SERVICE_TALLY]


@pytest.fixture
def cpu_s() -> Callable[[], float]:
    """Return how many seconds of CPU this test has taken so far."""
    started = time.process_time()
    return lambda: time.process_time() - started


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the counts."""
    for line in (*config.stash[TALLY].lines(), *config.stash[SERVICE_TALLY].lines()):
        terminalreporter.write_line(line)
