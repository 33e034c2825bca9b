"""Convolution of 3 taps along time as a matrix product, with padding 1: the two first layers of Whisper's encoder."""

from __future__ import annotations

from typing import Final

import numpy as np

from amanuensis.kernels.dtypes import Float32
from amanuensis.kernels.layout import SIZE_MULTIPLE, padded

TAPS: Final = 3


def out_rows(rows: int, stride: int) -> int:
    """Return the rows that a convolution of `rows` rows gives: one for each stride begun."""
    return -(-rows // stride)


def cut_tap(rows: int, stride: int) -> tuple[int, int]:
    """Return row and tap of the matrix, among the rows of `rows` rows, that would be the row behind them.

    There is one at most; where there is none it is the first, which is before the first row: both are zero.
    """
    last = out_rows(rows, stride) - 1
    tap = rows + 1 - last * stride
    return (last, tap) if tap < TAPS else (0, 0)


def im2col(x: Float32, stride: int, k_padded: int) -> Float32:
    """Return the matrix whose product with the weight is the convolution.

    Args:
        x: float32 [rows, width], time first.
        stride: 1 or 2 in Whisper.
        k_padded: columns of the result, at least 3 * width; the rest is zero.

    Returns:
        float32 [ceil(rows / stride), k_padded]; row i holds x[i*stride-1], x[i*stride], x[i*stride+1], zero outside x.

    """
    rows, width = x.shape
    columns = np.zeros((out_rows(rows, stride), k_padded), np.float32)
    around = np.zeros((rows + TAPS, width), np.float32)
    around[1 : rows + 1] = x
    for tap in range(TAPS):
        columns[:, tap * width : (tap + 1) * width] = around[tap : tap + rows : stride]
    return columns


def weight_matrix(weight: Float32) -> Float32:
    """Return a weight [out, in, 3] as the b of a product, [k, out] with k = 3 * in padded to a multiple of 8."""
    out_channels, in_channels, taps = weight.shape
    matrix = np.zeros((padded(taps * in_channels, SIZE_MULTIPLE), out_channels), weight.dtype)
    matrix[: taps * in_channels] = weight.transpose(2, 1, 0).reshape(taps * in_channels, out_channels)
    return matrix


def conv1d(x: Float32, weight: Float32, bias: Float32, stride: int) -> Float32:
    """Return bias[o] + sum over t and c of weight[o, c, t] * x[i*stride + t - 1, c], float32 [rows out, out]."""
    matrix = weight_matrix(weight)
    return np.asarray(im2col(x, stride, matrix.shape[0]) @ matrix + bias, np.float32)
