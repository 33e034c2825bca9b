"""Attention, softmax(scale * q k^T) v of each head: plain, streaming over blocks of keys, and all blocks at once.

The streaming form holds for each row a running maximum m, a sum l and a result o, in float32, and for each block of
keys: m' = max(m, rowmax(s)), p = bf16(exp(s - m')), c = exp(m - m'), l = c l + rowsum(p), o = c o + p v; at the end o
/ l (Milakov and Gimelshein 2018, "Online normalizer calculation for softmax"; Dao et al. 2022, "FlashAttention").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.dtypes import Float32, rounded
from amanuensis.kernels.layout import padded
from amanuensis.kernels.reference.by_row import SMALL_ROWS, chunked, mixed_by_rows, scores_of_rows
from amanuensis.kernels.reference.softmax import softmax

KEY_BLOCK: Final = 32
CHUNK_SCORES: Final = 1 << 18  # computed at a time: 1 MB


@dataclass(frozen=True, slots=True)
class Attended:
    """The result of attention.

    Attributes:
        values: float32 [heads, rows, size]; the device rounds them to bf16.
        highest: float32 [heads, rows], the final running maximum of the scaled scores.
        sums: float32 [heads, rows], the final running sum.

    """

    values: Float32
    highest: Float32
    sums: Float32


def seen_keys(rows: int, keys: int, first: int | None) -> NDArray[np.int64]:
    """Return how many keys each row sees, int64 [rows]: all, or when causal first + i + 1, but no more than all."""
    if first is None:
        return np.full(rows, keys)
    return np.minimum(first + 1 + np.arange(rows), keys)


def attention(q: Float32, k: Float32, v: Float32, scale: float, first: int | None = None) -> Float32:
    """Return plain attention.

    Args:
        q: float32 [heads, rows, size].
        k: float32 [heads, keys, size].
        v: float32 [heads, keys, size].
        scale: of the scores, 1 / sqrt(size) in Whisper.
        first: None, or the position of row 0 in causal attention: row i sees the keys 0 to first + i.

    Returns:
        float32 [heads, rows, size].

    """
    scores = np.float32(scale) * (q @ k.transpose(0, 2, 1))
    return softmax(scores, seen_keys(q.shape[1], k.shape[1], first)) @ v


def attention_streaming(q: Float32, k: Float32, v: Float32, scale: float, first: int | None = None) -> Attended:
    """Return attention as a core computes it, block of keys by block; arguments as for `attention`, values of bf16."""
    heads, rows, size = q.shape
    seen = seen_keys(rows, k.shape[1], first)
    m = np.full((heads, rows), -np.inf, np.float32)
    total = np.zeros((heads, rows), np.float32)
    out = np.zeros((heads, rows, size), np.float32)
    for start in range(0, int(seen.max(initial=0)), KEY_BLOCK):
        stop = min(start + KEY_BLOCK, k.shape[1])
        scores = np.float32(scale) * (q @ k[:, start:stop].transpose(0, 2, 1))
        scores = np.where(np.arange(start, stop) < seen[:, None], scores, np.float32(-np.inf))
        higher = np.maximum(m, scores.max(axis=2))
        p = rounded(np.exp(scores - higher[..., None]))
        correction = np.exp(m - higher)
        total = correction * total + p.sum(axis=2)
        out = correction[..., None] * out + p @ v[:, start:stop]
        m = higher
    return Attended(out / total[..., None], m, total)


def attention_blocks(q: Float32, k: Float32, v: Float32, scale: float, first: int | None = None) -> Attended:
    """Return what `attention_streaming` does, for all blocks at once: each p is rounded under its own running maximum.

    The corrections c of a block multiply up to exp(m of the block - final m), so the two differ only by the rounding of
    float32. This is the form that is fast in NumPy: as many heads and rows at a time as the cache of a CPU core takes.
    A few rows are computed row by row (`amanuensis.kernels.reference.by_row`).
    """
    heads, rows, _ = q.shape
    seen = seen_keys(rows, k.shape[1], first)
    if rows <= SMALL_ROWS:
        weights, highest, sums = _weights(_hidden(np.float32(scale) * scores_of_rows(q, chunked(k)), seen))
        return Attended(mixed_by_rows(weights, chunked(v)) / sums[..., None], highest, sums)
    result = Attended(np.empty_like(q), np.empty((heads, rows), np.float32), np.empty((heads, rows), np.float32))
    step_rows = max(1, min(rows, CHUNK_SCORES // k.shape[1]))
    step_heads = max(1, CHUNK_SCORES // (step_rows * k.shape[1]))
    for head in range(0, heads, step_heads):
        chosen = slice(head, head + step_heads)
        for row in range(0, rows, step_rows):
            part = slice(row, row + step_rows)
            keys = int(seen[part].max())
            done = _blocks(q[chosen, part], k[chosen, :keys], v[chosen, :keys], scale, seen[part])
            result.values[chosen, part], result.highest[chosen, part], result.sums[chosen, part] = done
    return result


def _blocks(
    q: Float32, k: Float32, v: Float32, scale: float, seen: NDArray[np.int64]
) -> tuple[Float32, Float32, Float32]:
    heads, rows, _ = q.shape
    keys = k.shape[1]
    scores = np.full((heads, rows, padded(keys, KEY_BLOCK)), -np.inf, np.float32)
    np.matmul(q, k.transpose(0, 2, 1), out=scores[..., :keys])
    scores[..., :keys] *= np.float32(scale)
    weights, highest, sums = _weights(_hidden(scores, seen))
    return weights[..., :keys] @ v / sums[..., None], highest, sums


def _hidden(scores: Float32, seen: NDArray[np.int64]) -> Float32:
    """Return the scores with those of keys that a row does not see put to -inf, in place."""
    if seen.min() < scores.shape[2]:
        scores[:, np.arange(scores.shape[2]) >= seen[:, None]] = -np.inf
    return scores


def _weights(scores: Float32) -> tuple[Float32, Float32, Float32]:
    """Return p under the final maximum, that maximum and the sums of p; `scores` [heads, rows, keys] are used up."""
    blocked = scores.reshape(*scores.shape[:2], -1, KEY_BLOCK)
    running = np.maximum.accumulate(blocked.max(axis=3), axis=2)
    final = running[..., -1]
    blocked -= running[..., None]
    p = rounded(np.exp(blocked, out=blocked))
    p *= np.exp(running - final[..., None])[..., None]
    sums = np.cumsum(p.sum(axis=3), axis=2)[..., -1]  # block after block, so that blocks of zeros change nothing
    return p.reshape(scores.shape), final, sums


def probabilities(attended: Attended, q: Float32, k: Float32, scale: float, seen: NDArray[np.int64]) -> Float32:
    """Return the attention weights exp(s - m) / l of heads whose attention is known, zero beyond the keys seen.

    Args:
        attended: of the same heads.
        q: float32 [heads, rows, size].
        k: float32 [heads, keys, size].
        scale: of the scores.
        seen: keys that each row sees, int64 [rows].

    Returns:
        float32 [heads, rows, keys].

    """
    keys = k.shape[1]
    few = q.shape[1] <= SMALL_ROWS
    products = scores_of_rows(q, chunked(k))[..., :keys] if few else q @ k.transpose(0, 2, 1)
    weights = np.exp(np.float32(scale) * products - attended.highest[..., None]) / attended.sums[..., None]
    return np.where(np.arange(keys) < seen[:, None], weights, np.float32(0))


def split_heads(rows: NDArray[np.float32], heads: int) -> Float32:
    """Return [rows, heads * size] as [heads, rows, size]."""
    return rows.reshape(rows.shape[0], heads, -1).transpose(1, 0, 2)


def join_heads(values: Float32) -> Float32:
    """Return [heads, rows, size] as [rows, heads * size]."""
    return values.transpose(1, 0, 2).reshape(values.shape[1], -1)
