"""Attention: plain against float64, streaming against plain, all blocks at once against streaming."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.kernels.dtypes import Float32, rounded
from amanuensis.kernels.reference.attention import (
    attention,
    attention_blocks,
    attention_streaming,
    join_heads,
    probabilities,
    seen_keys,
    split_heads,
)
from amanuensis.kernels.reference.softmax import softmax
from tests.kernels.figures import BF16_NRMSE, PATIENT, bf16_noise, nrmse

CASES = [(64, 64, None), (1, 1500, None), (50, 333, None), (1, 1, 0), (7, 40, 33), (32, 100, 68), (40, 40, 0)]


def operands(rows: int, keys: int, scale: float = 1.0) -> tuple[Float32, Float32, Float32]:
    """Return q, k and v of 3 heads of size 64."""
    return bf16_noise((3, rows, 64), 1, scale), bf16_noise((3, keys, 64), 2), bf16_noise((3, keys, 64), 3)


def by_formula(q: Float32, k: Float32, v: Float32, first: int | None) -> np.ndarray:
    """Return attention in float64, row by row."""
    out = np.zeros(q.shape)
    for head in range(q.shape[0]):
        for row in range(q.shape[1]):
            seen = k.shape[1] if first is None else min(first + row + 1, k.shape[1])
            scores = k[head, :seen].astype(np.float64) @ q[head, row].astype(np.float64) / 8
            powers = np.exp(scores - scores.max())
            out[head, row] = powers / powers.sum() @ v[head, :seen]
    return out


@pytest.mark.parametrize(("rows", "keys", "first"), CASES)
def test_all_forms_are_attention(rows: int, keys: int, first: int | None) -> None:
    """Plain to float32, the device's within the bound of bf16: encoder, cross and cached causal use."""
    q, k, v = operands(rows, keys)
    truth = by_formula(q, k, v, first)
    assert nrmse(attention(q, k, v, 1 / 8, first), truth) < 1e-5
    assert nrmse(rounded(attention_streaming(q, k, v, 1 / 8, first).values), truth) < BF16_NRMSE
    assert nrmse(rounded(attention_blocks(q, k, v, 1 / 8, first).values), truth) < BF16_NRMSE


@PATIENT
@given(st.integers(1, 20), st.integers(1, 150), st.booleans(), st.integers(1, 9))
def test_blocks_at_once_equal_streaming(rows: int, extra: int, causal: bool, scale: int) -> None:
    """The fast form differs from the core's loop by the rounding of float32 only; the scores are exact in both."""
    keys = rows + extra
    q, k, v = operands(rows, keys)
    q, k = np.rint(scale * q), np.rint(2 * k)
    first = extra if causal else None
    one, other = attention_streaming(q, k, v, 1 / 8, first), attention_blocks(q, k, v, 1 / 8, first)
    assert np.abs(one.values - other.values).max() < 1e-5
    assert np.array_equal(one.highest, other.highest)
    assert np.allclose(one.sums, other.sums, rtol=1e-5)


def test_large_scores_do_not_overflow() -> None:
    """Scores of thousands leave finite values."""
    q, k, v = operands(4, 200, 3000)
    assert np.isfinite(attention_streaming(q, k, v, 1 / 8).values).all()
    assert np.isfinite(attention_blocks(q, k, v, 1 / 8).values).all()


@pytest.mark.parametrize("first", [None, 10])
def test_kept_weights_are_those_of_the_softmax(first: int | None) -> None:
    """The weights of the heads that are kept sum to one within bf16, and are zero where nothing is seen."""
    q, k, v = operands(6, 50)
    seen = seen_keys(6, 50, first)
    weights = probabilities(attention_blocks(q, k, v, 1 / 8, first), q, k, 1 / 8, seen)
    truth = softmax(q @ k.transpose(0, 2, 1) / 8, seen)
    assert nrmse(weights, truth) < BF16_NRMSE
    assert not weights[:, np.arange(50) >= seen[:, None]].any()


def test_heads_split_and_join() -> None:
    """Head h of a row is its h-th slice."""
    rows = bf16_noise((5, 12), 1)
    assert np.array_equal(split_heads(rows, 3)[1], rows[:, 4:8])
    assert np.array_equal(join_heads(split_heads(rows, 3)), rows)
