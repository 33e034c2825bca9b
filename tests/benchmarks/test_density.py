"""The search for the most streams that keep up."""

from __future__ import annotations

import dataclasses

import pytest

from amanuensis.benchmarks.density import Lags, Load, modelled_streams, readable, search

GOOD = Load(8, 200.0, 400.0, 500.0, 0.0, 0.0, 0.01, 0.5, 2.0, 12.0, 0.03, 0.005, 0.1, 0.5, 0.3)


async def tried(carried: int, first: int = 8, most: int = 128, step: int = 2) -> list[int]:
    """Search on a machine that carries so many streams; return what was tried."""

    async def try_(streams: int) -> Load:
        return dataclasses.replace(GOOD, streams=streams, gaps_ms=0.0 if streams <= carried else 100.0)

    return [load.streams for load in await search(try_, first, most, step)]


async def test_streams_double_until_they_fall_behind_and_the_distance_is_halved() -> None:
    """The best that kept up is within the step of the truth."""
    assert await tried(21) == [8, 16, 32, 24, 20, 22]


async def test_a_machine_that_does_not_carry_the_first_load_is_tried_with_less() -> None:
    """The search goes down as well."""
    assert await tried(3) == [8, 4, 2]
    assert await tried(0, step=1) == [8, 4, 2, 1]


async def test_one_load_that_is_all_there_is_to_try_is_tried() -> None:
    """The step does not keep the search from looking at all."""
    assert await tried(5, first=1, most=1) == [1]


async def test_the_search_stops_at_the_most_that_was_allowed() -> None:
    """A machine that carries everything is asked no further."""
    assert await tried(1000, most=20) == [8, 16, 20]


@pytest.mark.parametrize(
    "wrong", [{"gaps_ms": 20.0}, {"late_s": 0.6}, {"lag_p95_ms": 3500.0}, {"growth_ms": 600.0}, {"wait_s": 6.0}]
)
def test_dropped_late_lagging_or_growing_streams_do_not_keep_up(wrong: dict[str, float]) -> None:
    """Each part of the criterion alone is enough to fail."""
    assert GOOD.keeps_up
    assert not dataclasses.replace(GOOD, **wrong).keeps_up  # type: ignore[arg-type]


def test_lags_count_once_settled_and_until_the_sound_ends() -> None:
    """The first third, in which ticks adapt, and what follows the sound are left out; growth is that of the median."""
    lag_ms = [9000.0, 9000.0, 100.0, 100.0, 400.0, 400.0, 9000.0]
    steady = [0.0, 0.0, 100.0, 100.0, 100.0, 100.0]
    lags_ms = [(k + 0.5, lag) for one in (lag_ms, steady) for k, lag in enumerate(one)]
    assert Lags.of(lags_ms, 6.0) == Lags(p50_ms=100.0, p95_ms=400.0, most_ms=400.0, growth_ms=150.0)
    assert Lags.of([], 6.0) == Lags(0.0, 0.0, 0.0, 0.0)


def test_the_lines_say_who_falls_behind() -> None:
    """One line for each load and the answer."""
    lines = readable([GOOD, dataclasses.replace(GOOD, streams=16, gaps_ms=500.0)], 8)
    assert "keeps up" in lines[0]
    assert "FALLS BEHIND" in lines[1]
    assert lines[2].startswith("8 streams")


def test_the_model_takes_the_cost_of_a_load_that_keeps_up() -> None:
    """One that falls behind decodes less often, and would seem cheap."""
    behind = dataclasses.replace(GOOD, streams=32, cpu_s_per_s=0.01, gaps_ms=500.0)
    assert modelled_streams([GOOD, behind], 2) == pytest.approx(2 / 0.035)
