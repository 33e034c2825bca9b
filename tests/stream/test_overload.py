"""What becomes of captions when there is more to do than the engine can, in virtual time."""

from __future__ import annotations

from itertools import pairwise

from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Final, Gap, Partial
from tests.helpers.drive import check_captions, committed
from tests.helpers.scripted_engine import Said
from tests.helpers.slow_engine import SlowEngine, Speaker
from tests.helpers.talk import pcm, script, speak

PAUSES = (0.0, 0.0, 0.0, 0.0, 0.4, 1.2)


def talk(seed: int, n_words: int = 40) -> tuple[list[Said], bytes]:
    """Return a script with pauses and its sound."""
    said = script(n_words, seed, PAUSES)
    return said, pcm(speak(said))


def check(speaker: Speaker) -> None:
    """Assert what holds of every stream at its end."""
    events = [event for _, event in speaker.events]
    check_captions(events, len(speaker.data) / 32)
    totals = speaker.session.ledger.totals()
    assert (totals.received, totals.unsettled) == (len(speaker.data) // 2, 0)
    gaps = [event for event in events if isinstance(event, Gap)]
    assert sum(round(gap.end_ms * 16) - round(gap.start_ms * 16) for gap in gaps) == totals.gap


def heard(speaker: Speaker) -> list[str]:
    """Return the words that were committed."""
    return [word.text for word in committed([event for _, event in speaker.events])]


def partials(speaker: Speaker) -> int:
    """Return how many partials were shown."""
    return sum(isinstance(event, Partial) for _, event in speaker.events)


def delays_ms(speaker: Speaker) -> list[float]:
    """Return how long after its last word each final came."""
    return [now_ms - event.end_ms for now_ms, event in speaker.events if isinstance(event, Final)]


def test_many_streams_lose_partials_and_no_word() -> None:
    """Streams that ask for twice what the engine can do get fewer ticks and partials, and every word, in time."""
    alone = SlowEngine([talk(1)], lambda _: 150.0)
    alone.run()
    crowd = SlowEngine([talk(seed) for seed in range(1, 9)], lambda _: 150.0)
    crowd.run()
    assert 8 * sum(alone.busy_ms.values()) > 1.5 * crowd.now_ms, "this is no overload"
    for speaker in crowd.speakers:
        check(speaker)
        assert [word.text for word in committed([event for _, event in speaker.events])] == [
            w.text for w in speaker.said
        ]
        assert not any(isinstance(event, Gap) for _, event in speaker.events)
        assert speaker.most_waiting_ms < 5_000
    assert partials(crowd.speakers[0]) < 0.7 * partials(alone.speakers[0])
    assert max(delay for speaker in crowd.speakers for delay in delays_ms(speaker)) < 4_000


def test_ticks_leave_the_engine_some_time() -> None:
    """One stream whose ticks take longer than their interval asks for them less often than they are answered."""
    slow = SlowEngine([talk(2)], lambda ticket: 100.0 if ticket.urgent else 1_200.0)
    slow.run()
    (speaker,) = slow.speakers
    check(speaker)
    assert heard(speaker) == [word.text for word in speaker.said]
    within = [b - a for a, b in pairwise(speaker.ticks_ms)]
    assert sorted(within)[len(within) // 2] >= 1_400  # and not 1200
    assert slow.busy_ms[False] < 0.85 * slow.now_ms


def test_when_a_machine_recovers_so_do_its_ticks() -> None:
    """After a slow time ticks come as often as before, within a few of them."""
    engine = SlowEngine([talk(3, 90)], lambda _: 100.0)
    engine.cost_ms = lambda _: 2_000.0 if 5_000 < engine.now_ms < 12_000 else 100.0
    engine.run()
    (speaker,) = engine.speakers
    check(speaker)
    later = [b - a for a, b in pairwise(speaker.asked_ms) if a > 20_000]
    assert sorted(later)[len(later) // 2] <= 600
    assert heard(speaker) == [word.text for word in speaker.said]


def test_far_too_much_becomes_gaps_that_say_why() -> None:
    """Where the engine does a fraction of what is said, the oldest audio is given up; the rest is right."""
    engine = SlowEngine([talk(seed, 60) for seed in (4, 5)], lambda _: 9_000.0, StreamConfig(max_pending_s=15))
    engine.run()
    for speaker in engine.speakers:
        check(speaker)
        gaps = [event for _, event in speaker.events if isinstance(event, Gap)]
        assert gaps
        assert {gap.why for gap in gaps} == {"the engine does not keep up"}
        assert speaker.most_waiting_ms <= 16_100
        words = [int(text.split("~")[0][2:]) for text in heard(speaker)]
        assert words == sorted(set(words))
        assert words
