"""Softmax over the last axis, stable for any finite scores, of any length, with a limit on what counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.dtypes import Bf16, Float32, to_bf16


def softmax(scores: Float32, seen: NDArray[np.integer] | None = None) -> Float32:
    """Return exp(x - max) / sum(exp(x - max)) of each row.

    Args:
        scores: float32 [..., n].
        seen: how many scores of each row count, at least 1, to be broadcast against scores[..., 0]; None: all.

    Returns:
        float32 of the same shape; 0 beyond what counts.

    """
    if seen is not None:
        hidden = np.arange(scores.shape[-1]) >= np.asarray(seen)[..., None]
        scores = np.where(hidden, np.float32(-np.inf), scores)
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)


def softmax_device(scores: Bf16, seen: NDArray[np.integer] | None = None) -> Bf16:
    """Return the softmax of bf16 scores [..., n], float32 inside and rounded to bf16 at the end, same shape."""
    return to_bf16(softmax(scores.astype(np.float32), seen))
