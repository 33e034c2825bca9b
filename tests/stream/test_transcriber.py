"""One utterance: windows, commits and cuts, without any sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from amanuensis.npu.window import WindowJob, WindowResult
from amanuensis.stream.agreement import agreed_words, before_edge
from amanuensis.stream.captions import CaptionWriter
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.context import StreamContext
from amanuensis.stream.events import Commit, Event, Final, Partial
from amanuensis.stream.jobs import JobKind, Window
from amanuensis.stream.ledger import AudioLedger
from amanuensis.stream.prompt import PromptMemory
from amanuensis.stream.transcriber import Transcriber
from amanuensis.stream.utterance_state import UtteranceState
from amanuensis.stream.words import TimedWord, timed_words
from tests.helpers.drive import check_captions, committed
from tests.helpers.scripted_engine import INFO, Said, ScriptedEngine, ScriptedTokenizer
from tests.helpers.talk import script

TICK = 8_000
LONG = replace(INFO, max_window_s=28.0, audio_context="padded")  # not cut before 13 s


@dataclass
class SilentFilm:
    """Sound of which only the times of speech are known."""

    said: Sequence[Said]

    @property
    def stop(self) -> int:
        return round(self.said[-1].end_ms * 16)

    def features(self, start: int, stop: int, lead_frames: int, pad_frames: int) -> NDArray[np.float32]:
        assert start < stop
        return np.zeros((1, (stop - start) // 160 + lead_frames + pad_frames), np.float32)

    def voiced_spans(self, start: int, stop: int) -> list[tuple[int, int]]:
        spans = [(round(word.start_ms * 16), round(word.end_ms * 16)) for word in self.said]
        return [(max(a, start), min(b, stop)) for a, b in spans if min(b, stop) > max(a, start)]

    def quietest(self, start: int, stop: int) -> int:
        gaps = [round((a.end_ms + b.start_ms) * 8) for a, b in zip(self.said, self.said[1:], strict=False)]
        return next((gap for gap in gaps if start <= gap < stop), (start + stop) // 2)


def begin(said: Sequence[Said], config: StreamConfig | None = None, info: object = INFO) -> Transcriber:
    """Return the transcriber of an utterance that starts at 0."""
    config = config or StreamConfig()
    ledger = AudioLedger(16_000)
    ledger.received(10**9)
    context = StreamContext(
        config,
        info,  # type: ignore[arg-type]
        ScriptedTokenizer(said),
        CaptionWriter(round(config.max_utterance_s * 16_000)),
        PromptMemory(),
        ledger,
    )
    return Transcriber(context, SilentFilm(said), UtteranceState(0, 0, 0))


def ask(transcriber: Transcriber, newest: int, said: Sequence[Said]) -> tuple[WindowJob, Window] | None:
    """Return the job that is due with its window."""
    last_voiced = max((min(round(word.end_ms * 16), newest) for word in said if word.start_ms * 16 < newest), default=0)
    kind = transcriber.due(newest, last_voiced)
    return None if kind is None else transcriber.job(kind, newest)


def run(transcriber: Transcriber, engine: ScriptedEngine, end: int) -> list[Event]:
    """Let all audio come, tick by tick, then close."""
    events: list[Event] = []
    said = engine.said
    for newest in [*range(TICK, end, TICK), end]:
        while asked := ask(transcriber, newest, said):
            events += transcriber.consume(answer(engine, *asked))
    transcriber.close(end, "pause")
    events += transcriber.finish_early()
    while asked := ask(transcriber, end, said):
        events += transcriber.consume(answer(engine, *asked))
        events += transcriber.finish_early()
    assert transcriber.done
    return events


def answer(engine: ScriptedEngine, job: WindowJob, window: Window) -> WindowResult:
    """Answer a job."""
    lead_ms, final = window.lead / 16, window.kind.urgent
    return engine.answer(job, window.start / 16, window.stop / 16, final=final, lead_ms=lead_ms)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.3, 0.8]), st.sampled_from([0.0, 0.4]), st.integers(3, 40))
def test_commits_are_those_of_local_agreement(seed: int, p_edge: float, p_unstable: float, n_words: int) -> None:
    """Tick by tick the commits are those of LocalAgreement-2 on two full decodes of the window."""
    said = script(n_words, seed)
    end = round(said[-1].end_ms * 16) + 4_000
    engine = ScriptedEngine(said, seed, p_edge, p_unstable, unstable_ms=900)
    transcriber = begin(said, StreamConfig(max_window_s=28), LONG)
    plain: list[str] = []
    previous: list[TimedWord] = []
    for newest in range(TICK, min(end, 14 * 16_000), TICK):
        asked = ask(transcriber, newest, said)
        if asked is None:
            assert not any(word.start_ms * 16 < newest <= word.end_ms * 16 for word in said), "a tick was left out"
            continue
        job, window = asked
        assert (window.kind.final, window.start, window.stop) == (False, 0, newest)
        full = answer(engine, replace(job, forced=(), draft=()), window)
        current = timed_words(full, ScriptedTokenizer(said), -window.lead, (0, newest), "en", voiced=[(0, newest)])
        old, new = previous[len(plain) :], current[len(plain) :]  # committed words are not compared again
        plain += [word.text for word in new[: before_edge(new, agreed_words(old, new), newest, 6_400)]]
        previous = current
        events = transcriber.consume(answer(engine, *asked))
        assert [word.text for word in committed(events)] == plain[len(plain) - len(committed(events)) :]
        shown = [event.text for event in events if isinstance(event, Partial)]
        assert not shown or shown[-1] == "".join(word.text for word in current[len(plain) :])


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    policy=st.sampled_from(["agreement", "alignatt"]),
    window_s=st.sampled_from([6.0, 12.0]),
    p_edge=st.sampled_from([0.0, 0.7]),
    p_nothing=st.sampled_from([0.0, 0.5]),
    p_loop=st.sampled_from([0.0, 0.3]),
    pause=st.sampled_from([0.0, 0.4, 1.5]),
)
@example(seed=3025, policy="agreement", window_s=6.0, p_edge=0.7, p_nothing=0.5, p_loop=0.0, pause=1.5)
def test_no_word_is_lost_or_doubled_at_cuts(
    seed: int, policy: str, window_s: float, p_edge: float, p_nothing: float, p_loop: float, pause: float
) -> None:
    """Over many windows each word is committed once, whatever the engine's ticks say."""
    said = script(90, seed, (0.0, 0.0, 0.0, pause))
    config = StreamConfig(policy=policy, max_window_s=window_s, max_utterance_s=20)  # type: ignore[arg-type]
    p_edge = p_edge if policy == "agreement" else 0.0
    engine = ScriptedEngine(said, seed, p_edge, p_nothing=p_nothing, p_loop=p_loop, jitter_ms=40)
    transcriber = begin(said, config)
    end = round(said[-1].end_ms * 16) + 3_200
    events = run(transcriber, engine, end)
    assert [word.text for word in committed(events)] == [word.text for word in said]
    check_captions(events, end / 16)


