"""A service is killed, cut off, filled up and confused while numbers are counted: each is committed once, in order."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.helpers.counted_check import judge, read
from tests.helpers.counting_clients import CountingSpeaker
from tests.helpers.service_chaos import counted_stream, script_of, suffer
from tests.helpers.service_checks import EXACT, suffer_together, told_of
from tests.helpers.service_faults import KINDS, Schedule, draw_schedule
from tests.helpers.service_host import host
from tests.helpers.spoken_numbers import FORMAT, RATE

SEEDS = (23, 27, 48)  # all kinds of faults, one or two sessions, recorded or not
AHEAD_S = 0.2  # sent before it is acknowledged: the speaker is where the daemon is


async def test_undisturbed_streams_are_read_exactly(builtin_model: Path, tmp_path: Path) -> None:
    """Without faults every number of two streams is committed once, and the fate of every sample is told."""
    streams = [counted_stream(0), counted_stream(1)]
    outcome = await suffer(builtin_model, Schedule(0, (), 2, False, False), streams, tmp_path)
    for stream, speaker in zip(streams, outcome.speakers, strict=True):
        assert read(speaker.told.text, stream.numbers) == EXACT
        assert speaker.connections == 1
    assert outcome.settled_s is not None
    assert round(outcome.settled_s * RATE) == sum(len(stream.sound) for stream in streams)


def test_the_sample_has_every_kind_of_fault() -> None:
    """What `make test` runs leaves no kind out."""
    assert {fault.kind for seed in SEEDS for fault in draw_schedule(seed).faults} == set(KINDS)


async def test_no_number_is_lost_whatever_happens(builtin_model: Path, tmp_path: Path) -> None:
    """Every number outside a reported gap is committed once and in order, and every sample has its fate."""
    found = await suffer_together(builtin_model, SEEDS, tmp_path)
    assert not told_of(found), told_of(found)
    assert sum(one.outcome.struck.total() for one in found) > len(SEEDS)


async def test_an_engine_killed_in_the_middle_of_numbers_costs_none(builtin_model: Path, tmp_path: Path) -> None:
    """SIGKILL to the engine in mid-number, four times: its speaker is told of it, and nothing is lost or a gap."""
    stream = counted_stream(3)
    killed = stream.numbers[1::3]
    async with host(builtin_model, tmp_path) as daemon:
        speaker = CountingSpeaker(daemon.port, script_of(stream, 3), FORMAT, ahead_s=AHEAD_S)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(speaker.run())
            for number in killed:
                await speaker.reached((number.start + number.stop) // 2)
                assert daemon.kill_engine()
        restarts = await daemon.metric("amanuensis_engine_restarts_total")
    verdict = judge(speaker.told.text, [], stream, EXACT)
    assert (verdict.lost, verdict.duplicated, verdict.committed) == ((), (), len(stream.numbers))
    assert not speaker.told.of("gap")
    assert "engine_restarted" in {warning["code"] for warning in speaker.told.of("warning")}
    assert restarts == len(killed)
