"""Everything that is measured of a model, form by form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amanuensis.npu.engine.api import Precision
from amanuensis.npu.log_mel import SAMPLE_RATE
from amanuensis.stream.wer import Errors
from amanuensis.training.evaluation import live, sets
from amanuensis.training.evaluation.conditions import under_conditions
from amanuensis.training.evaluation.decoding import Recogniser
from amanuensis.training.evaluation.live import Captions, Inventions, NonSpeech
from amanuensis.training.evaluation.scores import Ratio, Score, errors_of, score
from amanuensis.training.evaluation.sets import Utterance
from amanuensis.training.evaluation.written import written_scores

SILENT_ONE_IN = 4  # clips that are heard as silence, as a control
LEAST_SHUFFLED_WER = 0.8
_LIVE_SETS = ("narrow_seen", "general_seen", "recorded_ljspeech")


@dataclass(frozen=True)
class Form:
    """A model folder, the arithmetic that it is computed with, and what the tables call them."""

    name: str
    folder: Path
    precision: Precision


@dataclass(frozen=True)
class Material:
    """What is heard."""

    clips: list[Utterance]  # synthetic, as they are
    utterances: list[Utterance]  # those and all others of one window
    non_speech: list[NonSpeech]
    recordings: list[Utterance]  # to be captioned live


@dataclass(frozen=True)
class Measured:
    """What came of one form."""

    errors: list[Errors]  # by utterance
    scores: dict[tuple[str, str], Score]
    written: dict[str, dict[str, Ratio]]
    shuffled: Score  # texts of other clips
    silent: Score  # texts of silence
    inventions: dict[str, Inventions]
    captions: dict[str, Captions]

    @property
    def is_from_sound(self) -> bool:
        """Whether the controls came out: nothing is heard in silence, and texts belong to their sounds."""
        heard_nothing = self.silent.errors.del_ == self.silent.errors.total == self.silent.errors.n
        return heard_nothing and self.shuffled.wer.value >= LEAST_SHUFFLED_WER


def gather(clips: Path, speech: Path | None, seed: int, limit: int | None) -> Material:
    """Read and make what is heard.

    Args:
        clips: folder of the synthetic test clips.
        speech: folder of recorded speech, or that of the environment.
        seed: strings of digits, conditions and noises follow from it.
        limit: at most so many utterances of each set and seconds of each kind of noise; None: all.

    """
    synthetic = sets.synthetic(clips)
    recorded = sets.recorded(speech)
    strings = sets.digit_strings([u for u in recorded if u.set == "recorded_digit"], seed)
    utterances = [*synthetic, *sets.pairs(synthetic), *recorded, *strings, *under_conditions(synthetic, seed)]
    pieces = live.PIECES_OF_A_KIND if limit is None else 1
    noises = [NonSpeech(sound, live.RECORDED) for sound in sets.recorded_noises(speech)]
    talks = live.talks([*synthetic, *recorded], _LIVE_SETS, live.TALKS if limit is None else 1)
    long = sets.recorded(speech, sets.LONG_KINDS)
    non_speech = [*live.made_non_speech(seed, pieces), *noises]
    if limit is not None:
        non_speech = [NonSpeech(piece.sound[: limit * SAMPLE_RATE], piece.kind) for piece in non_speech]
    return Material(at_most(synthetic, limit), at_most(utterances, limit), non_speech, [*talks, *at_most(long, limit)])


def at_most(utterances: Sequence[Utterance], limit: int | None) -> list[Utterance]:
    """Return the first utterances of each set."""
    names = dict.fromkeys(u.set for u in utterances)
    return [u for name in names for u in [u for u in utterances if u.set == name][:limit]]


def measure(recogniser: Recogniser, material: Material) -> Measured:
    """Hear everything with one form of a model."""
    texts = recogniser.texts([u.sound for u in material.utterances])
    errors = errors_of(material.utterances, texts)
    of_clips = texts[: len(material.clips)]
    silence = material.clips[::SILENT_ONE_IN]
    silent = recogniser.texts([np.zeros_like(u.sound) for u in silence])
    return Measured(
        errors,
        score(material.utterances, errors),
        written_scores(material.clips, of_clips),
        Score.of(errors_of(material.clips, shuffled(material.clips, of_clips))),
        Score.of(errors_of(silence, silent)),
        live.inventions(recogniser, material.non_speech),
        live.captions(recogniser, material.recordings),
    )


def shuffled(utterances: Sequence[Utterance], texts: Sequence[str]) -> list[str]:
    """Return each text at the place of another utterance of its set; the utterances are in the order of sets."""
    moved: list[str] = []
    for name in dict.fromkeys(u.set for u in utterances):
        own = [text for u, text in zip(utterances, texts, strict=True) if u.set == name]
        moved += own[len(own) // 2 :] + own[: len(own) // 2]
    return moved
