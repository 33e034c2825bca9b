"""The functions that kernels share, against float64: exp, GELU, reciprocals, masks."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

from amanuensis.kernels.dtypes import Float32
from amanuensis.kernels.host.build import ARCHITECTURE_FLAGS, load
from amanuensis.kernels.reference.gelu import MAX_ERROR, gelu
from tests.kernels.cores import ARCHITECTURES, empty, needs_compiler, placed

pytestmark = needs_compiler

SOURCE = Path(__file__).with_name("functions.cc")
EXP_ERROR = 3e-6  # of the value: what exp.h says
FLOAT_ERROR = 3e-7  # of the value: some steps of float32


def computed(name: str, values: Float32, architecture: str = "npu1", *scalars: int) -> Float32:
    """Return a function of values, of which there are a multiple of 16."""
    function = getattr(load(SOURCE, ARCHITECTURE_FLAGS[architecture]), name)
    given, out = placed(values), empty(values.shape, np.float32)
    for start in range(0, values.size, 16):
        pointers = [ctypes.c_void_p(array.ctypes.data + 4 * start) for array in (given, out)]
        function(*pointers, *(ctypes.c_int32(scalar) for scalar in scalars))
    return out


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_exp_keeps_its_error(architecture: str) -> None:
    """From the lowest to the highest exponent the error is at most what the header says."""
    values = np.concatenate([np.linspace(-87, 88, 1 << 15), np.linspace(-1, 1, 1 << 14)]).astype(np.float32)
    worst = abs(computed("powers", values, architecture) / np.exp(values.astype(np.float64)) - 1).max()
    print(f"exp: {worst:.2e}")
    assert worst < EXP_ERROR


def test_exp_of_what_is_far_below_is_next_to_nothing() -> None:
    """Below the lowest exponent the result stays at the smallest floats; it is never NaN and never large."""
    values = np.array([-87, -88, -1000, -1e30, -3e38, -np.inf, -3.4e38, -87.5] * 2, np.float32)
    out = computed("powers", values)
    assert ((out >= 0) & (out < 2e-38)).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_reciprocals_are_those_of_float32(architecture: str) -> None:
    """From 1e-30 to 1e30 the refined reciprocals are good to a few steps of float32."""
    values = (10 ** np.random.default_rng(0).uniform(-30, 30, 1 << 13)).astype(np.float32)
    wide = values.astype(np.float64)
    inverse = abs(computed("inverses", values, architecture) * wide - 1).max()
    root = abs(computed("inverse_roots", values, architecture) * np.sqrt(wide) - 1).max()
    print(f"inverse: {inverse:.2e}, inverse root: {root:.2e}")
    assert max(inverse, root) < FLOAT_ERROR


def test_gelu_keeps_its_error() -> None:
    """Up to 32 the polynomial is as near the erf form as the reference says."""
    values = np.linspace(-32, 32, 1 << 14, dtype=np.float32)
    assert abs(computed("gelus", values) - gelu(values)).max() < MAX_ERROR


@pytest.mark.parametrize("count", [-100, -1, 0, 1, 7, 15, 16, 17, 1 << 30])
def test_masks_hold_the_first_lanes(count: int) -> None:
    """None below 1, all from 16 on."""
    values = np.arange(1, 17, dtype=np.float32)
    assert np.array_equal(computed("lanes", values, "npu1", count), np.where(np.arange(16) < count, values, 0))