def test_windows_are_bounded() -> None:
    """No job has more audio than the longest window, nor more prompt or forced tokens than fit."""
    said = script(120, 3)
    transcriber = begin(said)
    engine = ScriptedEngine(said, 3, p_nothing=0.7)
    end = round(said[-1].end_ms * 16)
    for newest in range(TICK, end, TICK):
        while asked := ask(transcriber, newest, said):
            job = asked[0]
            assert job.features.shape[1] <= 1_200 + 42 + 50
            assert len(job.prompt) <= 32
            assert len(job.forced) + len(job.draft) <= 160
            assert len(job.forced) < job.options.max_tokens <= 224
            transcriber.consume(answer(engine, *asked))
    assert end - transcriber.window_start <= 12 * 16_000


def test_windows_are_cut_sooner_where_they_may_be_short() -> None:
    """Speech without pauses is cut at half of the longest window, but a model that wants padding keeps four fifths."""
    said = script(100, 6)
    longest_s = {}
    for audio_context in ("free", "padded"):
        transcriber, engine = begin(said, info=replace(INFO, audio_context=audio_context)), ScriptedEngine(said, 6)
        lengths = []
        for newest in range(TICK, round(said[-1].end_ms * 16), TICK):
            while asked := ask(transcriber, newest, said):
                lengths.append((asked[1].stop - asked[1].start) / 16_000)
                transcriber.consume(answer(engine, *asked))
        longest_s[audio_context] = max(lengths)
    assert 6.0 <= longest_s["free"] <= 7.0
    assert 9.6 <= longest_s["padded"] <= 10.6


