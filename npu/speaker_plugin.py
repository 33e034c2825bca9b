"""A user's own embedding model: `speakers.onnx` and `speakers.json` in the model folder, without code.

`speakers.json`: `{"rate": 16000, "window_s": 2.0, "dim": 192, "same_above": 0.45, "input": "fbank", "bins": 80}`.
`input` says what the graph takes: `samples`, float32 [1, n] in [-1, 1], or `fbank`, float32 [1, frames, bins], Kaldi's
filter bank around its mean over the window, as the models of wespeaker and 3D-Speaker take it. The graph's first output
holds `dim` numbers, of any length as a vector; the graph's only input must leave n or frames free.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from amanuensis.npu.log_mel import SAMPLE_RATE
from amanuensis.npu.model_config import read_json, shown
from amanuensis.npu.model_error import ModelError
from amanuensis.npu.speaker_builtin import check_samples, named, unit
from amanuensis.npu.speaker_graph_file import SpeakerGraph, check_file
from amanuensis.npu.speaker_sound import Float32

GRAPH_FILE: Final = "speakers.onnx"
FACTS_FILE: Final = "speakers.json"
MAX_DIM: Final = 4096
MAX_FACTS_BYTES: Final = 2**16
MAX_CPU_S: Final = 0.25  # of a window, of which there are two a second of speech: half of a core for each stream
ALIKE: Final = 0.9999  # cosine
WINDOW_RANGE_S: Final = (0.5, 10.0)
BINS_RANGE: Final = (20, 128)
MIN_SAMPLES: Final = SAMPLE_RATE // 4  # shorter speech is repeated up to this
# Kaldi's filter bank: `feature-fbank.h` and `feature-window.h`, as torchaudio.compliance.kaldi.fbank has it.
FRAME_SAMPLES: Final = 400
HOP_SAMPLES: Final = 160
FFT_SAMPLES: Final = 512
PRE_EMPHASIS: Final = 0.97
LOWEST_HZ: Final = 20.0
FULL_SCALE: Final = 32768.0


@dataclass(frozen=True, slots=True)
class PluginFacts:
    """What `speakers.json` says."""

    window_s: float
    dim: int
    same_above: float
    input: Literal["samples", "fbank"]
    bins: int

    @classmethod
    def read(cls, path: Path) -> PluginFacts:
        """Read and check the file; ModelError names the key that is wrong."""
        check_file(path, MAX_FACTS_BYTES)
        facts = read_json(path)
        rate = facts.get("rate", SAMPLE_RATE)
        if rate != SAMPLE_RATE:
            raise ModelError(f"{path}: rate is {shown(rate)}; only {SAMPLE_RATE} can be used: choose a 16 kHz model")
        kind = facts.get("input", "samples")
        if kind not in ("samples", "fbank"):
            raise ModelError(f'{path}: input is {shown(kind)}; write "samples" or "fbank"')
        return cls(
            window_s=_number(facts, path, "window_s", *WINDOW_RANGE_S),
            dim=_whole(facts, path, "dim", 2, MAX_DIM),
            same_above=_number(facts, path, "same_above", -1.0, 1.0),
            input="fbank" if kind == "fbank" else "samples",
            bins=_whole(facts, path, "bins", *BINS_RANGE) if kind == "fbank" else 0,
        )


class PluginEmbedder:
    """A `SpeakerEmbedder` that a model folder brings."""

    def __init__(self, folder: Path) -> None:
        """Open the graph and try it on a second of noise and a second of tone.

        Raises:
            ModelError: a file is missing or wrong, or the graph does not do what `speakers.json` says.

        """
        self._path = folder / GRAPH_FILE
        self._facts = PluginFacts.read(folder / FACTS_FILE)
        self.name = named(folder.resolve().name, self._path, folder / FACTS_FILE)
        self.dim, self.window_s, self.same_above = self._facts.dim, self._facts.window_s, self._facts.same_above
        shape = (1, None, self._facts.bins) if self._facts.input == "fbank" else (1, None)
        self._graph = SpeakerGraph(self._path, shape, self.dim)
        self._try()

    def embed(self, samples: Float32) -> Float32:
        """Return the vector of one speaker; see `SpeakerEmbedder`. ModelError: the graph fails on these samples."""
        return unit(self._raw(samples))

    def _raw(self, samples: Float32) -> Float32:
        check_samples(samples)
        sound = np.resize(samples, max(len(samples), MIN_SAMPLES)).astype(np.float32)
        given = fbank(sound, self._facts.bins) if self._facts.input == "fbank" else sound
        return self._graph.run(given[None])

    def _try(self) -> None:
        n = round(self.window_s * SAMPLE_RATE)
        noise = np.random.default_rng(0).normal(0, 0.1, n).astype(np.float32)
        tone = (0.1 * np.sign(np.sin(np.arange(n) * (2 * np.pi * 120 / SAMPLE_RATE)))).astype(np.float32)
        vectors, cpu_s = [], []
        for sound in (noise, tone, noise, tone[: n // 2]):
            started_s = time.thread_time()  # the graph runs in this thread
            vectors.append(self._raw(sound))
            cpu_s.append(time.thread_time() - started_s)
        if float(unit(vectors[0]) @ unit(vectors[1])) > ALIKE:
            raise ModelError(f"{self._path}: gives the same vector for every sound; export the model again")
        if float(unit(vectors[0]) @ unit(vectors[2])) < ALIKE:
            raise ModelError(f"{self._path}: gives another vector for the same sound; export the model for inference")
        if (least_s := min(cpu_s[:3])) > MAX_CPU_S:
            raise ModelError(
                f"{self._path}: takes {least_s:.2f} s of a core for a window, of which there are two a second; at most "
                f"{MAX_CPU_S:g} s are allowed: use a smaller model"
            )


def fbank(samples: Float32, bins: int) -> Float32:
    """Return Kaldi's log filter bank around its mean: float32 [(n - FRAME_SAMPLES) // HOP_SAMPLES + 1, bins].

    Args:
        samples: float32 [n], 16 kHz mono in [-1, 1], n at least FRAME_SAMPLES.
        bins: mel bands from LOWEST_HZ to 8 kHz.

    """
    frames = np.lib.stride_tricks.sliding_window_view(samples * np.float32(FULL_SCALE), FRAME_SAMPLES)[::HOP_SAMPLES]
    frames = frames - frames.mean(axis=1, keepdims=True)
    earlier = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    spectrum = np.fft.rfft((frames - PRE_EMPHASIS * earlier) * np.hamming(FRAME_SAMPLES), FFT_SAMPLES, axis=1)
    energies = np.abs(spectrum[:, :-1]) ** 2 @ _mel_bands(bins)
    log = np.log(np.maximum(energies, np.finfo(np.float32).eps))
    return np.asarray(log - log.mean(axis=0), np.float32)


@cache
def _mel_bands(bins: int) -> Float32:
    """Return Kaldi's triangles, even on the mel axis: float32 [FFT_SAMPLES // 2, bins]."""
    hz = np.concatenate([[LOWEST_HZ, SAMPLE_RATE / 2], np.arange(FFT_SAMPLES // 2) * SAMPLE_RATE / FFT_SAMPLES])
    mel = 1127.0 * np.log1p(hz / 700.0)
    edges = np.linspace(mel[0], mel[1], bins + 2)
    at = mel[2:, None]
    rising = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)), np.float32)


def _number(facts: dict[str, Any], path: Path, key: str, low: float, high: float) -> float:
    value = facts.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ModelError(f"{path}: {key} is {shown(value)}; write a number from {low:g} to {high:g}")
    return float(value)


def _whole(facts: dict[str, Any], path: Path, key: str, low: int, high: int) -> int:
    value = _number(facts, path, key, low, high)
    if value != int(value):
        raise ModelError(f"{path}: {key} is {shown(value)}; write a whole number from {low} to {high}")
    return int(value)
