"""Speech with its text to measure with: the synthetic clips of the tests, own recordings, and long mixtures."""

from __future__ import annotations

import argparse
import json
import os
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

SYNTHETIC = Path(__file__).resolve().parents[1] / "tests" / "data" / "synthetic"
RATE = 16_000
Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Clip:
    """A piece of speech: float32 mono at RATE, its text, and the set that it belongs to."""

    name: str
    set: str
    text: str
    samples: Samples

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / RATE


def add_clip_arguments(parser: argparse.ArgumentParser, limit: int) -> None:
    """Add the flags that say what is read and with which model; `limit` is the default of clips of a set."""
    parser.add_argument(
        "--model", metavar="NAME|PATH", help="model (default: the best installed, else the built-in one)"
    )
    parser.add_argument("--clips", type=Path, default=SYNTHETIC, metavar="DIR", help="clips (default: the tests')")
    parser.add_argument(
        "--speech",
        type=Path,
        default=os.environ.get("AMANUENSIS_SPEECH_DIR"),
        metavar="DIR",
        help="recorded speech with a manifest.jsonl (default: $AMANUENSIS_SPEECH_DIR)",
    )
    parser.add_argument(
        "--limit", type=int, default=limit, metavar="N", help="clips of each set (default: %(default)s)"
    )


def load_clips(folder: Path, limit: int | None = None) -> list[Clip]:
    """Read the clips of a folder's `manifest.jsonl` that have a text and are at RATE.

    Each line of the manifest is an object with `path` and `text`; the set is its `set`, or the path's first folder.

    Args:
        folder: has the manifest and the sound files.
        limit: at most so many clips of each set, spread over it; None: all.

    """
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    sets: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        if row.get("text"):
            sets.setdefault(row.get("set") or Path(row["path"]).parent.name or "single", []).append(row)
    return [_load(folder, name, row) for name, found in sets.items() for row in _spread(found, limit)]


def read_samples(path: Path) -> Samples:
    """Return a sound file as mono; ValueError when it is not at RATE."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    if rate != RATE:
        raise ValueError(f"{path}: {rate} Hz; clips must be at {RATE} Hz")
    return np.asarray(samples.mean(axis=1), np.float32)


def join(clips: Iterable[Clip], name: str, seed: int = 0) -> Clip:
    """Return clips one after the other with what a long recording has between them.

    Pauses of 0.2 to 1.5 s, now and then 4 s of silence, of noise, or of tones as in music, all over a faint noise.
    """
    rng = random.Random(seed)
    noise = np.random.default_rng(seed)
    parts: list[Samples] = []
    texts: list[str] = []
    for k, clip in enumerate(clips):
        parts += [_pause(rng.uniform(0.2, 1.5)), clip.samples]
        texts.append(clip.text)
        if k % 5 == 4:
            parts += [_pause(1.0), (_pause(4.0), _hiss(4.0, noise), _tones(4.0))[k // 5 % 3], _pause(1.0)]
    samples = np.concatenate([*parts, _pause(1.5)])
    samples += noise.normal(0, 2e-4, len(samples)).astype(np.float32)
    return Clip(name, "long", " ".join(texts), samples)


def _load(folder: Path, set_name: str, row: dict[str, str]) -> Clip:
    return Clip(row["path"], set_name, row["text"], read_samples(folder / row["path"]))


def _spread(rows: Sequence[dict[str, str]], limit: int | None) -> Sequence[dict[str, str]]:
    if limit is None or len(rows) <= limit:
        return rows
    return [rows[k * len(rows) // limit] for k in range(limit)]


def _pause(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.float32)


def _hiss(seconds: float, noise: np.random.Generator) -> Samples:
    return noise.normal(0, 0.02, round(seconds * RATE)).astype(np.float32)


def _tones(seconds: float) -> Samples:
    """Return chords that change twice a second."""
    t = np.arange(round(seconds * RATE)) / RATE
    roots_hz = np.array([220.0, 262.0, 330.0, 196.0])[(t * 2).astype(int) % 4]
    chord = np.sin(2 * np.pi * np.cumsum(np.outer([1, 1.25, 1.5], roots_hz), axis=1) / RATE)
    return np.asarray(0.05 * chord.sum(axis=0), np.float32)