def test_a_full_window_is_committed_without_agreement() -> None:
    """When hypotheses never agree, the text still comes, each time the window is full."""
    said = script(100, 4)
    transcriber = begin(said)
    engine = ScriptedEngine(said, 4, p_unstable=1.0, unstable_ms=1e9)
    events: list[Event] = []
    for newest in range(TICK, round(said[-1].end_ms * 16), TICK):
        while asked := ask(transcriber, newest, said):
            events += transcriber.consume(answer(engine, *asked))
    assert len(committed(events)) > 60
    assert transcriber._context.counters.forced_commits > 30


def test_speech_without_words_is_looked_at_again() -> None:
    """When the last decode misses the end of the speech, it is decoded again from there, without prompt."""
    said = script(12, 5)
    end = round(said[-1].end_ms * 16) + 3_200
    transcriber = begin(said)
    engine = ScriptedEngine(said, 5)
    transcriber.close(end, "pause")
    asked = ask(transcriber, end, said)
    assert asked is not None
    assert (asked[1].kind, asked[1].stop) == (JobKind.LAST, end)
    half = ScriptedEngine(said[:6], 5)
    events = transcriber.consume(answer(half, *asked))
    assert not any(isinstance(event, Final) for event in events)
    again = ask(transcriber, end, said)
    assert again is not None
    assert again[0].prompt == ()
    assert again[1].again
    assert again[1].start > 0
    events += transcriber.consume(answer(engine, *again))
    assert [word.text for word in committed(events)] == [word.text for word in said]
    assert isinstance(events[-1], Final)
    assert transcriber._context.counters.looked_again == 1


def test_speech_that_stays_without_words_is_counted() -> None:
    """Two looks are enough: then the utterance ends without text, and that is counted."""
    said = script(12, 5)
    end = round(said[-1].end_ms * 16) + 3_200
    transcriber = begin(said)
    deaf = ScriptedEngine(())
    transcriber.close(end, "pause")
    events: list[Event] = []
    for _ in range(2):
        asked = ask(transcriber, end, said)
        assert asked is not None
        events += transcriber.consume(answer(deaf, *asked))
    assert transcriber.done
    assert events == []
    assert transcriber._context.counters.empty == 1


def test_a_short_utterance_ends_without_a_job() -> None:
    """An utterance of less than a frame or two has nothing to decode."""
    transcriber = begin(())
    transcriber.close(400, "flush")
    assert transcriber.finish_early() == []
    assert transcriber.done


def test_abandoned_audio_keeps_what_was_heard() -> None:
    """Giving up makes final what was shown, and tells from where nothing was heard."""
    said = script(10, 6)
    transcriber = begin(said)
    engine = ScriptedEngine(said, 6)
    asked = ask(transcriber, 2 * 16_000, said)
    assert asked is not None
    transcriber.consume(answer(engine, *asked))
    events, lost_from = transcriber.abandon(4 * 16_000)
    assert lost_from == 2 * 16_000
    assert any(isinstance(event, Commit) for event in events)
    assert isinstance(events[-1], Final)


def test_the_language_is_kept_when_it_is_sure() -> None:
    """One language a session: it is taken from the first confident hypothesis."""
    said = script(20, 7)
    transcriber = begin(said)
    engine = ScriptedEngine(said, 7)
    asked = ask(transcriber, 8 * 16_000, said)
    assert asked is not None
    assert asked[0].options.language is None
    transcriber.consume(answer(engine, *asked))
    again = ask(transcriber, 9 * 16_000, said)
    assert again is not None
    assert again[0].options.language == "en"


def test_padded_models_get_silence() -> None:
    """Stock weights see 2 s of silence after the audio, and at least 3 s in all; a free model 0.4 s."""
    said = script(20, 8)
    for info, short, long in ((INFO, 90, 240), (replace(INFO, audio_context="padded"), 300, 400)):
        for newest, expected in ((8_000, short), (32_000, long)):
            asked = ask(begin(said, info=info), newest, said)
            assert asked is not None
            assert asked[0].features.shape[1] == expected


def test_a_stuck_engine_is_not_asked_for_ever() -> None:
    """When every hypothesis is the same few words at the window's start, jobs still wait for new audio."""
    said = script(60, 9)
    transcriber = begin(said)
    stuck = ScriptedEngine(said[:1], 9)
    for newest in range(TICK, 20 * 16_000, TICK):
        n_jobs = 0
        while asked := ask(transcriber, newest, said):
            n_jobs += 1
            assert n_jobs <= 4
            job, window = asked
            words = answer(stuck, replace(job, forced=()), replace(window, start=0, stop=newest))
            transcriber.consume(replace(words, frames=(0,) * len(words.frames)))
