"""One daemon with the built-in model for each file of tests, and speech for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.benchmarks.sound import SAMPLE_RATE, conversation
from tests.helpers.daemon_process import DaemonProcess, running_daemon


@pytest.fixture(scope="module")
def daemon(builtin_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """A daemon with short patience, so that clients that stop reading are noticed soon."""
    patience = {"AMANUENSIS_LIMITS_PING_S": "1", "AMANUENSIS_LIMITS_HELLO_S": "2"}
    with running_daemon(builtin_model, tmp_path_factory.mktemp("daemon"), env=patience) as running:
        yield running


@pytest.fixture(scope="session")
def speech() -> NDArray[np.float32]:
    """The first sentences of the bundled conversation, 16 kHz."""
    return conversation()[: 13 * SAMPLE_RATE]
