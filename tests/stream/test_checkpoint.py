"""A stream put down anywhere and taken up again by another process."""

from __future__ import annotations

import re
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanuensis.stream.checkpoint import Checkpoint, CheckpointError
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Event, Final, Gap, Marked, Partial, Speech
from amanuensis.stream.formats import AudioFormat, Encoding
from amanuensis.stream.session import StreamSession
from tests.helpers.drive import check_captions, committed
from tests.helpers.resumed import Shell
from tests.helpers.scripted_engine import INFO, Said, ScriptedEngine, ScriptedTokenizer
from tests.helpers.talk import pcm, script, speak

PAUSES = (0.0, 0.0, 0.0, 0.35, 1.2)
S16 = AudioFormat()
SECOND = 32_000  # bytes


@lru_cache(maxsize=64)
def talk(seed: int, n_words: int = 16, rate: int = 16_000) -> tuple[tuple[Said, ...], bytes]:
    """Return a script with pauses and its sound."""
    said = tuple(script(n_words, seed, PAUSES))
    return said, pcm(speak(said, rate=rate))


def texts(said: tuple[Said, ...]) -> list[str]:
    """Return the words of a script."""
    return [word.text for word in said]


def renumbered(events: list[Event]) -> list[Event]:
    """Return the events with partials numbered from 1 in each utterance, and assert that they only ever count up."""
    renumbered: list[Event] = []
    utt, shown, newest = -1, 0, 0
    for event in events:
        if isinstance(event, Partial):
            if event.utt != utt:
                utt, shown, newest = event.utt, 0, 0
            assert event.rev > newest
            shown, newest = shown + 1, event.rev
            event = Partial(utt, shown, event.text, event.start_ms, event.end_ms)  # noqa: PLW2901
        renumbered.append(event)
    return renumbered


