"""From sound to captions with the real model, decoded in this process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from amanuensis.benchmarks.clips import RATE, SYNTHETIC, Clip, join, load_clips
from amanuensis.benchmarks.random_model import RandomModel, make_random_model
from amanuensis.benchmarks.streaming_wer import FORMAT, Heard, Listener, pieces
from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.loading import LoadedModel, load_model
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import WindowJob, WindowResult
from amanuensis.stream.checkpoint import Checkpoint
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.english import normalise_english
from amanuensis.stream.events import Commit, Event
from amanuensis.stream.session import StreamSession
from amanuensis.stream.wer import Errors, word_errors
from amanuensis.training import noises
from amanuensis.training.evaluation.sets import read_sound
from amanuensis.training.text import spoken_words
from tests.helpers.drive import check_captions

Samples = np.ndarray


@cache
def model() -> LoadedModel:
    """Load the built-in model, or the folder that MODEL_UNDER_TEST names."""
    return load_model(EngineConfig(folder(), threads=1))


@cache
def folder() -> Path:
    """Return the model's folder."""
    if named := os.environ.get("MODEL_UNDER_TEST"):
        return Path(named)
    store = pytest.importorskip("amanuensis.npu.store", reason="there is no model store yet")
    try:
        return Path(store.resolve("builtin"))
    except Exception as error:
        pytest.skip(f"the built-in model is not there: {error}")


def listener(config: StreamConfig | None = None, loaded: LoadedModel | None = None) -> Listener:
    """Return what runs audio through the pipeline."""
    return Listener(loaded or model(), Tokenizer(folder()), config or StreamConfig())


@cache
def clips() -> tuple[Clip, ...]:
    """Return the synthetic clips."""
    return tuple(load_clips(SYNTHETIC))


def narrow() -> list[Clip]:
    """Return the clips that the built-in model reads best: numbers, times, commands."""
    return [clip for clip in clips() if clip.set == "narrow_seen"]


@cache
def long_mixture() -> tuple[Samples, str, Heard, Heard, tuple[tuple[float, Event], ...]]:
    """Return a recording of minutes with pauses, noise, tones and silence, and what was made of it both ways."""
    mixture = join([*narrow() * 3, *clips()], "long", seed=5)
    events: list[tuple[float, Event]] = []
    streamed = listener().streaming(mixture.samples, lambda at, event: events.append((at, event)))
    return mixture.samples, mixture.text, listener().offline(mixture.samples), streamed, tuple(events)


def errors(reference: str, heard: Heard) -> Errors:
    """Count word errors after normalisation."""
    return word_errors(normalise_english(reference).split(), normalise_english(heard.text).split())


def test_streaming_is_as_good_as_offline() -> None:
    """Over minutes, streamed captions are at most one word in a hundred worse than the whole recording's."""
    samples, text, offline, streamed, _ = long_mixture()
    assert len(samples) > 120 * RATE
    assert errors(text, streamed).rate <= errors(text, offline).rate + 0.01


def test_events_of_a_long_recording_are_in_order() -> None:
    """Commits, partials and finals of minutes of captions obey the protocol."""
    samples, _, _, _, events = long_mixture()
    check_captions([event for _, event in events], len(samples) * 1000 / RATE)


def test_long_captions_do_not_loop() -> None:
    """No phrase of three or more words is committed four times in a row."""
    words = normalise_english(long_mixture()[3].text).split()
    for n in (3, 4, 5, 6):
        for k in range(len(words) - 4 * n):
            phrase = words[k : k + n]
            assert [words[k + m * n : k + (m + 1) * n] for m in range(4)] != [phrase] * 4, phrase


def silence() -> Samples:
    """Return 10 s of digital silence."""
    return np.zeros(10 * RATE, np.float32)


