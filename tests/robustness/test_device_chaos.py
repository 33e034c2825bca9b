"""The device may be lost, hang, fail, be slow or lie at any dispatch; the words do not change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from amanuensis.npu import pyxrt_emulator
from tests.helpers.device_chaos import Session, check, run_session

SEEDS = range(8)  # of 200: `make test-long PART=chaos` runs them all


@pytest.fixture(scope="module")
def undisturbed(builtin_model: Path) -> Iterator[Session]:
    """The session on a device without faults."""
    yield run_session(builtin_model, None)
    pyxrt_emulator.reset()


def test_undisturbed_session_is_the_devices(undisturbed: Session) -> None:
    """Without faults everything runs on the device, and nobody is warned."""
    check(undisturbed, undisturbed)
    assert undisturbed.warnings == []
    assert {result.decoder for result in undisturbed.results} == {"sim"}
    assert len(undisturbed.words) > 8


@pytest.mark.parametrize("seed", SEEDS)
def test_faults_at_random_points(builtin_model: Path, undisturbed: Session, seed: int) -> None:
    """No word is lost, none comes twice, and the reason is told every time."""
    check(run_session(builtin_model, seed), undisturbed)
