"""Attention on a core, block of keys by block, against the reference's streaming form and float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.kernels.dtypes import BFLOAT16, Float32, to_bf16
from amanuensis.kernels.layout import BF16_A, BF16_B, pack, pad
from amanuensis.kernels.reference.attention import KEY_BLOCK, attention_streaming, probabilities, seen_keys
from tests.kernels.cores import ARCHITECTURES, empty, fresh, needs_compiler, placed
from tests.kernels.figures import BF16_NRMSE, bf16_noise, nrmse

pytestmark = needs_compiler

# rows, keys, head size, first position of causal attention
CASES = [
    (4, 32, 16, None),
    (16, 100, 64, None),
    (4, 1500, 64, None),
    (32, 40, 64, 0),
    (32, 77, 64, 45),
    (12, 33, 32, 30),
]


@dataclass(frozen=True)
class Head:
    """The operands of one head, float32 of what bf16 holds."""

    q: Float32
    k: Float32
    v: Float32
    first: int | None

    @property
    def seen(self) -> NDArray[np.int64]:
        """How many keys each row sees."""
        return seen_keys(len(self.q), len(self.k), self.first)


@dataclass(frozen=True)
class Answer:
    """What a core leaves: result [rows, size], maxima and sums [2, rows], weights [rows, keys]."""

    values: NDArray[np.floating]
    state: Float32
    weights: Float32


def head(rows: int, keys: int, size: int, first: int | None) -> Head:
    """Return random operands with scores of a spread of several units."""
    return Head(bf16_noise((rows, size), 1, 2), bf16_noise((keys, size), 2, 2), bf16_noise((keys, size), 3), first)


def attend(work: Head, architecture: str) -> Answer:
    """Run a head on a core: begin, a call for each block of keys, finish, and the weights of each block."""
    rows, size = work.q.shape
    sizes = {"m": rows, "d": size}
    state, o, scores = empty((2, rows), np.float32), empty(rows * size, np.float32), empty(rows * KEY_BLOCK, np.float32)
    q = placed(pack(to_bf16(work.q), BF16_A))
    k, v = (pad(to_bf16(matrix), KEY_BLOCK, 1) for matrix in (work.k, work.v))
    blocks = [
        (placed(pack(k[start : start + KEY_BLOCK], BF16_A)), placed(pack(v[start : start + KEY_BLOCK], BF16_B)))
        for start in range(0, len(k), KEY_BLOCK)
    ]
    step = 0 if work.first is None else 1
    seen = len(work.k) if work.first is None else work.first + 1
    fresh("attention_begin", architecture, **sizes)(state, o)
    for number, (keys, values) in enumerate(blocks):
        call = fresh("attention_block", architecture, **sizes)
        before = number * KEY_BLOCK
        call(q, keys, values, scores, state, o, seen - before, step, len(work.k) - before)
    result = empty((rows, size), BFLOAT16)
    fresh("attention_finish", architecture, **sizes)(state, o, result)
    weights = empty((len(blocks), rows, KEY_BLOCK), np.float32)
    for number, (keys, _) in enumerate(blocks):
        call = fresh("attention_weights", architecture, **sizes)
        before = number * KEY_BLOCK
        call(q, keys, state, scores, weights[number], seen - before, step, len(work.k) - before)
    return Answer(result, state, weights.transpose(1, 0, 2).reshape(rows, -1)[:, : len(work.k)])


def exact_weights(work: Head) -> NDArray[np.float64]:
    """Return the attention weights in float64."""
    scores = work.q.astype(np.float64) @ work.k.astype(np.float64).T / np.sqrt(work.q.shape[1])
    scores = np.where(np.arange(len(work.k)) < work.seen[:, None], scores, -np.inf)
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_attention_is_near_float64(case: tuple[int, int, int, int | None], architecture: str) -> None:
    """Values and weights of whole and causal attention stay within the bound of bf16; what is hidden weighs 0."""
    work = head(*case)
    answer = attend(work, architecture)
    weights = exact_weights(work)
    values = weights @ work.v.astype(np.float64)
    error = nrmse(answer.values, values)
    print(f"attention {case}: NRMSE {error:.2e}, largest {abs(answer.values.astype(float) - values).max():.2e}")
    assert error < BF16_NRMSE
    assert nrmse(answer.weights, weights) < BF16_NRMSE
    assert not answer.weights[np.arange(len(work.k)) >= work.seen[:, None]].any()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_attention_is_the_streaming_form(case: tuple[int, int, int, int | None]) -> None:
    """Maxima and sums after the last block, values and weights are those of the reference within its rounding."""
    work = head(*case)
    answer = attend(work, "npu1")
    scale = work.q.shape[1] ** -0.5
    expected = attention_streaming(work.q[None], work.k[None], work.v[None], scale, work.first)
    assert np.allclose(answer.state[0], expected.highest[0], rtol=1e-6, atol=1e-6)
    assert nrmse(answer.state[1], expected.sums[0]) < 2e-4  # a weight at a tie of bf16 may round the other way
    assert nrmse(answer.values, expected.values[0]) < BF16_NRMSE / 2
    kept = probabilities(expected, work.q[None], work.k[None], scale, work.seen)
    assert nrmse(answer.weights, kept[0]) < 2e-4


def test_a_block_that_no_row_sees_changes_nothing() -> None:
    """A hidden block leaves state and result as they were, bit for bit: more keys than count give the same answer."""
    rows, size = 4, 64
    work = head(rows, KEY_BLOCK, size, None)
    state, o, scores = empty((2, rows), np.float32), empty(rows * size, np.float32), empty(rows * KEY_BLOCK, np.float32)
    q, k = (placed(pack(to_bf16(matrix), BF16_A)) for matrix in (work.q, work.k))
    v = placed(pack(to_bf16(work.v), BF16_B))
    call = fresh("attention_block", m=rows, d=size)
    fresh("attention_begin", m=rows, d=size)(state, o)
    call(q, k, v, scores, state, o, -5, 1, KEY_BLOCK)
    assert not o.any()
    assert not state[1].any()
    call(q, k, v, scores, state, o, KEY_BLOCK, 0, KEY_BLOCK)
    once = state.copy(), o.copy()
    call(q, k, v, scores, state, o, 0, 0, KEY_BLOCK)
    assert np.array_equal(state, once[0])
    assert np.array_equal(o, once[1])
