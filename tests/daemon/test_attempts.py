"""Wrong tokens by address."""

from __future__ import annotations

from amanuensis.daemon.attempts import FORGET_S, FREE_ATTEMPTS, LONGEST_WAIT_S, MAX_ADDRESSES, Attempts


class Clock:
    """A clock that a test sets."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_the_wait_doubles_up_to_a_bound() -> None:
    """A few mistakes are free, then every further one costs twice as long; other addresses do not wait."""
    clock = Clock()
    attempts = Attempts(clock)
    waits = []
    for _ in range(FREE_ATTEMPTS + 12):
        attempts.failed("a")
        waits.append(attempts.wait_s("a"))
    assert waits[: FREE_ATTEMPTS + 2] == [0.0] * (FREE_ATTEMPTS - 1) + [1.0, 2.0, 4.0]
    assert waits[-1] == LONGEST_WAIT_S
    assert attempts.wait_s("b") == 0
    clock.now_s += LONGEST_WAIT_S
    assert attempts.wait_s("a") == 0


def test_failures_are_forgotten() -> None:
    """After a quarter of an hour without one, an address begins anew."""
    clock = Clock()
    attempts = Attempts(clock)
    for _ in range(FREE_ATTEMPTS):
        attempts.failed("a")
    clock.now_s += FORGET_S
    attempts.failed("a")
    assert attempts.wait_s("a") == 0


def test_addresses_are_bounded() -> None:
    """Many addresses push out the ones that failed longest ago."""
    attempts = Attempts(Clock())
    for _ in range(FREE_ATTEMPTS):
        attempts.failed("first")
    for k in range(MAX_ADDRESSES):
        attempts.failed(f"address {k}")
    assert attempts.wait_s("first") == 0