def check(shell: Shell, n_samples: int) -> None:
    """Assert what holds of a stream at its end, however often it was put down."""
    totals, rate = shell.session.ledger.totals(), shell.fmt.rate
    assert totals.received == n_samples
    assert totals.unsettled == 0
    assert totals.transcribed + totals.silence + totals.gap == n_samples
    check_captions(renumbered(shell.events), n_samples / rate * 1000)
    gaps = [(event.start_ms, event.end_ms) for event in shell.events if isinstance(event, Gap)]
    assert sum(round(stop * rate / 1000) - round(start * rate / 1000) for start, stop in gaps) == totals.gap
    assert [event.id for event in shell.events if isinstance(event, Marked)] == list(range(1, shell.n_marks + 1))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 20),
    rate=st.sampled_from([8_000, 11_025, 16_000, 44_100, 48_000]),
    size_ms=st.sampled_from([100, 2_000, 500, 20, 7, 1]),
    cuts=st.lists(st.floats(0, 1), min_size=1, max_size=4),
    p_wait=st.sampled_from([0.0, 0.5, 0.9]),
    p_fail=st.sampled_from([0.0, 0.2]),
    p_control=st.sampled_from([0.0, 0.1]),
    p_skip=st.sampled_from([0.0, 0.1]),
    in_order=st.booleans(),
)
def test_a_stream_survives_any_cut(
    seed: int,
    rate: int,
    size_ms: int,
    cuts: list[float],
    p_wait: float,
    p_fail: float,
    p_control: float,
    p_skip: float,
    in_order: bool,
) -> None:
    """Whatever is lost but the checkpoint and the audio: samples have one fate, words are committed once, in order."""
    said, data = talk(seed, 10, rate)
    engine = ScriptedEngine(said, seed, 0.4)
    shell = Shell(engine, AudioFormat("s16le", rate), seed=seed, p_wait=p_wait)
    shell.p_fail, shell.p_control, shell.p_skip = p_fail, p_control, p_skip
    at, size_ms = 0, max(size_ms, 20 if p_skip else 1)
    for cut in [*sorted(round(cut * len(data)) for cut in cuts), len(data)]:
        shell.feed(data[at:cut], [max(3, 2 * rate * size_ms // 1000)])
        at = cut
        if in_order:
            shell.put_down()
        shell.die_and_return()
    shell.end()
    shell.work()
    shell.die_and_return()
    shell.finish()
    shell.die_and_return()
    shell.finish()
    check(shell, len(data) // 2)
    words = [int(word.text.split("~")[0][2:]) for word in committed(shell.events)]
    if not (p_control or p_skip):
        assert words == sorted(set(words)), "a word was committed twice or out of order"
    if not (p_fail or p_skip or p_control):
        assert [word.text for word in committed(shell.events)] == texts(said)


@settings(max_examples=15, deadline=None)
@given(encoding=st.sampled_from(["s16le", "f32le", "mulaw"]), channels=st.integers(1, 3), cut=st.integers(1, 150_000))
def test_a_cut_within_a_sample(encoding: Encoding, channels: int, cut: int) -> None:
    """The bytes of an incomplete sample come again with the rest of the audio, so that nothing is out of step."""
    fmt = AudioFormat(encoding, 8_000, channels)
    data = bytes(k * 7 % 256 for k in range(25_001 * fmt.frame_bytes)) if encoding == "mulaw" else bytes(100_004)
    data = data[: len(data) // fmt.frame_bytes * fmt.frame_bytes]
    shell = Shell(ScriptedEngine(()), fmt, p_wait=1.0)
    shell.feed(data[:cut], [777])
    shell.die_and_return()
    shell.feed(data[cut:], [778])
    shell.end()
    shell.finish()
    check(shell, len(data) // fmt.frame_bytes)


def test_restored_at_once_it_is_the_same_stream() -> None:
    """At 16 kHz the checkpoint of a restored stream that was fed equals the one that it was restored from."""
    said, data = talk(3)
    for stop in range(SECOND, len(data), SECOND // 3):
        shell = Shell(ScriptedEngine(said, 3, 0.5), S16, p_wait=0.2)
        shell.feed(data[:stop], [3200])
        before = shell.session.checkpoint()
        shell.kept = msgpack.packb(before.to_plain())
        shell.die_and_return()
        after = shell.session.checkpoint()
        assert after.utterances == before.utterances
        assert (after.intake, after.settled, after.last_end) == (before.intake, before.settled, before.last_end)
        assert after.said == before.said


def test_what_is_sure_is_final_when_a_stream_is_handed_over() -> None:
    """In the middle of speech all but the last words are final; the next process goes on with the very next word."""
    said = tuple(script(16, 3, (0.0,)))
    data = pcm(speak(said))
    shell = Shell(ScriptedEngine(said), S16)
    shell.feed(data[: 3 * SECOND], [3200])
    shell.put_down()
    final = shell.events[-1]
    assert isinstance(final, Final)
    assert final.reason == "flush"
    heard = [word for word in said if word.end_ms <= 3000]
    assert len(heard) - 3 <= len(committed(shell.events)) <= len(heard)
    shell.put_down()
    assert shell.events[-1] is final
    shell.die_and_return()
    shell.feed(data[3 * SECOND :], [3200])
    shell.end()
    shell.finish()
    check(shell, len(data) // 2)
    assert [word.text for word in committed(shell.events)] == texts(said)


def test_windows_of_a_restored_stream_are_the_same() -> None:
    """At 16 kHz the next job of a restored stream is that of the uncut one, to the last bit of its features."""
    said, data = talk(7)
    n_jobs = 0
    for stop in range(3 * SECOND, 9 * SECOND, SECOND + 2 * 997):
        shell = Shell(ScriptedEngine(said, 7, 0.5), S16)
        shell.feed(data[:stop], [3200])
        checkpoint = shell.session.checkpoint()
        other = StreamSession.restore(StreamConfig(), S16, ScriptedTokenizer(said), INFO, checkpoint)
        other.receive(data[2 * checkpoint.needs_from : stop])
        tickets = []
        for session in (shell.session, other):
            session.receive(data[stop : stop + SECOND])
            tickets.append(session.next_job())
        mine, theirs = tickets
        assert (mine is None) == (theirs is None)
        if mine and theirs:
            assert mine.job.features.tobytes() == theirs.job.features.tobytes()
            assert replace(mine.job, features=theirs.job.features) == theirs.job
            assert replace(mine, id=0, job=theirs.job) == replace(theirs, id=0)
            n_jobs += 1
    assert n_jobs >= 3


def test_what_was_told_is_not_told_again() -> None:
    """Gaps, the start of speech and warnings that a checkpoint knows of come once."""
    said, data = talk(7)
    shell = Shell(ScriptedEngine(said), S16, p_wait=1.0)
    shell.feed(data[: 3 * SECOND], [3200])
    shell.log.append(SECOND)
    shell._keep(shell.session.skip(16_000, "lost"))
    told = list(shell.events)
    shell.die_and_return()
    assert shell.events == told
    assert shell.session.ledger.totals().gap == 16_000


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_stream_goes_on_after_days_that_were_leapt_over(rate: int) -> None:
    """Little has to come again, and what is said then begins and ends where it does in the stream that went on."""
    fmt, days = AudioFormat("s16le", rate), 2 * 86_400 * rate
    before, after = (pcm(speak(script(4, seed), rate=rate)) for seed in (1, 2))
    one = StreamSession(StreamConfig(), fmt, ScriptedTokenizer(()), INFO)
    one.receive(before)
    while (ticket := one.next_job()) is not None:
        one.failed(ticket.id, "not heard", poison=True)
    (gap,) = one.skip(days, "away")
    assert isinstance(gap, Gap)
    assert gap.end_ms - gap.start_ms == 2 * 86_400_000
    other = StreamSession.restore(StreamConfig(), fmt, ScriptedTokenizer(()), INFO, one.checkpoint())
    assert 0 < other.replay_samples < 10 * rate
    assert other.skip(other.replay_samples, "away") == []
    speech = [[event for event in it.receive(after) if isinstance(event, Speech)] for it in (one, other)]
    assert len(speech[0]) == 2
    assert speech[0] == speech[1]
    assert one.ledger.totals() == other.ledger.totals()


def test_audio_that_was_lost_with_its_process_is_a_gap() -> None:
    """Where the audio that a checkpoint needs is gone, skipping it makes a gap of what had no fate, and no more."""
    said, data = talk(7)
    shell = Shell(ScriptedEngine(said), S16, p_wait=1.0)
    shell.feed(data[: 5 * SECOND], [3200])
    checkpoint = shell.session.checkpoint()
    settled = checkpoint.intake.ledger.settled
    session = StreamSession.restore(StreamConfig(), S16, ScriptedTokenizer(said), INFO, checkpoint)
    assert session.replay_samples == checkpoint.received - checkpoint.needs_from
    assert session.next_job() is None
    with pytest.raises(ValueError, match="must come again first"):
        session.end()
    events = session.skip(session.replay_samples, "lost in a crash")
    assert events == [Gap(settled / 16, 5000.0, "lost in a crash")]
    assert session.ledger.totals().unsettled == 0


def test_settings_and_counters_go_on() -> None:
    """What was changed while the stream ran stays so, over new settings of the server; so do language and counts."""
    said, data = talk(2)
    shell = Shell(ScriptedEngine(said), S16)
    shell.feed(data[: 4 * SECOND], [3200])
    shell.session.configure({"language": "en", "hotwords": ["w1", "w2"]})
    checkpoint = Checkpoint.from_plain(msgpack.unpackb(msgpack.packb(shell.session.checkpoint().to_plain())))
    tokenizer = ScriptedTokenizer(said)
    session = StreamSession.restore(StreamConfig(tick_ms=700), S16, tokenizer, INFO, checkpoint)
    assert session.config == StreamConfig(tick_ms=700, language="en", hotwords=("w1", "w2"))
    assert session.language == "en"
    assert session.counters == shell.session.counters
    assert session.checkpoint().settings == {"language": "en", "hotwords": ("w1", "w2")}


def test_another_model_goes_on_with_the_same_words() -> None:
    """Committed words are spelt in the tokens of the model that goes on, and the prompt begins anew."""
    said, data = talk(5)
    shell = Shell(ScriptedEngine(said), S16)
    shell.feed(data[: 5 * SECOND], [3200])
    checkpoint = shell.session.checkpoint()
    (before,) = checkpoint.utterances
    assert before.forced

    class OtherTokenizer(ScriptedTokenizer):
        def encode(self, text: str) -> tuple[int, ...]:
            return (1_000, 1_001, len(text))

    info = replace(INFO, model="another", languages=("en", "de"))
    session = StreamSession.restore(StreamConfig(), S16, OtherTokenizer(said), info, checkpoint)
    (after,) = session.checkpoint().utterances
    assert [word.text for word in after.forced] == [word.text for word in before.forced]
    assert {word.tokens[0] for word in after.forced} == {1_000}
    assert session.checkpoint().said == ()
    assert session.checkpoint().model == "another"


def test_less_audio_may_wait_than_before() -> None:
    """With a lower bound for waiting audio, the oldest becomes a gap while it comes again, and the stream goes on."""
    said = tuple(script(60, 9))
    data = pcm(speak(said))
    shell = Shell(ScriptedEngine(said), S16, StreamConfig(max_pending_s=60), p_wait=1.0)
    shell.feed(data[: 20 * SECOND], [3200])
    shell.config = StreamConfig(max_pending_s=10)
    shell.die_and_return()
    shell.p_wait = 0.0
    shell.feed(data[20 * SECOND :], [3200])
    shell.end()
    shell.finish()
    check(shell, len(data) // 2)
    assert 5 * 16_000 <= shell.session.ledger.totals().gap <= 16 * 16_000
    assert [word.text for word in committed(shell.events)][-20:] == texts(said)[-20:]


def test_a_checkpoint_is_small() -> None:
    """At the defaults a checkpoint of continuous speech stays below 8 KB, also where audio waits for the engine."""
    said = tuple(script(150, 4))
    data = pcm(speak(said))
    usual = Shell(ScriptedEngine(said), S16)
    usual.feed(data, [3200])
    assert usual.largest < 8_000
    said, data = talk(4, 80)
    behind = Shell(ScriptedEngine(said), S16, p_wait=0.99)
    behind.feed(data, [3200])
    assert behind.largest < 8_000


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_damaged_checkpoint_is_refused(data: st.DataObject) -> None:
    """Whatever stands in the place of a part of it, it is a checkpoint all the same, or refused as none."""
    plain = deepcopy(plain_checkpoint())
    place: Any = plain["state"]
    for _ in range(data.draw(st.integers(0, 4))):
        nested = [item for item in place if isinstance(item, list) and item]
        place = data.draw(st.sampled_from(nested)) if nested else place
    junk = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.lists(st.integers())
    place[data.draw(st.integers(0, len(place) - 1))] = data.draw(junk)
    with suppress(CheckpointError):
        assert Checkpoint.from_plain(Checkpoint.from_plain(plain).to_plain()) == Checkpoint.from_plain(plain)


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        (None, "this is no checkpoint: it must be a map with a version"),
        ({"version": 0}, "checkpoint version 0 cannot be read: this is version 4"),
        ({"version": 4, "state": [1]}, "checkpoint [1] is not allowed: it must be a list of 14 values"),
    ],
)
def test_what_is_no_checkpoint_is_refused(plain: Any, message: str) -> None:
    """The message says what is wrong."""
    with pytest.raises(CheckpointError, match=re.escape(message)):
        Checkpoint.from_plain(plain)


def test_the_rate_must_be_the_same() -> None:
    """A stream at another rate cannot go on from a checkpoint."""
    checkpoint = Checkpoint.from_plain(plain_checkpoint())
    with pytest.raises(CheckpointError, match="16000 Hz, not 8000"):
        StreamSession.restore(StreamConfig(), AudioFormat(rate=8_000), ScriptedTokenizer(()), INFO, checkpoint)


def test_settings_that_the_model_cannot_do_are_refused() -> None:
    """A language that was set while the stream ran must be known to the model that goes on."""
    tokenizer = ScriptedTokenizer(())
    session = StreamSession(StreamConfig(), S16, tokenizer, replace(INFO, languages=("en", "de")))
    session.configure({"language": "de"})
    with pytest.raises(CheckpointError, match="do not fit: language 'de' is not known to model scripted"):
        StreamSession.restore(StreamConfig(), S16, tokenizer, INFO, session.checkpoint())


@lru_cache(maxsize=1)
def plain_checkpoint() -> dict[str, Any]:
    """Return a checkpoint in the middle of speech, with everything in it."""
    said, data = talk(5)
    shell = Shell(ScriptedEngine(said), S16)
    shell.feed(data[: 5 * SECOND], [3200])
    shell.session.configure({"prompt": "names"})
    shell.session.mark("m")
    shell.session.skip(160, "lost")
    shell.session.receive(data[5 * SECOND : 6 * SECOND])
    plain: dict[str, Any] = msgpack.unpackb(msgpack.packb(shell.session.checkpoint().to_plain()))
    return plain
