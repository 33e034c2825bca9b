"""Two hundred live sessions on a device that is lost, hangs, fails, is slow or lies at random points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from amanuensis.npu import pyxrt_emulator
from tests.helpers.chaos import live_session
from tests.helpers.chaos_checks import Check, Reference, readable_sounds
from tests.helpers.chaos_daemon import check_served, served_session
from tests.helpers.chaos_faults import GROUPS, draw_trouble
from tests.helpers.chaos_tally import Tally

SEEDS = range(200)
SERVED_SEEDS = range(20)  # with a daemon and an engine process
SOUNDS = 4

Checks = Callable[[int], Check]


@pytest.fixture(scope="module")
def checks(builtin_model: Path) -> Iterator[Checks]:
    """Undisturbed sessions of different sounds, by seed: every sound meets every group of faults first."""
    reference = Reference(builtin_model)
    sounds = readable_sounds(reference, SOUNDS)

    @cache
    def of_sound(number: int) -> Check:
        return Check(reference, sounds[number], live_session(builtin_model, sounds[number]))

    yield lambda seed: of_sound(seed // len(GROUPS) % SOUNDS)
    pyxrt_emulator.reset()


@pytest.mark.parametrize("seed", SEEDS)
def test_no_word_is_lost_whatever_the_device_does(
    builtin_model: Path, checks: Checks, seed: int, tally: Tally, cpu_s: Callable[[], float]
) -> None:
    """The captions are those of undisturbed engines, every reason is told, and a fault that passes is overcome."""
    check = checks(seed)
    trouble = draw_trouble(seed, within=check.undisturbed.dispatches)
    outcome = live_session(builtin_model, check.sound, trouble, seed)
    check(outcome, trouble)
    tally.add(outcome, check.undisturbed, cpu_s())


def test_every_kind_of_fault_has_struck(tally: Tally) -> None:
    """The seeds leave no kind out, and hardly any session was so disturbed that its words are others."""
    if tally.sessions < len(SEEDS):
        pytest.skip("not all seeds were run")
    assert {kind for group in GROUPS.values() for kind in group} <= tally.struck.keys()
    assert tally.same_words >= 0.95 * tally.sessions


@pytest.mark.parametrize("seed", SERVED_SEEDS)
async def test_engine_process_with_a_device_in_trouble(
    builtin_model: Path, checks: Checks, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients of the daemon get all words, and events, finals and /healthz tell which windows the CPU did and why."""
    check = checks(seed)
    served = await served_session(builtin_model, check.sound, seed, tmp_path, monkeypatch)
    check_served(served, check.undisturbed, seed)
