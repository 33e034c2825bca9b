"""`amanuensis bench peers`."""

from __future__ import annotations

import pytest

from amanuensis.benchmarks.measures import Take
from amanuensis.benchmarks.peers.peer import PeerFailedError
from amanuensis.benchmarks.peers.registry import PEERS
from amanuensis.benchmarks.peers_live import choose, run_all
from amanuensis.benchmarks.systems import SystemRun
from amanuensis.daemon.commands.common import UsageError


def test_all_systems_are_compared_unless_some_are_named() -> None:
    """A name that is not known is refused with the known ones."""
    assert choose(None) == list(PEERS)
    assert choose(["whisper.cpp"]) == ["whisper.cpp"]
    with pytest.raises(UsageError, match=r"--vs 'whispr' is not known: one or more of whisper_streaming, "):
        choose(["whispr"])


def test_systems_run_in_turn_and_one_that_fails_is_not_tried_again() -> None:
    """A burst of other load falls on all alike; the reason of a failure is kept."""
    order: list[str] = []

    async def works() -> SystemRun:
        order.append("works")
        return SystemRun(Take((), ()), 1.0, 1.0, 1.0, 1.0, 1.0)

    async def fails() -> SystemRun:
        order.append("fails")
        raise PeerFailedError("no environment")

    runs, failed = run_all({"one": works, "bad": fails, "two": works}, 2)
    assert order == ["works", "fails", "works", "works", "works"]
    assert {name: len(some) for name, some in runs.items()} == {"one": 2, "two": 2}
    assert failed == {"bad": "no environment"}
