"""What the daemon's stream makes of a model: words where nobody speaks, and live captions against whole recordings.

The session is that of the daemon, on a clock that stands still while anything is computed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from amanuensis.benchmarks.clips import Clip, join
from amanuensis.benchmarks.measures import committed, normalised_erasure, transcript
from amanuensis.benchmarks.simulated_clock import unaware_take
from amanuensis.benchmarks.streaming_wer import Listener
from amanuensis.npu.log_mel import SAMPLE_RATE
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.wer import Errors, word_errors
from amanuensis.training import augment, noises
from amanuensis.training.evaluation.decoding import Recogniser
from amanuensis.training.evaluation.scores import Ratio, Score, ratio
from amanuensis.training.evaluation.sets import Utterance
from amanuensis.training.speech import Float32
from amanuensis.training.text import spoken_words

PIECE_S = 10.0
PIECES_OF_A_KIND = 18  # 12 kinds: 36 minutes
LEVELS_DBFS = (-50.0, -15.0)
MADE, RECORDED = WHOLES = ("made", "recorded")
TALK_CLIPS = 6  # joined with pauses to one recording
TALKS = 4
WINDOW = 10 * SAMPLE_RATE  # of non-speech, where the model is asked without the voice detector
CONFIG = StreamConfig(language="en")

_Captioned = tuple[float, Errors, Errors, float, int]  # seconds, offline, streaming, words taken back, words


@dataclass(frozen=True)
class NonSpeech:
    """A sound without words, and what kind of sound it is."""

    sound: Float32
    kind: str

    @property
    def hours(self) -> float:
        """Length in hours."""
        return len(self.sound) / SAMPLE_RATE / 3600


def _silence(_: np.random.Generator, n: int) -> Float32:
    return np.zeros(n, np.float32)


def _mixed(rng: np.random.Generator, n: int) -> Float32:
    return noises.noise(rng, n)


def made_non_speech(seed: int, pieces: int) -> list[NonSpeech]:
    """Return so many pieces of 10 s of each kind of made noise, of mixtures of them, and of digital silence."""
    rng = np.random.default_rng((seed, 8))
    kinds: list[Callable[[np.random.Generator, int], Float32]] = [*dict.fromkeys(noises.KINDS), _mixed, _silence]
    return [
        NonSpeech(
            augment.level(kind(rng, round(PIECE_S * SAMPLE_RATE)), rng.uniform(*LEVELS_DBFS)),
            kind.__name__.strip("_"),
        )
        for kind in kinds
        for _ in range(pieces)
    ]


@dataclass(frozen=True)
class Inventions:
    """Words per hour in which nobody speaks."""

    hours: float
    captioned: Ratio  # by the stream: behind the voice detector and the gates
    decoded: Ratio  # by the model alone, 10 s at a time


def inventions(recogniser: Recogniser, pieces: Sequence[NonSpeech]) -> dict[str, Inventions]:
    """Return the words heard in non-speech, made and recorded together, then by kind."""
    listener = Listener(recogniser.model, recogniser.tokenizer, CONFIG)
    rows: defaultdict[str, list[tuple[int, int, float]]] = defaultdict(list)
    for piece in pieces:
        captioned = len(spoken_words(listener.streaming(piece.sound).text))
        windows = [piece.sound[at : at + WINDOW] for at in range(0, len(piece.sound), WINDOW)]
        decoded = len(spoken_words(" ".join(recogniser.texts(windows))))
        for kind in {RECORDED if piece.kind == RECORDED else MADE, piece.kind}:
            rows[kind].append((captioned, decoded, piece.hours))
    whole = sorted(rows, key=lambda kind: kind not in WHOLES)
    return {kind: _inventions(rows[kind]) for kind in whole}


def _inventions(rows: Sequence[tuple[int, int, float]]) -> Inventions:
    captioned, decoded, hours = zip(*rows, strict=True)
    return Inventions(sum(hours), ratio(captioned, hours), ratio(decoded, hours))


def talks(utterances: Sequence[Utterance], names: Sequence[str], limit: int = TALKS) -> list[Utterance]:
    """Return up to `limit` recordings of each of some sets, six clips one after the other with pauses and a noise."""
    made = []
    for name in names:
        clips = [Clip("", name, u.text, u.sound) for u in utterances if u.set == name]
        for k in range(min(limit, len(clips) // TALK_CLIPS)):
            talk = join(clips[k * TALK_CLIPS : (k + 1) * TALK_CLIPS], "", seed=k)
            made.append(Utterance(talk.samples, talk.text, f"{name}_talk", ""))
    return made


@dataclass(frozen=True)
class Captions:
    """Live captions of a set beside transcripts of the same recordings."""

    seconds: float
    offline: Score
    streaming: Score
    more: Ratio  # streaming less offline
    erasure: Ratio  # words taken back, through words shown at the end


def captions(recogniser: Recogniser, recordings: Sequence[Utterance]) -> dict[str, Captions]:
    """Return by set what live captions cost in words, and how often they change their mind."""
    listener = Listener(recogniser.model, recogniser.tokenizer, CONFIG)
    rows: defaultdict[str, list[_Captioned]] = defaultdict(list)
    for recording in recordings:
        take = unaware_take(recogniser.model, recogniser.tokenizer, CONFIG, recording.sound)
        reference, live = recording.text.split(), spoken_words(transcript(take))
        offline = word_errors(reference, spoken_words(listener.offline(recording.sound).text))
        shown = max(1, len(committed(take)))
        erased = normalised_erasure(take) * shown
        seconds = len(recording.sound) / SAMPLE_RATE
        rows[recording.set].append((seconds, offline, word_errors(reference, live), erased, shown))
    return {name: _captions(some) for name, some in rows.items()}


def _captions(rows: Sequence[_Captioned]) -> Captions:
    seconds, offline, streaming, erased, shown = zip(*rows, strict=True)
    more = ratio([s.total - o.total for o, s in zip(offline, streaming, strict=True)], [o.n for o in offline])
    return Captions(sum(seconds), Score.of(offline), Score.of(streaming), more, ratio(erased, shown))
