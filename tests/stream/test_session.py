"""One stream from bytes to captions, driven by a simulated recogniser."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanuensis.stream.config import StreamConfig, StreamConfigError
from amanuensis.stream.events import Commit, Event, Final, Gap, Marked, Partial, Speech, Warning  # noqa: A004
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.session import StreamSession
from tests.helpers.drive import Driver, check_captions, committed
from tests.helpers.scripted_engine import INFO, Said, ScriptedEngine, ScriptedTokenizer
from tests.helpers.talk import cut_in_pieces, pcm, script, speak

TALK_PAUSES = (0.0, 0.0, 0.0, 0.0, 0.35, 1.2)
S16 = AudioFormat()
SECOND = 32_000  # bytes


@lru_cache(maxsize=64)
def talk(seed: int, n_words: int = 24, rate: int = 16_000) -> tuple[tuple[Said, ...], bytes]:
    """Return a script with pauses and its sound."""
    said = tuple(script(n_words, seed, TALK_PAUSES))
    return said, pcm(speak(said, rate=rate))


def open_session(said: tuple[Said, ...], config: StreamConfig | None = None, fmt: AudioFormat = S16) -> StreamSession:
    """Return a session for a script."""
    return StreamSession(config or StreamConfig(), fmt, ScriptedTokenizer(said), INFO)


def texts(said: tuple[Said, ...]) -> list[str]:
    """Return the words of a script."""
    return [word.text for word in said]


def gap_samples(events: list[Event], rate: int) -> int:
    """Return how many source samples the gaps tell of."""
    bounds = [(event.start_ms, event.end_ms) for event in events if isinstance(event, Gap)]
    return sum(round(stop * rate / 1000) - round(start * rate / 1000) for start, stop in bounds)


def check_ledger(session: StreamSession, n_samples: int) -> None:
    """Assert that every one of `n_samples` samples has a fate."""
    totals = session.ledger.totals()
    assert session.done
    assert totals.received == n_samples
    assert totals.unsettled == 0
    assert totals.transcribed + totals.silence + totals.gap == n_samples


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 20),
    sizes=st.lists(st.integers(1, 2 * SECOND), min_size=1, max_size=5).filter(lambda s: sum(s) > 200 * len(s)),
    policy=st.sampled_from(["agreement", "alignatt"]),
    p_wait=st.sampled_from([0.0, 0.5, 0.9]),
    p_nothing=st.sampled_from([0.0, 0.3]),
    p_loop=st.sampled_from([0.0, 0.3]),
)
def test_every_word_is_committed_once(
    seed: int, sizes: list[int], policy: str, p_wait: float, p_nothing: float, p_loop: float
) -> None:
    """However the audio is cut and however slow the engine is, each word is committed once and is right."""
    said, data = talk(seed)
    p_edge = 0.6 if policy == "agreement" else 0.0  # AlignAtt has no second opinion
    engine = ScriptedEngine(said, seed, p_edge, 0.3 if p_edge else 0.0, p_nothing=p_nothing, p_loop=p_loop)
    session = open_session(said, StreamConfig(policy=policy))  # type: ignore[arg-type]
    driver = Driver(session, engine, seed, p_wait=p_wait)
    events = driver.run(data, sizes)
    assert [word.text for word in committed(events)] == texts(said)
    check_captions(events, len(data) / 32)
    check_ledger(session, len(data) // 2)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 20),
    rate=st.sampled_from([8_000, 11_025, 16_000, 44_100, 48_000]),
    size_ms=st.integers(1, 2_000),
    p_fail=st.sampled_from([0.0, 0.2, 0.9]),
    p_drop=st.sampled_from([0.0, 0.5]),
    p_flush=st.sampled_from([0.0, 0.1]),
    p_mark=st.sampled_from([0.0, 0.1]),
)
def test_every_sample_has_one_fate(
    seed: int, rate: int, size_ms: int, p_fail: float, p_drop: float, p_flush: float, p_mark: float
) -> None:
    """Whatever fails, is dropped or flushed: all samples are transcribed, silence or a gap, and marks are answered."""
    said, data = talk(seed, 12, rate)
    session = open_session(said, fmt=AudioFormat("s16le", rate))
    engine = ScriptedEngine(said, seed, 0.5)
    driver = Driver(session, engine, seed, 0.3, p_fail, p_drop, p_flush, p_mark)
    events = driver.run(data, [max(2, 2 * rate * size_ms // 1000)])
    check_captions(events, len(data) / 2 / rate * 1000)
    check_ledger(session, len(data) // 2)
    assert gap_samples(events, rate) == session.ledger.totals().gap
    assert [event.id for event in events if isinstance(event, Marked)] == list(range(1, driver.n_marks + 1))
    words = [int(word.text.split("~")[0][2:]) for word in committed(events)]
    if not p_flush:
        assert all(a < b for a, b in pairwise(words)), "a word was committed twice"


def test_words_come_while_audio_is_sent() -> None:
    """In continuous speech a new word is shown at least every 2 s, without waiting for a pause."""
    said = tuple(script(60, 3))
    session = open_session(said)
    driver = Driver(session, ScriptedEngine(said, 3, 0.5, 0.2))
    seen: set[str] = set()
    newest: list[float] = [0.5]
    for k, piece in enumerate(cut_in_pieces(pcm(speak(said)), [640])):
        driver.events = []
        driver.events += session.receive(piece)
        driver._work()
        shown = {word for e in driver.events if isinstance(e, Partial) for word in e.text.split()}
        shown |= {word.text.strip() for word in committed(driver.events)}
        if shown - seen:
            newest.append((k + 1) * 0.02)
            seen |= shown
    assert max(b - a for a, b in pairwise(newest)) < 2
    assert len(seen) >= 60


def test_a_stalled_engine_makes_gaps_not_growth() -> None:
    """When nothing is decoded for longer than may wait, the oldest audio becomes a gap, and the stream goes on."""
    said = tuple(script(120, 5))
    data = pcm(speak(said))
    session = open_session(said, StreamConfig(max_pending_s=10))
    driver = Driver(session, ScriptedEngine(said, 5), p_wait=1.0)
    stalled = data[: 30 * SECOND]
    for piece in cut_in_pieces(stalled, [SECOND]):
        driver.events += session.receive(piece)
        driver._work()
        assert session.queue_ms <= 11_000
    gaps = [event for event in driver.events if isinstance(event, Gap)]
    assert gaps
    assert all("keep up" in gap.why for gap in gaps)
    driver.p_wait = 0.0
    driver.run(data[len(stalled) :], [SECOND])
    check_ledger(session, len(data) // 2)
    assert gap_samples(driver.events, 16_000) == session.ledger.totals().gap
    check_captions(driver.events, len(data) / 32)
    words = texts(said)
    assert [word.text for word in committed(driver.events)][-40:] == words[-40:]


def test_a_dead_engine_makes_a_gap() -> None:
    """When every job fails, no text comes, and all speech is reported as gaps."""
    said, data = talk(1)
    session = open_session(said)
    events = Driver(session, ScriptedEngine(said), p_fail=1.0).run(data, [3200])
    assert committed(events) == []
    assert session.ledger.totals().transcribed == 0
    assert any(isinstance(event, Gap) for event in events)
    assert any(isinstance(event, Warning) and event.code == "engine_failed" for event in events)
    check_ledger(session, len(data) // 2)


def test_silence_costs_nothing() -> None:
    """Silence and faint noise make no jobs, no text and no pending audio."""
    session = open_session(())
    driver = Driver(session, ScriptedEngine(()))
    noise = np.random.default_rng(0).normal(0, 1e-4, 20 * 16_000).astype(np.float32)
    events = driver.run(pcm(noise), [3200])
    assert events == []
    assert session.counters.ticks == session.counters.finals == 0
    assert session.ledger.totals().silence == noise.size


def test_the_tail_is_not_lost() -> None:
    """A word that ends with the stream, in the middle of a frame of the detector, is committed."""
    said = tuple(script(6, 2))
    data = pcm(speak(said, tail_s=0.013))
    events = Driver(open_session(said), ScriptedEngine(said)).run(data, [777])
    assert [word.text for word in committed(events)] == texts(said)
    assert [event.reason for event in events if isinstance(event, Final)] == ["end"]


def test_flush_makes_all_final_and_answers() -> None:
    """After a flush in mid-speech, everything heard is final, then `marked` comes, and the stream goes on."""
    said, data = talk(7)
    session = open_session(said)
    driver = Driver(session, ScriptedEngine(said))
    middle = round(said[9].end_ms + 20) * 32
    driver.events += session.receive(data[:middle])
    driver.events += session.flush("here")
    driver._work()
    assert isinstance(driver.events[-1], Marked)
    assert driver.events[-1].at_ms == middle / 32
    final = next(event for event in reversed(driver.events) if isinstance(event, Final))
    assert final.reason in {"flush", "pause"}
    assert [word.text for word in committed(driver.events)] == texts(said[:10])
    driver.run(data[middle:], [3200])
    assert [word.text for word in committed(driver.events)] == texts(said)


def test_flush_of_silence_answers_at_once() -> None:
    """With nothing to make final, a flush with an id is answered at once."""
    session = open_session(())
    session.receive(bytes(3200))
    assert session.flush("f") == [Marked("f", 100.0)]


def test_a_mark_waits_for_what_is_before_it() -> None:
    """A mark in an open utterance is answered by the events that make it final, after them."""
    said, data = talk(7)
    session = open_session(said)
    driver = Driver(session, ScriptedEngine(said))
    driver.events += session.receive(data[: 2 * SECOND])
    assert session.mark("m") == []
    driver.run(data[2 * SECOND :], [3200])
    at = driver.events.index(Marked("m", 2000.0))
    assert any(isinstance(event, Final) for event in driver.events[:at])


def test_too_many_marks_are_refused() -> None:
    """Marks that wait are bounded."""
    said, data = talk(7)
    session = open_session(said)
    session.receive(data[: 2 * SECOND])
    for k in range(64):
        session.mark(k)
    with pytest.raises(ValueError, match="64 marks"):
        session.mark("more")


def test_long_speech_is_cut_into_finals() -> None:
    """Speech without any pause becomes final piece by piece, and no word is lost between the pieces."""
    said = tuple(script(150, 11))
    data = pcm(speak(said))
    session = open_session(said, StreamConfig(max_utterance_s=15))
    events = Driver(session, ScriptedEngine(said, 11, 0.5, 0.3)).run(data, [3200])
    finals = [event for event in events if isinstance(event, Final)]
    assert {event.reason for event in finals[:-1]} == {"length"}
    assert max(event.end_ms - event.start_ms for event in finals) < 20_000
    assert [word.text for word in committed(events)] == texts(said)
    assert session.counters.cuts > 3


def test_speech_is_told() -> None:
    """Speech begins before its first word, ends after its last, and the two alternate."""
    said, data = talk(2)
    events = Driver(open_session(said), ScriptedEngine(said)).run(data, [3200])
    speech = [event for event in events if isinstance(event, Speech)]
    assert [event.on for event in speech] == [True, False] * (len(speech) // 2)
    assert all(a.at_ms <= b.at_ms for a, b in pairwise(speech))


def test_words_are_timed() -> None:
    """Words are where they are said, to half a word."""
    said, data = talk(4)
    events = Driver(open_session(said), ScriptedEngine(said)).run(data, [3200])
    for word, true in zip(committed(events), said, strict=True):
        middle = (word.start_ms + word.end_ms) / 2
        assert true.start_ms - 100 < middle < true.end_ms + 100


def test_settings_can_change() -> None:
    """A session takes new settings, and refuses those that cannot change."""
    said, data = talk(2)
    session = open_session(said)
    session.receive(data[:SECOND])
    session.configure({"tick_ms": 250, "language": "en", "prompt": "names", "hotwords": ["w1"]})
    session.receive(data[SECOND : 3 * SECOND])
    ticket = session.next_job()
    assert ticket is not None
    assert ticket.job.options.hotwords == ("w1",)
    assert ticket.job.options.language == "en"
    assert ticket.job.prompt == (0, 1)
    with pytest.raises(StreamConfigError, match="policy"):
        session.configure({"policy": "alignatt"})
    with pytest.raises(StreamConfigError, match="'xx'"):
        session.configure({"language": "xx"})


def test_bad_sound_is_told_once() -> None:
    """NaN and clipped samples give one warning each."""
    session = open_session((), fmt=AudioFormat("f32le"))
    sound = np.full(16_000, 1.0, np.float32)
    sound[::100] = np.nan
    events = session.receive(sound.tobytes()) + session.receive(sound.tobytes())
    assert [event.code for event in events if isinstance(event, Warning)] == ["non_finite", "clipped"]


def test_lost_samples_are_a_gap() -> None:
    """Samples that the source lost become a gap, and words after it keep their times."""
    said, data = talk(7)
    cut = round(said[5].end_ms + 20) * 32
    lost = 2 * 16_000
    session = open_session(said)
    shifted = tuple(Said(w.text, w.start_ms + 2000 * (k > 5), w.end_ms + 2000 * (k > 5)) for k, w in enumerate(said))
    driver = Driver(session, ScriptedEngine(shifted))
    driver.events += session.receive(data[:cut])
    driver.events += session.skip(lost, "the sender says so")
    assert driver.events[-1] == Gap(cut / 32, cut / 32 + 2000, "the sender says so")
    driver.run(data[cut:], [3200])
    assert [word.text for word in committed(driver.events)] == texts(said)
    check_ledger(session, len(data) // 2 + lost)
    assert session.ledger.totals().gap == lost


def test_audio_after_the_end_is_refused() -> None:
    """A stream that has ended takes no more audio."""
    session = open_session(())
    assert session.end() == []
    assert session.done
    with pytest.raises(ValueError, match="end of the stream"):
        session.receive(bytes(2))


def test_a_late_answer_changes_nothing() -> None:
    """The answer to a tick that a final one replaced is ignored."""
    said = tuple(script(12, 2))
    data = pcm(speak(said))
    session = open_session(said)
    engine = ScriptedEngine(said)
    session.receive(data[: 2 * SECOND])
    tick = session.next_job()
    assert tick is not None
    session.receive(data[2 * SECOND : 3 * SECOND])
    session.flush()
    final = session.next_job()
    assert final is not None
    assert final.urgent
    late = engine.answer(tick.job, tick.audio_start_ms, tick.audio_end_ms, final=False, lead_ms=tick.lead_ms)
    assert session.deliver(tick.id, late) == []
    answer = engine.answer(final.job, final.audio_start_ms, final.audio_end_ms, final=True, lead_ms=final.lead_ms)
    assert any(isinstance(event, Commit) for event in session.deliver(final.id, answer))
