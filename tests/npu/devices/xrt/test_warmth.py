"""When the device is kept warm."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amanuensis.npu.devices.xrt.warmth import KEEP_WARM_S, REST_AFTER_S, Warmth

DRIVER_SUSPENDS_S = 5.0


def test_no_stream_lets_the_device_sleep() -> None:
    """With nobody there, nothing is ever due, whatever was heard."""
    warmth = Warmth()
    warmth.used(10.0)
    warmth.wake(11.0)
    assert warmth.wait_s(12.0) is None


def test_a_new_stream_wakes_the_device() -> None:
    """The first dispatch is due when a stream opens, so that its first window finds the device awake."""
    warmth = Warmth()
    warmth.streams(1, 100.0)
    assert warmth.wait_s(100.0) == 0.0
    warmth.warmed(100.1)
    assert warmth.wait_s(101.1) == KEEP_WARM_S - 1.0


def test_work_keeps_it_warm_by_itself() -> None:
    """Nothing is due while windows come more often than the device would need it."""
    warmth = Warmth()
    warmth.streams(1, 0.0)
    for tenth in range(100):
        warmth.used(tenth / 2)
        wait_s = warmth.wait_s(tenth / 2 + 0.4)
        assert wait_s is not None
        assert wait_s > 0


def test_silence_lets_it_rest_and_a_voice_wakes_it() -> None:
    """A session that is silent for long lets the device sleep; a voice makes a dispatch due at once."""
    warmth = Warmth()
    warmth.streams(1, 0.0)
    warmth.used(1.0)
    assert warmth.wait_s(1.0 + REST_AFTER_S) is None
    warmth.streams(1, 500.0)  # the same stream, told again, is no reason
    assert warmth.wait_s(500.0) is None
    warmth.wake(500.0)
    assert warmth.wait_s(500.0) == 0.0


@given(st.lists(st.sampled_from(["used", "wake"]), max_size=20), st.floats(0.01, 3.0))
def test_never_idle_for_as_long_as_the_driver_allows(events: list[str], step_s: float) -> None:
    """While somebody speaks now and then, obeying `wait_s` leaves no pause in which the driver would suspend."""
    warmth, now_s, last_s = Warmth(), 0.0, 0.0
    warmth.streams(1, now_s)
    warmth.warmed(now_s)
    for event in events:
        getattr(warmth, event)(now_s)
        last_s = now_s if event == "used" else last_s
        stop_s = now_s + step_s
        while (wait_s := warmth.wait_s(now_s)) is not None and now_s + wait_s <= stop_s:
            now_s += wait_s
            assert now_s - last_s < DRIVER_SUSPENDS_S
            warmth.warmed(now_s)
            last_s = now_s
        now_s = stop_s
        assert now_s - last_s < DRIVER_SUSPENDS_S
