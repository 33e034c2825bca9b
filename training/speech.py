"""What every synthesiser returns: sound with the times of its words and phones."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

# The phone set of CMU's US English voices (ARPAbet with `ax`); index 0 is silence.
PHONES = [
    "pau",
    "aa",
    "ae",
    "ah",
    "ao",
    "aw",
    "ax",
    "ay",
    "b",
    "ch",
    "d",
    "dh",
    "eh",
    "er",
    "ey",
    "f",
    "g",
    "hh",
    "ih",
    "iy",
    "jh",
    "k",
    "l",
    "m",
    "n",
    "ng",
    "ow",
    "oy",
    "p",
    "r",
    "s",
    "sh",
    "t",
    "th",
    "uh",
    "uw",
    "v",
    "w",
    "y",
    "z",
    "zh",
]
PHONE_ID = {name: i for i, name in enumerate(PHONES)}
UNKNOWN_PHONE = 255  # no target on these frames
SPELLED_A = re.compile(r"(?<=\b[A-Z] )A\b|(?<=\b[A-Z], )A\b|\bA(?= [A-Z]\b)")  # which some read as the article


@dataclass(frozen=True)
class Speech:
    """One synthesised sentence.

    `samples` is float32 mono at `rate`; `words` holds (start_s, end_s) of each word of the text, in order;
    `phones` holds (end_s, phone id), each phone beginning where the one before it ends.
    """

    samples: Float32
    rate: int  # Hz
    words: list[tuple[float, float]]
    phones: list[tuple[float, int]]


@dataclass(frozen=True)
class Manner:
    """How to speak: factors on the voice's own habits."""

    tempo: float = 1.0  # 2 = twice as fast
    pitch: float = 1.0  # factor on F0
    pitch_range: float = 1.0  # factor on the spread of F0
    formant: float = 1.0  # > 1: a shorter vocal tract


class SynthesisError(Exception):
    """A synthesiser is missing, or gave back something that cannot be aligned with the text."""
