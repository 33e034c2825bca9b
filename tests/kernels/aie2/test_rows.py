"""Kernels on rows: quantisation, layer norm, softmax, GELU, sums and copies, against the reference and float64."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.kernels.dtypes import BFLOAT16, to_bf16
from amanuensis.kernels.layout import INT8_A, unpack
from amanuensis.kernels.reference.gelu import gelu, gelu_device
from amanuensis.kernels.reference.layer_norm import EPSILON, layer_norm
from amanuensis.kernels.reference.requantise import quantise_rows
from amanuensis.kernels.reference.softmax import softmax
from tests.kernels.cores import ARCHITECTURES, empty, fresh, needs_compiler, placed
from tests.kernels.figures import BF16_NRMSE, bf16_noise, nrmse

pytestmark = needs_compiler

ROWS = 8


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("width", [16, 48, 512])
@pytest.mark.parametrize("smoothing", [0, 1])
def test_quantised_rows_are_those_of_the_reference(smoothing: int, width: int, architecture: str) -> None:
    """Integers and scales are the reference's to the bit, with ties, a row of zeros and rows of one sign."""
    values = bf16_noise((ROWS, width), 1, 3)
    values[1], values[2], values[3] = 0, abs(values[2]), -abs(values[3])
    values[4, :4] = [127, 63.5, -0.5, 1.5]  # a factor of 1: ties
    values[4, 4:] = 0
    smooth = np.exp2(np.random.default_rng(2).integers(-3, 4, width)).astype(np.float32)
    integers, scales = empty(ROWS * width, np.int8), empty(ROWS, np.float32)
    call = fresh("quantise_rows", architecture, m=ROWS, n=width)
    call(placed(to_bf16(values)), placed(smooth), integers, scales, smoothing)
    expected, expected_scales = quantise_rows(values, smooth if smoothing else None)
    assert np.array_equal(unpack(integers, ROWS, width, INT8_A), expected)
    assert np.array_equal(scales, expected_scales)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("width", "mean", "spread"), [(16, 0, 1), (384, 5, 3), (512, -100, 0.5), (1280, 0, 1e-3)])
def test_layer_norm_is_near_float64(width: int, mean: float, spread: float, architecture: str) -> None:
    """Also where the mean is large beside the deviation and where the deviation is near epsilon."""
    random = np.random.default_rng(3)
    rows = (random.standard_normal((4, width)) * spread + mean).astype(np.float32)
    gain, bias = random.standard_normal((2, width)).astype(np.float32)
    result = empty((4, width), BFLOAT16)
    weights = placed(np.concatenate([gain, bias]))
    fresh("layer_norm", architecture, m=4, n=width)(placed(rows), weights, result)
    wide = rows.astype(np.float64)
    normal = (wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + float(EPSILON))
    expected = normal * gain + bias
    error = nrmse(result, expected)
    print(f"layer_norm {width}: NRMSE {error:.2e}, largest {abs(result.astype(float) - expected).max():.2e}")
    assert error < BF16_NRMSE
    assert nrmse(result, to_bf16(layer_norm(rows, gain, bias))) < BF16_NRMSE / 4


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("width", "seen", "step"), [(16, 1, 1), (32, 32, 0), (512, 3, 64), (1504, 1500, 0)])
def test_softmax_is_near_float64(width: int, seen: int, step: int, architecture: str) -> None:
    """At any length, with scores far from zero, and zero from the first score that does not count."""
    scores = bf16_noise((ROWS, width), 4, 3)
    scores[0] += 1000
    scores[1] -= 1000
    scores = to_bf16(scores).astype(np.float32)
    counts = np.minimum(seen + step * np.arange(ROWS), width)
    result = empty((ROWS, width), BFLOAT16)
    call = fresh("softmax", architecture, m=ROWS, n=width)
    call(placed(to_bf16(scores)), empty(width, np.float32), result, seen, step)
    hidden = np.arange(width) >= counts[:, None]
    wide = np.where(hidden, -np.inf, scores.astype(np.float64))
    powers = np.exp(wide - wide.max(1, keepdims=True))
    expected = powers / powers.sum(1, keepdims=True)
    error = nrmse(result, expected)
    print(f"softmax {width}: NRMSE {error:.2e}, largest {abs(result.astype(float) - expected).max():.2e}")
    assert error < BF16_NRMSE
    assert not result[hidden].astype(bool).any()
    assert nrmse(result, softmax(scores, counts)) < BF16_NRMSE


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gelu_is_that_of_the_reference(architecture: str) -> None:
    """The polynomial gives the reference's bits on every bf16 from -8 to 8, and is near the erf form in float64."""
    every = np.arange(1 << 16, dtype=np.uint16).view(BFLOAT16)
    inside = every[abs(every.astype(np.float32)) <= 8]
    chunk = 64 * 9
    values = placed(np.resize(inside, -(-len(inside) // chunk) * chunk))
    result = empty(values.shape, BFLOAT16)
    call = fresh("gelu", architecture, n=chunk)
    for start in range(0, len(values), chunk):
        call(values[start : start + chunk], result[start : start + chunk])
    assert np.array_equal(result, to_bf16(gelu_device(values.astype(np.float32))))
    error = abs(result.astype(np.float64) - gelu(values.astype(np.float64)))
    print(f"gelu: NRMSE {nrmse(result, gelu(values.astype(np.float64))):.2e}, largest {error.max():.2e}")
    assert nrmse(result, gelu(values.astype(np.float64))) < BF16_NRMSE


def test_rows_are_added_exactly() -> None:
    """Sums are those of float32, also where the result takes the place of the rows."""
    rows, table = (np.random.default_rng(seed).standard_normal(512).astype(np.float32) for seed in (1, 2))
    result = placed(rows)
    fresh("add_rows", n=512)(result, placed(table), result)
    assert np.array_equal(result, rows + table)


def test_copies_are_whole() -> None:
    """Every byte arrives and none beside them changes."""
    source = placed(np.random.default_rng(3).integers(-128, 128, 96).astype(np.int8))
    room = empty(128, np.int8)
    before = room[96:].copy()
    fresh("copy_rows", n=96)(source, room[:96])
    assert np.array_equal(room[:96], source)
    assert np.array_equal(room[96:], before)
