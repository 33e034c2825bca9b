"""Tests of the curriculum and the learning rate over a run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.training.schedule import (
    FINISHING_FROM,
    FINISHING_RATE,
    GROWN_PEAK_RATE,
    PEAK_RATE,
    WARM_UP_STEPS,
    average_decay_at,
    rate_at,
    stage_at,
)

JUST_BEFORE = FINISHING_FROM - 1e-6


def test_each_pass_anneals_to_nothing() -> None:
    """The rate warms up, stays, falls to 0 at the end of the main pass, starts again lower and falls to 0."""
    assert rate_at(0.0, 0) == pytest.approx(PEAK_RATE / WARM_UP_STEPS)
    assert rate_at(0.3, 5000) == PEAK_RATE
    assert rate_at(0.3, 5000, grown=True) == GROWN_PEAK_RATE
    assert rate_at(JUST_BEFORE, 10_000) < 1e-6 * PEAK_RATE
    assert rate_at(FINISHING_FROM, 10_000) == FINISHING_RATE
    assert rate_at(1.0, 11_000) == 0.0


@given(st.floats(0, 1), st.integers(0, 20_000))
def test_the_schedule_stays_in_its_bounds(progress: float, steps: int) -> None:
    """No progress gives a rate, a decay or a probability outside of what it may be."""
    stage = stage_at(progress)
    assert 0 <= rate_at(progress, steps) <= PEAK_RATE
    assert 0 <= average_decay_at(progress, steps) < 1
    assert 0 <= stage.narrow <= 1
    assert all(0 <= share <= 1 for name, share in vars(stage.recipe).items() if name != "longest_s")


def test_the_finishing_pass_hears_more_tight_and_telephone_like_windows() -> None:
    """At its beginning the share of such windows rises and the average forgets faster."""
    before, after = stage_at(JUST_BEFORE), stage_at(FINISHING_FROM)
    assert (after.recipe.tight, after.recipe.narrow_band, after.narrow) == (0.3, 0.3, 0.45)
    assert before.recipe.tight < after.recipe.tight
    assert before.recipe.narrow_band < after.recipe.narrow_band
    assert average_decay_at(1.0, 10_000) < average_decay_at(JUST_BEFORE, 10_000)


def test_joined_windows_come_late() -> None:
    """Windows of several sentences are rare until nearly half of the main pass is over."""
    assert stage_at(0.4).recipe.joined == pytest.approx(0.04)
    assert stage_at(0.8).recipe.joined > 0.3
