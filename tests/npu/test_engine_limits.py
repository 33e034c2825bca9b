"""How long a window may take."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanuensis.npu.devices.xrt import dispatches, runtime
from amanuensis.npu.engine.limits import LEAST_S, MOST_S, JobLimits
from amanuensis.npu.window import DecodeOptions
from tests.helpers.engine_desk import job


def test_before_the_first_answer_the_limit_is_wide() -> None:
    """Nothing is known of the model and the machine yet."""
    assert JobLimits().limit_s([job(1)]) == MOST_S


def test_limit_is_beyond_what_ends_a_hung_dispatch() -> None:
    """The driver's watchdog and the runtime's own deadline come first, and leave time for the CPU to do the window."""
    assert LEAST_S > 2 * runtime.DEADLINE_S
    assert LEAST_S > 1e-6 * dispatches.WATCHDOG_US


def test_quick_windows_get_the_least_limit() -> None:
    """Where windows take milliseconds a hang is found after the least limit."""
    limits = JobLimits()
    limits.answered(job(1, n_frames=500), 0.05)
    assert limits.limit_s([job(2, n_frames=1000)]) == LEAST_S


def test_limit_grows_with_the_work() -> None:
    """A longer window, beams, a ladder of temperatures and company get more time, up to the most."""
    limits = JobLimits(most_s=10_000.0)
    limits.answered(job(1, n_frames=1000), 20.0)
    one = limits.limit_s([job(2, n_frames=1000)])
    assert one == pytest.approx(600.0)
    assert limits.limit_s([job(2, n_frames=3000)]) == pytest.approx(3 * one)
    assert limits.limit_s([job(2, n_frames=1000)] * 4) == pytest.approx(4 * one)
    heavy = replace(job(2, n_frames=1000), options=DecodeOptions(beam_size=5, temperatures=(0.0, 0.4)))
    assert limits.limit_s([heavy]) == pytest.approx(10 * one)
    assert JobLimits(most_s=0.2).limit_s([job(1)]) == 0.2


def test_the_slowest_answer_counts() -> None:
    """One slow window among quick ones widens the limit for good."""
    limits = JobLimits(most_s=10_000.0)
    for took_s in (0.1, 5.0, 0.1):
        limits.answered(job(1, n_frames=100), took_s)
    assert limits.limit_s([job(1, n_frames=100)]) == pytest.approx(150.0)
