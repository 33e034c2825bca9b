"""Convolution as a matrix product, against the sum written out."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.kernels.reference.conv1d import conv1d, im2col, out_rows, weight_matrix


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("rows", [1, 2, 7, 8])
def test_the_product_is_the_convolution(rows: int, stride: int) -> None:
    """Exactly, on small integers, at both edges, for even and odd lengths."""
    random = np.random.default_rng(rows)
    x = random.integers(-8, 8, (rows, 5)).astype(np.float32)
    weight, bias = random.integers(-8, 8, (6, 5, 3)).astype(np.float32), np.arange(6, dtype=np.float32)
    padded = np.pad(x, ((1, 1), (0, 0)))
    result = conv1d(x, weight, bias, stride)
    assert len(result) == out_rows(rows, stride)
    for i, row in enumerate(result):
        assert np.array_equal(row, np.einsum("oct,tc->o", weight, padded[i * stride : i * stride + 3]) + bias)


def test_the_matrix_is_filled_up_with_zeros() -> None:
    """Columns beyond 3 * width are zero, in the matrix and in the weight."""
    assert weight_matrix(np.ones((4, 5, 3), np.float32)).shape == (16, 4)
    columns = im2col(np.ones((3, 5), np.float32), 1, 16)
    assert not columns[:, 15:].any()
    assert columns[1, :15].all()
    assert columns[0, :5].sum() == 0
