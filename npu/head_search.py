"""Which heads of a decoder follow the sound, and how long after a token sets in: measured on speech with known times.

Every head of the cross-attention is read while the model is told what is said in the clip that comes with the package.
A head is as good as its peaks keep a constant distance from where words begin; the heads are added in that order for
as long as they are better together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.alignment import AttentionRows, monotone_path
from amanuensis.npu.atomic import whole_or_nothing
from amanuensis.npu.calibration_sound import TimedWindow
from amanuensis.npu.float_model import FloatModel
from amanuensis.npu.model_config import Head, read_json
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.token_times import middle_ms

Float32 = NDArray[np.float32]
MAX_HEADS: Final = 10  # as many as stock models name; more only cost


@dataclass(frozen=True, slots=True)
class HeadChoice:
    """Heads, and how exact they are on the words that they were measured on.

    Attributes:
        heads: layer and head of each.
        lag_ms: from where a word sets in to the middle of the frame that they listen to most, the median.
        median_ms, p90_ms: how far single words are from that.

    """

    heads: tuple[Head, ...]
    lag_ms: float
    median_ms: float
    p90_ms: float

    @property
    def error_ms(self) -> float:
        """What is to be small: the usual error and the large ones count alike."""
        return self.median_ms + self.p90_ms


class AttentionOf:
    """The cross-attention of all heads of a model on windows, computed once."""

    def __init__(self, files: ModelFiles, windows: Sequence[TimedWindow], report: Callable[[float], None]) -> None:
        """Compute it; `report` is told the share that is done."""
        self.heads = [
            (layer, head)
            for layer in range(files.dimensions.decoder_layers)
            for head in range(files.dimensions.decoder_heads)
        ]
        self._windows = windows
        self._attention: list[Float32] = []
        for done, window in enumerate(windows, 1):
            self._attention.append(_attention(files, window))
            report(done / len(windows))

    def rows(self, window: int, heads: Sequence[Head]) -> Float32:
        """Return the attention of some heads on a window, float32 [heads, tokens, frames]."""
        return self._attention[window][[self.heads.index(head) for head in heads]]

    def measure(self, heads: Sequence[Head]) -> HeadChoice:
        """Return how exact these heads are together."""
        lags: list[float] = []
        for number, window in enumerate(self._windows):
            frames = _frames(self.rows(number, heads), window.first_row)
            lags += [middle_ms(frames[row]) - start_ms for row, start_ms in window.starts]
        lag = float(np.median(lags))
        sizes = np.abs(np.array(lags) - lag)
        median, p90 = float(np.median(sizes)), float(np.percentile(sizes, 90))
        return HeadChoice(tuple(sorted(heads)), round(lag, 1), round(median, 1), round(p90, 1))


def search(attention: AttentionOf) -> HeadChoice:
    """Return the best heads together."""
    ranked = sorted(attention.heads, key=lambda head: attention.measure([head]).error_ms)
    best = attention.measure(ranked[:1])
    for head in ranked[1 : 3 * MAX_HEADS]:
        if len(best.heads) < MAX_HEADS:
            best = min(best, attention.measure([*best.heads, head]), key=lambda choice: choice.error_ms)
    return best


def remember(folder: Path, found: HeadChoice, *, heads: bool) -> None:
    """Write the lag to a model folder's `amanuensis.json`, and the heads to its generation config if wanted.

    Raises:
        ModelError: a file is there and cannot be read.
        WriteError: the folder cannot be written.

    """
    changes: dict[str, dict[str, Any]] = {"amanuensis.json": {"attention_lag_ms": found.lag_ms}}
    if heads:
        changes["generation_config.json"] = {"alignment_heads": [list(head) for head in found.heads]}
    for name, values in changes.items():
        path = folder / name
        content = read_json(path) if path.exists() else {}
        with whole_or_nothing(path) as part:
            part.write_text(json.dumps(content | values, indent=1) + "\n", encoding="utf-8")


def _frames(attention: Float32, first_row: int) -> tuple[int, ...]:
    """Return the frame of each row from `first_row` on."""
    rows = AttentionRows(*attention.shape)
    rows.append(attention)
    return monotone_path(rows.scores(first_row))


def _attention(files: ModelFiles, window: TimedWindow) -> Float32:
    """Return the cross-attention of every head, float32 [layers * heads, tokens, frames]."""
    queries: dict[str, Float32] = {}

    def watch(name: str, rows: Float32) -> None:
        if name.endswith("encoder_attn.q_proj.input"):
            queries[name.removesuffix(".q_proj.input")] = rows.copy()

    model = FloatModel(files, watch)
    states = model.encode(window.features)
    model.decode(states, window.tokens)
    heads = files.dimensions.decoder_heads
    layers = [_layer(files, name, rows, states, heads) for name, rows in queries.items()]
    return np.concatenate(layers)


def _layer(files: ModelFiles, name: str, rows: Float32, states: Float32, heads: int) -> Float32:
    """Return the attention of one layer, float32 [heads, tokens, frames]."""
    query = rows @ files.weights[f"{name}.q_proj.weight"].T + files.weights[f"{name}.q_proj.bias"]
    key = states @ files.weights[f"{name}.k_proj.weight"].T
    size = query.shape[1] // heads
    parted = (each.reshape(len(each), heads, size).transpose(1, 0, 2) for each in (query, key))
    scores = np.matmul(next(parted), next(parted).transpose(0, 2, 1)) * np.float32(size**-0.5)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True), np.float32)
