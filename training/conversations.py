"""Conversations of synthetic voices with known turns, to choose the rules of telling voices apart on.

`python -m amanuensis.training.conversations DIR --n 24 --seed 1` writes DIR/conversations/*.flac and DIR/turns.jsonl,
laid out as `amanuensis bench speakers --data DIR` reads it. Nobody says two sentences quite alike: pitch, pace, vocal
tract and the way to the microphone vary a little.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

from amanuensis.npu.log_mel import SAMPLE_RATE
from amanuensis.training import augment, cast, noises
from amanuensis.training.cast import Part
from amanuensis.training.speech import Float32, SynthesisError
from amanuensis.training.text import narrow_sentences

LEVEL_DBFS = -22.0
MOST_VOICES = 6
SHORT_TURN = 0.2  # share of turns of a few words


@dataclass(frozen=True)
class Turn:
    """One voice from `start_s` to `end_s`."""

    start_s: float
    end_s: float
    voice: str


@dataclass(frozen=True)
class Person:
    """A voice with a microphone of its own: a band of the spectrum that is raised or lowered, and a room."""

    part: Part
    tilt: Float32  # impulse responses
    room: Float32

    @classmethod
    def random(cls, rng: np.random.Generator) -> Person:
        """Return somebody."""
        tilt = np.zeros(3, np.float32)
        tilt[:2] = 1.0, rng.uniform(-0.35, 0.35)
        return cls(cast.random_part(rng), tilt, augment.room_response(rng))

    def today(self, rng: np.random.Generator) -> Person:
        """Return the same person as it speaks one sentence."""
        usual = self.part.manner
        manner = replace(
            usual,
            tempo=usual.tempo * float(np.exp(rng.normal(0, 0.08))),
            pitch=usual.pitch * float(np.exp(rng.normal(0, 0.08))),
            pitch_range=usual.pitch_range * float(np.exp(rng.normal(0, 0.2))),
            formant=usual.formant * float(np.exp(rng.normal(0, 0.015))),
        )
        tilt = self.tilt.copy()
        tilt[1] += np.float32(rng.normal(0, 0.1))
        room = self.room.copy()
        room[1:] *= np.float32(np.exp(rng.normal(0, 0.4)))
        return Person(replace(self.part, manner=manner), tilt, room)


def converse(rng: np.random.Generator, n_voices: int, minutes: float) -> tuple[Float32, list[Turn]]:
    """Return a conversation and its turns; nobody interrupts."""
    people = [Person.random(rng) for _ in range(n_voices)]
    sentences = narrow_sentences(int(rng.integers(2**31)), held_out=False)
    parts: list[Float32] = [np.zeros(int(0.4 * SAMPLE_RATE), np.float32)]
    turns: list[Turn] = []
    at, who = parts[0].size, int(rng.integers(n_voices))
    while at < minutes * 60 * SAMPLE_RATE:
        n_sentences = 1 if rng.random() < SHORT_TURN else int(rng.integers(1, 4))
        spoken = [_say(people[who].today(rng), next(sentences).spoken) for _ in range(n_sentences)]
        sound = np.concatenate([part for part in spoken if part is not None] or [np.zeros(1, np.float32)])
        if sound.size > 1:
            turns.append(Turn(at / SAMPLE_RATE, (at + sound.size) / SAMPLE_RATE, f"voice{who}"))
            pause = np.zeros(int(rng.choice([0.05, 0.2, 0.5, 1.0]) * SAMPLE_RATE), np.float32)
            parts += [sound, pause]
            at += sound.size + pause.size
        who = (who + int(rng.integers(1, n_voices))) % n_voices if n_voices > 1 else who
    mixed = np.concatenate(parts)
    noise = augment.level(noises.noise(rng, mixed.size), LEVEL_DBFS - float(rng.uniform(18, 40)))
    return augment.level(mixed + noise, LEVEL_DBFS), turns


def _say(person: Person, sentence: str) -> Float32 | None:
    try:
        speech = cast.perform(sentence, person.part)
    except SynthesisError:
        return None
    heard = augment.convolve(augment.convolve(speech.samples, person.tilt), person.room)
    return augment.level(heard, LEVEL_DBFS)


def make(folder: Path, n: int, seed: int, minutes: float) -> Iterator[str]:
    """Write conversations; yield a line about each."""
    (folder / "conversations").mkdir(parents=True, exist_ok=True)
    with (folder / "turns.jsonl").open("w") as rows:
        for k in range(n):
            rng = np.random.default_rng((seed, k))
            n_voices = k % MOST_VOICES + 1
            samples, turns = converse(rng, n_voices, minutes)
            path = f"conversations/made{k}.flac"
            soundfile.write(folder / path, samples, SAMPLE_RATE, subtype="PCM_16")
            listed = [[round(turn.start_s, 3), round(turn.end_s, 3), turn.voice] for turn in turns]
            rows.write(json.dumps({"path": path, "turns": listed}) + "\n")
            yield f"{path}: {n_voices} voices, {len(turns)} turns, {samples.size / SAMPLE_RATE:.0f} s"


def main(arguments: list[str] | None = None) -> int:
    """Make them; return 0."""
    parser = argparse.ArgumentParser(prog="python -m amanuensis.training.conversations", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--n", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1.5)
    a = parser.parse_args(arguments)
    for line in make(a.folder, a.n, a.seed, a.minutes):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
