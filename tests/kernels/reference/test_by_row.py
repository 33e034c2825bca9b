"""Rows that do not depend on one another, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.kernels.dtypes import to_bf16
from amanuensis.kernels.reference.attention import attention_blocks, probabilities, seen_keys
from amanuensis.kernels.reference.by_row import SMALL_ROWS
from amanuensis.kernels.reference.gemm import Ending, gemm_bf16
from tests.kernels.figures import PATIENT, bf16_noise


@PATIENT
@given(st.integers(1, SMALL_ROWS), st.sampled_from([8, 96, 384, 512, 2048]), st.sampled_from([8, 40, 520]), st.data())
def test_a_row_of_a_product_is_the_same_in_any_company(rows: int, k: int, n: int, data: st.DataObject) -> None:
    """A row alone equals the same row among others, wherever it stands."""
    a, b = bf16_noise((rows, k), rows), to_bf16(bf16_noise((k, n), n))
    row = data.draw(st.integers(0, rows - 1))
    together, alone = gemm_bf16(to_bf16(a), b, Ending()), gemm_bf16(to_bf16(a[row : row + 1]), b, Ending())
    assert np.array_equal(together[row], alone[0])


@PATIENT
@given(st.integers(1, SMALL_ROWS), st.integers(0, 600), st.sampled_from([16, 64]), st.data())
def test_a_row_of_causal_attention_is_the_same_in_any_company(
    rows: int, first: int, size: int, data: st.DataObject
) -> None:
    """A row attends alike when it is appended alone and when others, which it does not see, come with it."""
    q, k, v = (bf16_noise((2, length, size), seed) for seed, length in enumerate((rows, first + rows, first + rows)))
    row = data.draw(st.integers(0, rows - 1))
    keys, one = first + row + 1, slice(row, row + 1)
    together = attention_blocks(q, k, v, 1 / 8, first)
    alone = attention_blocks(q[:, one], k[:, :keys], v[:, :keys], 1 / 8, first + row)
    assert np.array_equal(together.values[:, one], alone.values)
    assert np.array_equal(together.highest[:, one], alone.highest)
    assert np.array_equal(together.sums[:, one], alone.sums)


@pytest.mark.parametrize("keys", [1, 333, 1500])
def test_a_row_of_kept_weights_is_the_same_in_any_company(keys: int) -> None:
    """Also the attention that is told does not depend on the other rows."""
    q, k, v = bf16_noise((2, 7, 64), 1), bf16_noise((2, keys, 64), 2), bf16_noise((2, keys, 64), 3)
    together = probabilities(attention_blocks(q, k, v, 1 / 8), q, k, 1 / 8, seen_keys(7, keys, None))
    one = q[:, 4:5]
    alone = probabilities(attention_blocks(one, k, v, 1 / 8), one, k, 1 / 8, seen_keys(1, keys, None))
    assert np.array_equal(together[:, 4:5], alone)
