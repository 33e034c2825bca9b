"""Virtual time moves only when it is moved; real time moves by itself."""

from __future__ import annotations

import pytest

from amanuensis.npu.pyxrt_emulator.clocks import RealClock, VirtualClock


def test_virtual_time_moves_only_when_it_is_moved() -> None:
    """Sleeping, spending and modelling add up, exactly."""
    clock = VirtualClock()
    assert clock.now_ns == 0
    clock.sleep(1.5)
    clock.spend(10)
    clock.model(5)
    assert clock.now_ns == 1_500_000_015
    assert clock.monotonic() == pytest.approx(1.500000015)


def test_virtual_polls_stop_at_the_end() -> None:
    """A poll passes its step, but never moves beyond the end of what is polled, nor back to it."""
    clock = VirtualClock()
    clock.poll(100, 250)
    assert clock.now_ns == 100
    clock.poll(200, 250)
    assert clock.now_ns == 250
    clock.poll(200, 240)
    assert clock.now_ns == 250
    clock.poll(200, None)
    assert clock.now_ns == 450


def test_virtual_blocking_never_goes_back() -> None:
    """Blocking until a time that has passed changes nothing."""
    clock = VirtualClock()
    clock.block_until(70)
    clock.block_until(30)
    assert clock.now_ns == 70


def test_real_time_moves_by_itself() -> None:
    """Waiting of every kind takes at least its time, and modelling and polling take none of their own."""
    clock = RealClock()
    before = clock.now_ns
    clock.sleep(0.001)
    clock.spend(1_000_000)
    clock.block_until(clock.now_ns + 1_000_000)
    assert clock.now_ns - before >= 3_000_000
    assert clock.monotonic() > 0
    clock.model(10**18)
    clock.poll(10**18, None)
