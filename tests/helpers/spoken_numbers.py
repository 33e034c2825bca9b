"""A counted stream: numbers spoken one after the other by flite, each at a known place, and their words."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from amanuensis.stream.formats import AudioFormat

RATE = 16_000
FORMAT = AudioFormat("s16le", RATE, 1)
VOICE = "slt"  # the one that the built-in model reads best: 1 to 199 without an error at this pause
PAUSE_S = 0.6
NOISE = 1e-4  # of full scale: as silent as a microphone gets
HIGHEST = 999
Samples = NDArray[np.float32]

ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
WORD = re.compile(r"[a-z]+|\d+")


@dataclass(frozen=True, slots=True)
class Spoken:
    """A number and the source samples [start, stop) in which it is spoken."""

    value: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Counted:
    """Sound at RATE, mono, and the numbers in it."""

    sound: Samples
    numbers: tuple[Spoken, ...]

    @property
    def pcm(self) -> bytes:
        """The sound as FORMAT has it."""
        return pcm_of(self.sound)


def pcm_of(sound: Samples) -> bytes:
    """Return sound as FORMAT has it."""
    return (np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes()


def counted(values: Sequence[int], pause_s: float = PAUSE_S, seed: int = 0) -> Counted:
    """Return the numbers spoken in order, with near-silence before, between and after them."""
    noise = np.random.default_rng(seed)

    def pause() -> Samples:
        return noise.normal(0, NOISE, round(pause_s * RATE)).astype(np.float32)

    parts, numbers, at = [pause()], [], round(pause_s * RATE)
    for value in values:
        spoken = say(value)
        numbers.append(Spoken(value, at, at + spoken.size))
        parts += [spoken, pause()]
        at += spoken.size + parts[-1].size
    return Counted(np.concatenate(parts), tuple(numbers))


@cache
def say(value: int) -> Samples:
    """Return a number spoken; skips the test by name where there is no flite."""
    flite = shutil.which("flite")
    if flite is None:
        pytest.skip("flite is not installed: no numbers can be spoken")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "number.wav"
        words = " ".join(number_words(value))
        subprocess.run([flite, "-voice", VOICE, "-t", words, "-o", path], check=True, capture_output=True)
        sound, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE
    return np.asarray(sound, np.float32)


def number_words(value: int) -> list[str]:
    """Return how a number from 0 to HIGHEST is spoken."""
    if not 0 <= value <= HIGHEST:
        raise ValueError(f"number {value} is not allowed: it must be 0 to {HIGHEST}")
    hundreds, rest = divmod(value, 100)
    tens, ones = divmod(rest, 10)
    if rest < len(ONES):
        small = [ONES[rest]] if rest or not hundreds else []
    else:
        small = [TENS[tens - 2]] + [ONES[ones]] * (ones > 0)
    return [ONES[hundreds], "hundred"] * (hundreds > 0) + small


def number_words_in(text: str) -> list[str]:
    """Return the words of captions as `number_words` has them: "Forty-one, 103 and" is forty one one hundred three."""
    words: list[str] = []
    for word in WORD.findall(text.lower()):
        is_number = word.isdecimal() and int(word) <= HIGHEST
        words += number_words(int(word)) if is_number else [word] * (word != "and")
    return words
