"""Test audio with the time of every word: what `amanuensis bench word-times` measures against."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import count, islice
from pathlib import Path

import numpy as np
import soundfile

from amanuensis.npu.log_mel import SAMPLE_RATE
from amanuensis.training import augment, cast, noises
from amanuensis.training.cast import Part
from amanuensis.training.speech import Float32, Speech, SynthesisError
from amanuensis.training.testset import held_out_narrow
from amanuensis.training.text import Sentence, read_general

TimedWord = tuple[str, float | None, float | None]  # text, start and end in seconds; None where they are not exact
N_CLIPS = 160
_LEVEL_DBFS = -22.0
_PHONE_EDGE_S = 1e-3  # a word that does not begin where a phone does was given its time by the length of its name
_MOST_SENTENCES = 3


@dataclass(frozen=True)
class TimedClip:
    """One row of `manifest.jsonl`."""

    path: str
    text: str
    voice: str
    set: str  # seen or unseen
    disturbed: bool
    seconds: float
    words: list[TimedWord]


def make(folder: Path, text: Path | None, seed: int, n_clips: int) -> None:
    """Write clips of one to three sentences with pauses between, as FLAC with `manifest.jsonl`; nothing if it is there.

    Half of them are in voices that training never hears, and half of each have noise and at times a room.
    """
    if (folder / "manifest.jsonl").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng((seed, 6))
    _, general = read_general(text)
    sentences = _alternating(seed, [general[i] for i in rng.permutation(len(general))])
    clips = list(islice(_clips(folder, sentences, rng), n_clips))
    lines = "".join(json.dumps(asdict(clip)) + "\n" for clip in clips)
    (folder / "manifest.jsonl").write_text(lines)


def _alternating(seed: int, general: list[Sentence]) -> Iterator[list[Sentence]]:
    """Yield lists of held-out sentences for clips, narrow and general ones in turn while there are general ones."""
    narrow = held_out_narrow(seed)
    for at in count(step=_MOST_SENTENCES):
        yield list(islice(narrow, _MOST_SENTENCES))
        if at + _MOST_SENTENCES <= len(general):
            yield general[at : at + _MOST_SENTENCES]


def _clips(folder: Path, sentences: Iterator[list[Sentence]], rng: np.random.Generator) -> Iterator[TimedClip]:
    for i, choice in enumerate(sentences):
        seen, disturbed = i // 2 % 2 == 0, i // 4 % 2 == 1
        part = cast.random_part(rng) if seen else Part(str(rng.choice(cast.UNSEEN)), augment.random_manner(rng))
        said = choice[: int(rng.integers(1, _MOST_SENTENCES + 1))]
        try:
            spoken = [cast.perform(one.spoken, part) for one in said]
        except SynthesisError:
            continue
        samples, words = _joined(said, spoken, rng)
        samples = _disturbed(samples, rng) if disturbed else samples
        name = "seen" if seen else "unseen"
        path = f"{name}_{i:03d}.flac"
        soundfile.write(folder / path, samples, SAMPLE_RATE, subtype="PCM_16")
        seconds = round(len(samples) / SAMPLE_RATE, 2)
        yield TimedClip(path, " ".join(one.text for one in said), part.voice, name, disturbed, seconds, words)


def _joined(said: list[Sentence], spoken: list[Speech], rng: np.random.Generator) -> tuple[Float32, list[TimedWord]]:
    """Return sentences with pauses around them, over a faint noise, and the times of their words."""
    parts, words, at = [_silence(rng, 0.3, 0.6)], [], 0
    for one, speech in zip(said, spoken, strict=True):
        at = sum(map(len, parts))
        words += [
            (name, _exact(start_s, speech, at), _exact(end_s, speech, at))
            for name, (start_s, end_s) in zip(one.text.split(), speech.words, strict=True)
        ]
        parts += [augment.level(speech.samples, _LEVEL_DBFS), _silence(rng, 0.1, 1.0)]
    samples = np.concatenate(parts)
    return samples + rng.standard_normal(len(samples)).astype(np.float32) * 1e-4, words


def _silence(rng: np.random.Generator, least_s: float, most_s: float) -> Float32:
    return np.zeros(round(rng.uniform(least_s, most_s) * SAMPLE_RATE), np.float32)


def _exact(time_s: float, speech: Speech, at: int) -> float | None:
    """Return the time of a word's edge behind `at` samples; None where the synthesiser does not tell it."""
    edges_s = np.array([0.0, *(end_s for end_s, _ in speech.phones)])
    if np.abs(edges_s - time_s).min() > _PHONE_EDGE_S:
        return None
    return round(at / SAMPLE_RATE + time_s, 4)


def _disturbed(samples: Float32, rng: np.random.Generator) -> Float32:
    """Return the samples with noise 10 to 30 dB below, half the time in a room."""
    if rng.random() < 0.5:
        samples = augment.level(augment.convolve(samples, augment.room_response(rng)), _LEVEL_DBFS)
    noise = augment.level(noises.noise(rng, len(samples)), _LEVEL_DBFS - rng.uniform(10, 30))
    return augment.level(samples + noise, _LEVEL_DBFS)
