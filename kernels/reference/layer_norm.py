"""Layer norm over the last axis, in two passes and float32."""

from __future__ import annotations

from typing import Final

import numpy as np

from amanuensis.kernels.dtypes import Float32

EPSILON: Final = np.float32(1e-5)  # torch's default, which Whisper uses


def layer_norm(x: Float32, gain: Float32, bias: Float32) -> Float32:
    """Return (x - mean) / sqrt(variance + 1e-5) * gain + bias of each row.

    The variance is the mean of the squared deviations from the mean (two passes: the sum of squares less the square of
    the sum would cancel in float32).

    Args:
        x: float32 [rows, width].
        gain: float32 [width].
        bias: float32 [width].

    Returns:
        float32 [rows, width]; the device rounds it to bf16.

    """
    centred = x - x.mean(axis=1, keepdims=True, dtype=np.float32)
    variance = np.einsum("rw,rw->r", centred, centred) / np.float32(x.shape[1])
    centred *= (np.float32(1) / np.sqrt(variance + EPSILON))[:, None]
    centred *= gain
    centred += bias
    return np.asarray(centred, np.float32)
