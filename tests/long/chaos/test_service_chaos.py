"""Five hundred services that are killed, cut, filled up, confused and restarted: no number is lost or said twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.counted_check import read
from tests.helpers.service_chaos import STREAMS, counted_stream, suffer
from tests.helpers.service_checks import EXACT, suffer_together, told_of
from tests.helpers.service_faults import KINDS, Schedule
from tests.helpers.service_tally import ServiceTally

SEEDS = 500
TOGETHER = 4  # schedules at the same time: they wait more than they compute


@pytest.fixture(autouse=True)
def told_even_if_it_fails(service_tally: ServiceTally, capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Show how far it is."""
    yield
    with capsys.disabled():
        print(f" {service_tally.schedules}", end="", flush=True)


@pytest.mark.parametrize("number", range(0, STREAMS, 2))
async def test_undisturbed_streams_are_read_exactly(builtin_model: Path, number: int, tmp_path: Path) -> None:
    """Without faults every number of the streams is committed once, so that with faults it is owed."""
    streams = [counted_stream(number), counted_stream(number + 1)]
    outcome = await suffer(builtin_model, Schedule(number, (), 2, False, False), streams, tmp_path)
    for stream, speaker in zip(streams, outcome.speakers, strict=True):
        assert read(speaker.told.text, stream.numbers) == EXACT


@pytest.mark.parametrize("first", range(0, SEEDS, TOGETHER))
async def test_no_number_is_lost_whatever_happens(
    builtin_model: Path, first: int, tmp_path: Path, service_tally: ServiceTally
) -> None:
    """Every number outside a reported gap is committed once and in order, and every sample has its fate."""
    found = await suffer_together(builtin_model, range(first, first + TOGETHER), tmp_path)
    for one in found:
        service_tally.add(one)
    assert not told_of(found), told_of(found)


def test_every_kind_of_fault_has_struck_a_service(service_tally: ServiceTally) -> None:
    """The seeds leave no kind out."""
    if service_tally.schedules < SEEDS:
        pytest.skip("not all seeds were run")
    assert set(KINDS) <= service_tally.struck.keys()
