"""Whether one more speaker can be served."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.daemon.admission import Admission, AdmissionLimits

ANY = AdmissionLimits(sessions=1000, sessions_each=1000, load=0.9)


def speaking(admission: Admission, names: list[str], seconds: int, cost: float, speed: float = 1.0) -> float:
    """Have sessions speak from the start on; return the time after it."""
    for name in names:
        admission.opened(name, None, 0.0)
    for second in range(1, seconds + 1):
        for name in names:
            admission.sample(name, second, second * speed, second * speed * cost)
    return float(seconds)


def test_places_are_counted() -> None:
    """With all places taken, those that are coming included, a speaker is refused; a session that ends makes room."""
    admission = Admission(AdmissionLimits(sessions=2, sessions_each=2, load=0))
    admission.opened("a", None, 0.0)
    assert admission.refusal(1.0) is None
    full = admission.refusal(1.0, coming=1)
    assert full is not None
    assert full.why == "all 2 sessions are taken"
    admission.opened("b", None, 1.0)
    assert admission.refusal(2.0) is not None
    admission.closed("a", 3.0)
    admission.closed("a", 3.0)
    assert admission.refusal(3.0) is None


def test_one_client_does_not_take_all() -> None:
    """A client that has its share is refused, another is not, and those that are not told apart share nothing."""
    admission = Admission(AdmissionLimits(sessions=10, sessions_each=1, load=0))
    admission.opened("a", "192.0.2.1", 0.0)
    admission.opened("b", None, 0.0)
    full = admission.refusal(1.0, "192.0.2.1")
    assert full is not None
    assert "1 sessions of this client" in full.why
    assert admission.refusal(1.0, "192.0.2.2") is None
    assert admission.refusal(1.0, None) is None
    admission.closed("a", 2.0)
    assert admission.refusal(2.0, "192.0.2.1") is None


@pytest.mark.parametrize("speed", [1.0, 8.0])
def test_a_busy_engine_takes_no_more_speakers(speed: float) -> None:
    """Speakers are admitted up to the load that is allowed, as measured, however fast they send."""
    for n, fits in ((3, True), (4, False)):
        admission = Admission(ANY)
        now_s = speaking(admission, [str(k) for k in range(n)], 60, 0.2, speed)
        assert admission.load(now_s) == pytest.approx(0.2 * n, rel=0.02)
        assert admission.cost == pytest.approx(0.2, rel=0.02)
        assert (admission.refusal(now_s) is None) == fits
    full = admission.refusal(now_s)
    assert full is not None
    assert full.why == "with one speaker more the engine would be 100 % busy, and 90 % is allowed"


def test_silence_leaves_room() -> None:
    """Sessions in which nobody speaks need nothing of the engine, once they have shown it."""
    admission = Admission(ANY)
    now_s = speaking(admission, ["speaks"], 60, 0.3)
    for k in range(50):
        admission.opened(f"idle {k}", None, now_s)
    assert admission.refusal(now_s + 1) is not None
    for k in range(50):
        admission.sample(f"idle {k}", now_s + 4, 4.0, 0.0)
    assert admission.refusal(now_s + 4) is None


def test_the_first_speaker_always_gets_in() -> None:
    """A machine that is too slow for one speaker still serves one: its ticks stretch."""
    admission = Admission(ANY)
    now_s = speaking(admission, ["a"], 60, 3.0)
    assert admission.refusal(now_s) is not None
    admission.closed("a", now_s)
    assert admission.refusal(now_s) is None


def test_any_load_is_allowed_with_zero() -> None:
    """Without a limit only places count."""
    admission = Admission(AdmissionLimits(sessions=9, sessions_each=9, load=0))
    assert admission.refusal(speaking(admission, ["a", "b"], 60, 3.0)) is None


def test_the_time_to_try_again_is_when_a_place_is_expected() -> None:
    """It follows from how long sessions last, how many there are, and what becomes free for sure."""
    admission = Admission(AdmissionLimits(sessions=4, sessions_each=4, load=0))
    for n in range(4):
        admission.opened(str(n), None, 0.0)
    told = []
    for frees_s in ([], [100.0], [107.0, 104.0], [99.0]):
        full = admission.refusal(100.0, frees_s=frees_s)
        assert full is not None
        told.append(full.retry_after_s)
    assert told == [15.0, 1.0, 4.0, 1.0]
    for n in range(4):
        admission.closed(str(n), 1000.0)
        admission.opened(f"later {n}", None, 1000.0)
    full = admission.refusal(1001.0)
    assert full is not None
    assert full.retry_after_s == 120.0


@given(
    st.lists(
        st.tuples(st.sampled_from(["open", "close", "sample"]), st.integers(0, 5), st.floats(0, 100), st.floats(0, 50)),
        max_size=60,
    )
)
def test_books_stay_in_order(steps: list[tuple[str, int, float, float]]) -> None:
    """Whatever comes and goes, loads are not negative, and with nobody left nothing is counted."""
    admission, now_s = Admission(AdmissionLimits(3, 2, 0.5)), 0.0
    totals: dict[str, tuple[float, float]] = {}
    for kind, number, seconds, engine_s in steps:
        name, now_s = str(number), now_s + seconds
        if kind == "open" and name not in totals:
            admission.opened(name, f"client {number % 2}", now_s)
            totals[name] = (0.0, 0.0)
        elif kind == "close":
            admission.closed(name, now_s)
            totals.pop(name, None)
        elif name in totals:
            totals[name] = (totals[name][0] + seconds, totals[name][1] + engine_s)
            admission.sample(name, now_s, *totals[name])
        assert admission.load(now_s) >= 0
        full = admission.refusal(now_s, "client 0")
        assert full is None or 1 <= full.retry_after_s <= 120
    for name in totals:
        admission.closed(name, now_s)
    assert admission.load(now_s) == 0
    assert admission.refusal(now_s, "client 0") is None
