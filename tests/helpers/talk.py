"""Sound that a voice detector takes for speech, made word by word."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tests.helpers.scripted_engine import Said

RATE = 16_000
FORMANTS_HZ = ((700, 1200, 2600), (300, 2300, 3000), (500, 900, 2400), (400, 1700, 2500))


def script(n_words: int, seed: int = 0, pauses: Sequence[float] = (0.0,), start_s: float = 0.5) -> list[Said]:
    """Return words of 200 to 500 ms; `pauses` are drawn from, in seconds, between words."""
    rng = random.Random(seed)
    said: list[Said] = []
    at = start_s * 1000
    for k in range(n_words):
        length = rng.uniform(200, 500)
        said.append(Said(f" w{k}", at, at + length))
        at += length + 40 + 1000 * rng.choice(pauses)
    return said


def speak(said: Sequence[Said], tail_s: float = 1.5, rate: int = RATE) -> NDArray[np.float32]:
    """Return voiced sound at the words' times over faint noise, float32 at `rate`."""
    total = round((said[-1].end_ms / 1000 + tail_s) * rate) if said else round(tail_s * rate)
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 2e-4, total).astype(np.float32)
    for k, word in enumerate(said):
        first, last = (round(ms * rate / 1000) for ms in (word.start_ms, word.end_ms))
        sound[first:last] += _vowels(last - first, k, rate)
    return sound


def pcm(sound: NDArray[np.float32]) -> bytes:
    """Return s16le bytes."""
    return (sound * 32767).astype("<i2").tobytes()


def cut_in_pieces(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Cut bytes into pieces of the given sizes, again from the first size when they are used up."""
    pieces, at, k = [], 0, 0
    while at < len(data):
        pieces.append(data[at : at + sizes[k % len(sizes)]])
        at += len(pieces[-1])
        k += 1
    return pieces


def _vowels(n: int, k: int, rate: int) -> NDArray[np.float32]:
    t = np.arange(n) / rate
    f0 = 110 + 15 * (k % 5)
    sound = np.zeros(n)
    for h in range(1, int(4000 / f0)):
        gain = sum(np.exp(-(((h * f0 - f) / 150) ** 2)) for f in FORMANTS_HZ[k % len(FORMANTS_HZ)]) + 0.02
        sound += gain * np.sin(2 * np.pi * h * f0 * t)
    envelope = np.minimum(1, np.minimum(np.arange(n), np.arange(n)[::-1]) / (0.02 * rate))
    return (0.1 * sound * envelope).astype(np.float32)


def gaps_ms(said: Sequence[Said]) -> list[float]:
    """Return the pauses between the words."""
    return [b.start_ms - a.end_ms for a, b in pairwise(said)]
