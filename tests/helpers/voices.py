"""Voices of tones: sound in which each has a chord of its own, and an embedder that really hears which."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from amanuensis.stream.events import Commit, Event, SpeakerRevised, Word
from amanuensis.stream.plain import from_plain, to_plain
from amanuensis.stream.speaker_state import SpeakerState
from amanuensis.stream.speakers import SpeakerRules, Speakers
from amanuensis.stream.vad import FRAME_SAMPLES
from amanuensis.stream.voice_memory import Kept

Float32 = NDArray[np.float32]
RATE = 16_000
LOWEST_HZ, N_BANDS = 200.0, 64
SAME_ABOVE = 0.5
CHORD = 6  # bands of a voice


@dataclass(slots=True)
class BandEmbedder:
    """The energies of 64 bands, of unit length."""

    name: str = "bands"
    dim: int = N_BANDS
    window_s: float = 2.0
    same_above: float = SAME_ABOVE
    calls: int = 0

    def embed(self, samples: Float32) -> Float32:
        self.calls += 1
        spectrum = np.abs(np.fft.rfft(samples, RATE))
        vector = np.array([spectrum[band_hz(k) - 3 : band_hz(k) + 4].max() for k in range(N_BANDS)], np.float32)
        return np.asarray(vector / (np.linalg.norm(vector) + 1e-9), np.float32)


@dataclass(slots=True)
class PitchEmbedder:
    """How much of each pitch from 80 to 279 Hz is in the sound: for voices that differ in nothing else."""

    name: str = "pitch"
    dim: int = 100
    window_s: float = 2.0
    same_above: float = SAME_ABOVE

    def embed(self, samples: Float32) -> Float32:
        spectrum = np.abs(np.fft.rfft(samples, RATE))
        spectrum /= spectrum.max() + 1e-9
        rows = [spectrum[hz : 8 * hz : hz].sum() for hz in range(80, 280, 2)]
        vector = np.maximum(np.array(rows, np.float32) - 0.6 * max(rows), 0)
        return np.asarray(vector / (np.linalg.norm(vector) + 1e-9), np.float32)


def band_hz(k: int) -> int:
    """Return the frequency of a band."""
    return round(LOWEST_HZ + 100 * k)


@cache
def chord(voice: int) -> tuple[int, ...]:
    """Return the bands of a voice."""
    return tuple(np.random.default_rng(voice).choice(N_BANDS, CHORD, replace=False).tolist())


def sound(voice: int | None, seconds: float, seed: int = 0) -> Float32:
    """Return a voice that sounds a little otherwise each time; None: silence."""
    n = round(seconds * RATE / FRAME_SAMPLES) * FRAME_SAMPLES
    t = np.arange(n) / RATE
    rng = np.random.default_rng((seed, n))
    noise = rng.normal(0, 0.01, n)
    if voice is None:
        return noise.astype(np.float32)
    tones = sum(rng.uniform(0.5, 1) * np.sin(2 * np.pi * band_hz(k) * t) for k in chord(voice))
    return np.asarray(0.1 * tones + noise, np.float32)


@dataclass(slots=True)
class Talk:
    """A conversation that is played to `Speakers`, one word every 0.4 s of it, committed 1 s after it was said.

    Attributes:
        events: what was told.
        truth: voice of each word.
        latest: position of the sound.

    """

    rules: SpeakerRules = field(default_factory=lambda: SpeakerRules(SAME_ABOVE))
    embedder: BandEmbedder = field(default_factory=BandEmbedder)
    events: list[Event] = field(default_factory=list)
    truth: list[int] = field(default_factory=list)
    latest: int = 0
    n_told: int = 0
    utt: int = 0
    speakers: Speakers = field(init=False)
    _words: list[tuple[float, int]] = field(default_factory=list)
    _sound: list[tuple[Float32, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.speakers = Speakers(self.rules)

    def play(self, script: Iterable[tuple[int | None, float]]) -> Talk:
        """Play voices for so many seconds each; None is a pause."""
        for k, (voice, seconds) in enumerate(script):
            samples = sound(voice, seconds, seed=self.latest + k)
            if voice is not None:
                start_ms = self.latest * 1000 / RATE
                self._words += [(start_ms + at, voice) for at in np.arange(0, 1000 * seconds - 150, 400).tolist()]
            for at in range(0, samples.size, FRAME_SAMPLES * 5):
                self._hear(samples[at : at + FRAME_SAMPLES * 5], is_speech=voice is not None)
        return self

    def _hear(self, samples: Float32, *, is_speech: bool) -> None:
        self.speakers.hear(self.latest, samples, [is_speech] * (samples.size // FRAME_SAMPLES))
        self._sound.append((samples, is_speech))
        self.latest += samples.size
        self.work()
        self.commit(self.latest * 1000 / RATE - 1000)

    def commit(self, until_ms: float) -> None:
        """Commit the words that were said by then."""
        while self.n_told < len(self._words) and self._words[self.n_told][0] < until_ms:
            at_ms, voice = self._words[self.n_told]
            self.truth.append(voice)
            word = Word(f" w{self.n_told}", at_ms, at_ms + 300, 0.9)
            self.n_told += 1
            self.events += self.speakers.commit(Commit(self.utt, (word,)))

    def work(self, *, words_over: bool = False) -> None:
        """Do all jobs that are due."""
        while (job := self.speakers.due(words_over=words_over)) is not None:
            self.events += self.speakers.deliver(job.id, job.work(self.embedder))

    def end(self) -> Talk:
        """Say the rest, and look at all together."""
        self.speakers.end()
        self.work()
        self.commit(float("inf"))
        self.work(words_over=True)
        return self

    def said(self) -> list[tuple[int, int, Word]]:
        """Return utterance, index and what is known of each word that was committed."""
        words = [word for event in self.events if isinstance(event, Commit) for word in event.words]
        return [
            (self.utt, k, replace(word, spk=spk)) for k, (word, spk) in enumerate(zip(words, self.last, strict=True))
        ]

    def taken_up(self, kept: Sequence[Kept], rules: SpeakerRules | None = None) -> None:
        """Go on in another process: with what was kept and told, and the sound that is not settled."""
        state = from_plain(SpeakerState, to_plain(self.speakers.state()), "speakers")
        self.speakers = Speakers(rules or self.rules, state)
        self.speakers.recall(kept, self.said(), state.memory)
        at = 0
        for samples, is_speech in self._sound:
            skip = max(0, min(samples.size, self.speakers.hears_from - at))
            if skip < samples.size:
                frames = [is_speech] * ((samples.size - skip) // FRAME_SAMPLES)
                self.speakers.hear(at + skip, samples[skip:], frames)
            at += samples.size

    @property
    def first(self) -> list[str | None]:
        """Who each word was said to be of when it was committed."""
        return [word.spk for event in self.events if isinstance(event, Commit) for word in event.words]

    @property
    def last(self) -> list[str | None]:
        """Who each word is of after all that was told."""
        names = self.first
        for event in self.events:
            if isinstance(event, SpeakerRevised):
                for _, index, spk in event.words:
                    names[index] = spk
        return names

    def ended(self) -> list[tuple[int, str | None]]:
        """Return voice and name of each word after all that was told."""
        return list(zip(self.truth, self.last, strict=True))

    def revisions(self) -> list[int]:
        """Return how often each word was revised."""
        counts = [0] * self.n_told
        for event in self.events:
            if isinstance(event, SpeakerRevised):
                for _, index, _ in event.words:
                    counts[index] += 1
        return counts


def share_right(truth: Sequence[int], names: Sequence[str | None]) -> float:
    """Return the share of words whose name is the one that most words of their voice have, each name used once."""
    counts: dict[tuple[int, str | None], int] = {}
    for voice, name in zip(truth, names, strict=True):
        counts[voice, name] = counts.get((voice, name), 0) + 1
    used: dict[int, str | None] = {}
    for voice, name in sorted(counts, key=lambda pair: -counts[pair]):
        if name is not None and voice not in used and name not in used.values():
            used[voice] = name
    return sum(used.get(voice) == name for voice, name in zip(truth, names, strict=True)) / len(truth)
