"""Float products of few rows, each row summed alike however many rows there are.

A core computes every row of a block by the same loop. The matrix product of a CPU does not: which of its inner loops
takes a row, and with it the order of the sums, depends on the rows beside it. A decoder that appends tokens one by one
would then differ in the last bit from one that reads them all at once, and now and then choose another word. So up to
SMALL_ROWS rows are multiplied one at a time, and sums over keys are cut into chunks of one size.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from amanuensis.kernels.dtypes import Float32
from amanuensis.kernels.layout import padded

SMALL_ROWS: Final = 32  # a block of the decoder; more rows come from the encoder only, which computes whole windows
KEY_CHUNK: Final = 256


def float_sums(a: Float32, b: Float32) -> Float32:
    """Return the product of a [m, k] and b [k, n], float32 [m, n]; row by row up to SMALL_ROWS rows."""
    if len(a) > SMALL_ROWS:
        return a @ b
    return np.asarray(np.matmul(a[:, None, :], b)[:, 0])


def chunked(rows: Float32) -> Float32:
    """Return keys or values [heads, keys, size] in chunks, [heads, 1, chunks, KEY_CHUNK, size], zero at the end."""
    heads, keys, size = rows.shape
    whole = np.zeros((heads, padded(keys, KEY_CHUNK), size), np.float32)
    whole[:, :keys] = rows
    return whole.reshape(heads, 1, -1, KEY_CHUNK, size)


def scores_of_rows(q: Float32, keys: Float32) -> Float32:
    """Return q k^T, float32 [heads, rows, chunks * KEY_CHUNK], of q [heads, rows, size] and keys from `chunked`."""
    heads, rows, size = q.shape
    products = np.matmul(q.reshape(heads, rows, 1, 1, size), keys.swapaxes(3, 4))
    return np.asarray(products.reshape(heads, rows, -1))


def mixed_by_rows(weights: Float32, values: Float32) -> Float32:
    """Return w v, float32 [heads, rows, size], of w [heads, rows, chunks * KEY_CHUNK] and values from `chunked`."""
    heads, rows, _ = weights.shape
    chunks = weights.reshape(heads, rows, -1, 1, KEY_CHUNK)
    return np.cumsum(np.matmul(chunks, values)[..., 0, :], axis=2)[:, :, -1]