def hiss() -> Samples:
    """Return 10 s of noise that comes and goes."""
    noise = np.random.default_rng(1).normal(0, 0.05, 10 * RATE)
    return (noise * (np.arange(10 * RATE) // RATE % 2)).astype(np.float32)


def hum() -> Samples:
    """Return 10 s of a 50 Hz hum with harmonics."""
    t = np.arange(10 * RATE) / RATE
    return sum(0.05 / k * np.sin(2 * np.pi * 50 * k * t) for k in (1, 2, 3, 5)).astype(np.float32)


def chords() -> Samples:
    """Return 10 s of chords that change twice a second."""
    t = np.arange(10 * RATE) / RATE
    root = np.array([220.0, 262.0, 330.0, 196.0])[(t * 2).astype(int) % 4]
    return sum(0.05 * np.sin(2 * np.pi * np.cumsum(root * r) / RATE) for r in (1, 1.25, 1.5)).astype(np.float32)


def clicks() -> Samples:
    """Return 10 s with 20 short bursts, as of typing."""
    rng = np.random.default_rng(2)
    samples = np.zeros(10 * RATE, np.float32)
    for at in rng.integers(0, 9 * RATE, 20):
        samples[at : at + 2000] += (rng.normal(0, 0.2, 2000) * np.exp(-np.arange(2000) / 400)).astype(np.float32)
    return samples


@pytest.mark.parametrize("sound", [silence, hiss, hum, chords, clicks])
def test_no_text_without_speech(sound: Callable[[], Samples]) -> None:
    """Silence, noise, hum, music and clicks give no committed words, live or offline."""
    assert listener().streaming(sound()).text == ""
    assert listener().offline(sound()).text == ""


@pytest.mark.parametrize("kind", list(dict.fromkeys(noises.KINDS)), ids=lambda kind: kind.__name__)
def test_no_text_on_any_kind_of_noise(kind: Callable[[np.random.Generator, int], Samples]) -> None:
    """Every kind of noise that can be made by formula, faint and loud, gives no committed words."""
    rng = np.random.default_rng(11)
    for level in (0.005, 0.15):
        sound = np.clip(level * kind(rng, 5 * RATE), -1, 1).astype(np.float32)
        assert listener().streaming(sound).text == ""


def test_recorded_noise_hardly_gives_text(speech_dir: Path) -> None:
    """Of recordings without speech, at most one in five gives any word, live or offline."""
    sounds = [read_sound(path) for path in sorted((speech_dir / "noise").glob("*.flac"))]
    if not sounds:
        pytest.skip("the recordings have no noise")
    heard = [listener().streaming(sound).text + listener().offline(sound).text for sound in sounds]
    assert sum(map(bool, heard)) <= 0.2 * len(heard), heard


RANDOM = {
    "free": RandomModel(score_gain=6.0, embedding_gain=2.0),
    "padded": RandomModel(score_gain=6.0, embedding_gain=2.0, manifest=False, multilingual=True),
}


@pytest.mark.parametrize("context", ["free", "padded"])
def test_drafts_change_nothing(context: str, tmp_path: Path) -> None:
    """With any weights, verifying the last hypothesis gives the same events as decoding each window from the start.

    In float32: int8 arithmetic depends on how many tokens are read at once.
    """
    made = make_random_model(tmp_path / "model", RANDOM[context])
    loaded = load_model(EngineConfig(made, precision="float32", threads=1))
    assert loaded.info.audio_context == context
    samples = np.concatenate([clip.samples for clip in narrow()[:4]])
    heard = []
    accepted: list[int] = []
    for keep in (True, False):
        events: list[Event] = []
        decoder = Decoder(loaded, keep, accepted)
        session = StreamSession(StreamConfig(), FORMAT, Tokenizer(made), loaded.info)
        for piece in [*pieces(samples), None]:
            events += session.end() if piece is None else session.receive(piece)
            while ticket := session.next_job():
                events += session.deliver(ticket.id, decoder.decode(ticket.job))
        check_captions(events, len(samples) * 1000 / RATE)
        totals = session.ledger.totals()
        assert (totals.received, totals.unsettled, totals.gap) == (len(samples), 0, 0)
        heard.append(events)
    assert heard[0] == heard[1]
    assert any(accepted), "no draft was ever verified"


@dataclass
class Decoder:
    """Decodes jobs with or without their drafts, and notes how much of them was accepted."""

    loaded: LoadedModel
    keep: bool
    accepted: list[int]

    def decode(self, job: WindowJob) -> WindowResult:
        """Decode one window."""
        result = self.loaded.decode(job if self.keep else replace(job, draft=()))
        self.accepted.append(result.accepted)
        return result


@cache
def readable() -> tuple[Clip, ...]:
    """Return the clips that the model reads without a mistake, sound trimmed to the speech."""
    read = [clip for clip in clips() if not errors(clip.text, listener().offline(clip.samples)).total]
    return tuple(replace(clip, samples=trimmed(clip.samples)) for clip in read)


def trimmed(samples: Samples) -> Samples:
    """Return a clip without the silence at its ends."""
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1]


def without_pauses(said: Iterable[Clip]) -> Samples:
    """Return clips one after the other with no more than a breath between them."""
    breath = np.zeros(RATE // 4, np.float32)
    return np.concatenate([part for clip in said for part in (trimmed(clip.samples), breath)])


@pytest.mark.parametrize("name", ["narrow_seen", "narrow_unseen", "general_seen", "readable"])
def test_new_words_come_every_two_seconds(name: str) -> None:
    """While people speak on and on, a new word is shown at least every 2 s of audio, whatever the words."""
    said = (
        readable() if name == "readable" else [replace(c, samples=trimmed(c.samples)) for c in clips() if c.set == name]
    )
    breath = np.zeros(RATE // 4, np.float32)
    speech = np.concatenate([part for clip in said for part in (clip.samples, breath)])
    heard = listener().streaming(speech)
    assert len(speech) > 10 * RATE
    assert len(heard.show_gaps_ms) > len(speech) / RATE / 2
    assert max(heard.show_gaps_ms) <= 2000


def test_no_words_are_missing_from_continuous_speech() -> None:
    """Of clips that are read without a mistake, nearly all words are there when they follow each other."""
    heard = listener().streaming(without_pauses(readable()))
    assert errors(" ".join(clip.text for clip in readable()), heard).del_ <= 0.1 * len(heard.words)


def test_only_what_was_said_is_shown() -> None:
    """When the sender dies in mid-speech, what was committed before is what the whole stream has there."""
    samples = np.concatenate([clip.samples for clip in narrow()[:6]])
    whole: list[tuple[float, Event]] = []
    listener().streaming(samples, lambda at, event: whole.append((at, event)))
    cut: list[tuple[float, Event]] = []
    half = len(samples) // 2 // 1600 * 1600
    listener().streaming(samples[:half], lambda at, event: cut.append((at, event)))
    half_ms = half * 1000 / RATE
    before = [event for at, event in whole if at < half_ms and isinstance(event, Commit)]
    assert [event for at, event in cut if at < half_ms and isinstance(event, Commit)] == before
    assert before
    assert all(word.end_ms <= half_ms for _, event in cut if isinstance(event, Commit) for word in event.words)


def test_a_stream_that_is_put_down_again_and_again_says_the_same() -> None:
    """Taken up every 3 s from its newest checkpoint, a stream of 80 s differs from the uncut one in few words.

    Words are counted as they are said: of numbers in figures one word in another place makes several differ.
    """
    samples = join([clip for clip in clips() if clip.set == "narrow_seen"] * 3, "cut", seed=5).samples[: 80 * RATE]
    uncut = listener().streaming(samples)
    tokenizer, info = Tokenizer(folder()), model().info
    session = StreamSession(StreamConfig(), FORMAT, tokenizer, info)
    kept, n_taken_up = session.checkpoint(), 0
    events: list[Event] = []
    sent = b""
    for k, piece in enumerate([*pieces(samples), None]):
        if k % 30 == 29:
            checkpoint = Checkpoint.from_plain(kept.to_plain())
            session = StreamSession.restore(StreamConfig(), FORMAT, tokenizer, info, checkpoint)
            events += session.receive(sent[2 * checkpoint.needs_from :])
            n_taken_up += 1
        sent += piece or b""
        new = session.end() if piece is None else session.receive(piece)
        while ticket := session.next_job():
            new += session.deliver(ticket.id, model().decode(ticket.job))
        if any(event.durable for event in new):
            kept = session.checkpoint()
        events += new
    words = [word for event in events if isinstance(event, Commit) for word in event.words]
    totals = session.ledger.totals()
    assert n_taken_up >= 25
    assert (totals.received, totals.unsettled, totals.gap) == (len(samples), 0, 0)
    assert all(a.end_ms <= b.start_ms for a, b in pairwise(words))
    assert len(uncut.words) > 60
    assert word_errors(spoken_words(uncut.text), spoken_words(Heard(words, 0.0).text)).rate <= 0.03


def test_the_first_and_last_words_are_heard() -> None:
    """A recording that begins and ends in speech, to the sample, loses no word at either end."""
    same = 0
    for clip in readable():
        said, heard = (normalise_english(text).split() for text in (clip.text, listener().streaming(clip.samples).text))
        same += bool(heard) and said[0] == heard[0] and said[-1] == heard[-1]
    assert same >= 0.8 * len(readable())


def test_recorded_speech_is_streamed_as_well_as_offline(speech_dir: Path) -> None:
    """On recordings of people that the model can read, live text is at most one word in a hundred worse than offline.

    Where it reads less than half of the words, one error more or less says nothing.
    """
    sets: dict[str, list[Clip]] = {}
    for clip in load_clips(speech_dir, limit=30):
        sets.setdefault(clip.set, []).append(clip)
    read = [found for found in sets.values() if offline_errors(found).rate < 0.5]
    mixture = join([clip for found in read for clip in found], "recorded")
    offline = errors(mixture.text, listener().offline(mixture.samples))
    if not read or offline.rate >= 0.5:
        pytest.skip("the model reads less than half of the words of the recordings")
    assert errors(mixture.text, listener().streaming(mixture.samples)).rate <= offline.rate + 0.01


def offline_errors(found: list[Clip]) -> Errors:
    """Return the errors of the first clips of a set, about 30 s of sound."""
    total, seconds = Errors(), 0.0
    for clip in found:
        if seconds < 30:
            total += errors(clip.text, listener().offline(clip.samples))
            seconds += clip.seconds
    return total
