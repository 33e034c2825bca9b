"""The device may be lost, hang, be slow or lie at any dispatch of a live session; not a word is lost or said twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from amanuensis.npu import pyxrt_emulator
from tests.helpers.chaos import live_session
from tests.helpers.chaos_checks import Check, Reference, readable_sounds
from tests.helpers.chaos_daemon import check_served, served_session
from tests.helpers.chaos_faults import NO_TROUBLE, draw_trouble

SEEDS = (0, 1, 2, 3, 7, 15, 22)  # one of each group, two devices that stay broken, one that is hard to open again
SERVED_SEEDS = (0, 2, 5)


@pytest.fixture(scope="module")
def check(builtin_model: Path) -> Iterator[Check]:
    """A session without faults, and what it is compared with."""
    reference = Reference(builtin_model)
    (sound,) = readable_sounds(reference, 1)
    yield Check(reference, sound, live_session(builtin_model, sound))
    pyxrt_emulator.reset()


def test_session_without_faults(check: Check) -> None:
    """Everything runs on the device, nobody is warned, and the check finds nothing."""
    check(check.undisturbed, NO_TROUBLE)
    assert check.undisturbed.warnings == []
    assert {answer.result.decoder for answer in check.undisturbed.answers} == {"sim"}
    assert len(check.undisturbed.words) > 8


@pytest.mark.parametrize("seed", SEEDS)
def test_faults_at_random_points(builtin_model: Path, check: Check, seed: int) -> None:
    """The captions are those of undisturbed engines, every reason is told, and a fault that passes is overcome."""
    trouble = draw_trouble(seed, within=check.undisturbed.dispatches)
    check(live_session(builtin_model, check.sound, trouble, seed), trouble)


@pytest.mark.parametrize("seed", SERVED_SEEDS)
async def test_faults_in_the_engine_process(
    builtin_model: Path, check: Check, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients of the daemon get all words, and events, finals and /healthz tell which windows the CPU did and why."""
    served = await served_session(builtin_model, check.sound, seed, tmp_path, monkeypatch)
    check_served(served, check.undisturbed, seed)
