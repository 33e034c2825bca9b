"""The x86 stand-in for aie_api: rounding, saturation, conversions, permutations and what must not compile."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from amanuensis.kernels.dtypes import BFLOAT16
from amanuensis.kernels.host.build import BuildError, build, load
from tests.kernels.cores import empty, needs_compiler, placed
from tests.kernels.figures import PATIENT

pytestmark = needs_compiler

PROBE = Path(__file__).with_name("probe.cc")
INT16, INT32 = np.iinfo(np.int16), np.iinfo(np.int32)
NONE, SATURATE, SYMMETRIC = 0, 1, 3
CONV_EVEN = 6
INV_ERROR, INVSQRT_ERROR = 2e-7, 7e-4  # of the value: what elementary.hpp says
# In the order of aie::rounding_mode: what a quotient and its rest in halves become (quotient is the floor).
MODES: dict[str, Callable[[int, int, int], int]] = {
    "floor": lambda q, rest, half: q,
    "ceil": lambda q, rest, half: q + (rest > 0),
    "positive_inf": lambda q, rest, half: q + (rest >= half),
    "negative_inf": lambda q, rest, half: q + (rest > half),
    "symmetric_inf": lambda q, rest, half: q + (rest > half or (rest == half and q >= 0)),
    "symmetric_zero": lambda q, rest, half: q + (rest > half or (rest == half and q < 0)),
    "conv_even": lambda q, rest, half: q + (rest > half or (rest == half and q % 2 == 1)),
    "conv_odd": lambda q, rest, half: q + (rest > half or (rest == half and q % 2 == 0)),
    "symmetric_floor": lambda q, rest, half: q + (rest > 0 and q < 0),
    "symmetric_ceil": lambda q, rest, half: q + (rest > 0 and q >= 0),
}
WIDTHS = "aie::vector<int8, 8>", "aie::vector<float, 64>", "aie::vector<int8, 24>", "aie::vector<double, 4>"
ILLEGAL = (*WIDTHS, "aie::accum<acc32, 4>", "aie::mmul<4, 8, 16, int8, int8>", "aie::mmul<8, 4, 8, bfloat16, bfloat16>")


def call(name: str, *arguments: Any) -> None:
    """Call a function of the probe with arrays and ints."""
    passed = [ctypes.c_void_p(a.ctypes.data) if isinstance(a, np.ndarray) else ctypes.c_int32(a) for a in arguments]
    getattr(load(PROBE), name)(*passed)


def mapped(name: str, dtype: Any, *arguments: Any, size: int = 16) -> NDArray[Any]:
    """Return what a function of the probe stores in its last array; scalars come after that."""
    arrays = [placed(a) for a in arguments if isinstance(a, np.ndarray)]
    out = empty(size, dtype)
    call(name, *arrays, out, *(a for a in arguments if not isinstance(a, np.ndarray)))
    return out


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shift", [0, 1, 4, 20, 40])
def test_accumulators_round_by_the_mode(shift: int, mode: str) -> None:
    """Values on ties, beside them and far from them are rounded as the mode says, below zero as well."""
    half = 1 << max(shift - 1, 0)
    near = [sign * (whole * 2 * half + half + off) for sign in (-1, 1) for whole in (0, 1) for off in (-1, 0, 1)]
    left = max(shift - 20, 0)  # int32 go in, shifted up into the 64 bits
    values = np.array([*(n >> left for n in near), 0, 1, -1, 5 * half >> left], np.int32)
    out = mapped("narrow", np.int16, values, left, shift, list(MODES).index(mode), SATURATE)
    wide = [int(value) << left for value in values]
    split = [(value >> shift, value & ((1 << shift) - 1)) for value in wide]
    expected = [MODES[mode](q, rest, half) if shift else q for q, rest in split]
    assert out.tolist() == [min(max(value, INT16.min), INT16.max) for value in expected]


def test_accumulators_saturate_by_the_mode() -> None:
    """Without saturation values wrap; with it they stop at the ends; symmetric leaves the lowest out."""
    values = np.array([40000, -40000, INT16.min, INT16.max] * 4, np.int32)
    stored = {mode: mapped("narrow", np.int16, values, 0, 0, 0, mode)[:4].tolist() for mode in (0, 1, 3)}
    assert stored[NONE] == [40000 - 65536, 65536 - 40000, INT16.min, INT16.max]
    assert stored[SATURATE] == [INT16.max, INT16.min, INT16.min, INT16.max]
    assert stored[SYMMETRIC] == [INT16.max, -INT16.max, -INT16.max, INT16.max]


def test_each_thread_is_a_core_that_starts_with_floor_and_without_saturation() -> None:
    """A new thread finds the state after power-up, whatever another has set, and leaves the other's alone."""
    values, ours, theirs = np.array([-3, 3, 5, 140000] * 4, np.int32), empty(16, np.int16), empty(16, np.int16)
    load(PROBE).shim_set_modes(CONV_EVEN, SATURATE)
    thread = threading.Thread(target=call, args=("narrow_as_found", placed(values), theirs, 1))
    thread.start()
    thread.join()
    call("narrow_as_found", placed(values), ours, 1)
    assert theirs[:4].tolist() == [-2, 1, 2, 70000 - 65536]
    assert ours[:4].tolist() == [-2, 2, 2, INT16.max]


def test_accumulators_of_32_bits_wrap_around() -> None:
    """What leaves the 32 bits of a lane is lost before anything is saturated."""
    assert (mapped("wrapped", np.int32, np.full(16, INT32.max, np.int32)) == -2).all()


@PATIENT
@given(st.lists(st.floats(width=32), min_size=16, max_size=16))
def test_bfloat16_rounds_to_nearest_even_as_numpy_does(values: list[float]) -> None:
    """With conv_even every float becomes the bf16 that ml_dtypes makes of it; NaN stays NaN."""
    floats = np.array(values, np.float32)
    out, expected = mapped("to_bf16", BFLOAT16, floats, CONV_EVEN), floats.astype(BFLOAT16)
    assert np.array_equal(out.astype(np.float32), expected.astype(np.float32), equal_nan=True)


@pytest.mark.parametrize("mode", MODES)
def test_bfloat16_rounds_by_the_mode(mode: str) -> None:
    """Steps of bf16 between 256 and 512 are 2: whole numbers there are on a value or on a tie, quarters beside."""
    values = np.array([sign * value for sign in (1, -1) for value in (256, 256.25, 257, 257.75, 258, 259, 260.5, 261)])
    out = mapped("to_bf16", BFLOAT16, values.astype(np.float32), list(MODES).index(mode))
    quarters = [divmod(int(4 * value), 8) for value in values]  # of steps, and the rest in eighths of one
    assert out.astype(float).tolist() == [2 * MODES[mode](q, rest, 4) for q, rest in quarters]


@PATIENT
@given(st.lists(st.floats(-1000, 1000, width=32), min_size=16, max_size=16), st.integers(0, 3))
def test_floats_become_the_nearest_integers(values: list[float], shift: int) -> None:
    """To the nearest, ties to even, saturated, whatever the modes are."""
    floats = np.array(values, np.float32)
    load(PROBE).shim_set_modes(0, 0)
    expected = np.clip(np.rint(floats.astype(np.float64) * 2**shift), -128, 127)
    assert np.array_equal(mapped("to_int8", np.int8, floats, shift), expected)
    assert np.array_equal(mapped("to_int32", np.int32, floats), np.rint(floats.astype(np.float64)))


@PATIENT
@given(st.lists(st.integers(INT32.min, INT32.max), min_size=16, max_size=16), st.integers(0, 31))
def test_integers_become_the_nearest_floats(values: list[int], shift: int) -> None:
    """Each integer is rounded once and then divided by a power of two."""
    ints = np.array(values, np.int32)
    assert np.array_equal(mapped("from_int32", np.float32, ints, shift), ints.astype(np.float32) / 2.0**shift)


def test_inverses_are_as_rough_as_a_core_makes_them() -> None:
    """From 1e-30 to 1e30 inv is good to 2e-7 of the value, invsqrt to 7e-4, which a kernel must refine."""
    values = np.float32(10) ** np.random.default_rng(0).uniform(-30, 30, (64, 16)).astype(np.float32)
    inverses = np.array([mapped("inverse", np.float32, row) for row in values], np.float64)
    roots = np.array([mapped("inverse_root", np.float32, row) for row in values], np.float64)
    wide = values.astype(np.float64)
    worst = abs(inverses * wide - 1).max(), abs(roots * np.sqrt(wide) - 1).max()
    print(f"inv: {worst[0]:.1e}, invsqrt: {worst[1]:.1e}")
    assert worst[0] < INV_ERROR
    assert 1e-4 < worst[1] < INVSQRT_ERROR


def test_lanes_are_computed_and_chosen_one_by_one() -> None:
    """int8 sums wrap, maxima and minima are of each lane, select takes the second where the mask is set."""
    random = np.random.default_rng(1)
    a, b = random.integers(-128, 128, (2, 16)).astype(np.int8)
    assert np.array_equal(mapped("add_int8", np.int8, a, b), a + b)
    x, y = random.standard_normal((2, 16)).astype(np.float32)
    assert np.array_equal(mapped("larger", np.float32, x, y), np.maximum(x, y))
    assert np.array_equal(mapped("smaller", np.float32, x, y), np.minimum(x, y))
    i, j = random.integers(-9, 9, (2, 16)).astype(np.int32)
    assert np.array_equal(mapped("chosen", np.int32, i, j), np.maximum(i, j))
    bits = np.array([0x8005 >> lane & 1 for lane in range(16)], bool)
    assert np.array_equal(mapped("masked", np.int32, i, j, 0x8005), np.where(bits, j, i))


def test_reductions_take_every_lane() -> None:
    """Sums, maxima and minima of a vector."""
    ints = np.random.default_rng(2).integers(-1000, 1000, 16).astype(np.int32)
    assert mapped("sums", np.float32, ints.astype(np.float32), size=1)[0] == ints.sum()
    assert mapped("extremes", np.int32, ints, size=2).tolist() == [ints.max(), ints.min()]


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_lanes_are_reordered(size: int) -> None:
    """Transposes, filters, zips and unzips in chunks put each lane where aie_api says."""
    lanes = np.arange(32, dtype=np.int16)
    transposed = mapped("transposed", np.int16, lanes, size, size=32)
    assert np.array_equal(transposed, lanes.reshape(size, -1).T.reshape(-1))
    chunks = lanes.reshape(-1, 2, size)
    even, odd = empty(16, np.int16), empty(16, np.int16)
    call("filtered", placed(lanes), even, odd, size)
    assert (even.tolist(), odd.tolist()) == (chunks[:, 0].reshape(-1).tolist(), chunks[:, 1].reshape(-1).tolist())
    a, b = lanes[:16], lanes[16:]
    together = np.stack([a.reshape(-1, size), b.reshape(-1, size)], axis=1).reshape(-1)
    low, high = empty(16, np.int16), empty(16, np.int16)
    call("zipped", placed(a), placed(b), low, high, size)
    assert np.array_equal(np.concatenate([low, high]), together)
    call("unzipped", low, high, even, odd, size)
    assert (even.tolist(), odd.tolist()) == (a.tolist(), b.tolist())


@pytest.mark.parametrize("thing", ILLEGAL)
def test_what_no_core_has_does_not_compile(thing: str, tmp_path: Path) -> None:
    """Register widths, element types and matrix shapes that do not exist are refused by the compiler, in words."""
    source = tmp_path / "illegal.cc"
    source.write_text(f'#include <aie_api/aie.hpp>\nextern "C" int size() {{ return sizeof({thing}); }}\n')
    with pytest.raises(
        BuildError, match=r"static assertion failed: (a vector has|not an|an accumulator has|this core)"
    ):
        build(source)


@pytest.mark.parametrize("name", ["exp2", "tanh"])
def test_functions_of_one_architecture_stay_there(name: str, tmp_path: Path) -> None:
    """exp2 and tanh are instructions of AIE2P; for AIE2 they do not exist."""
    source = tmp_path / f"{name}.cc"
    body = f"aie::store_v(y, aie::{name}(aie::load_v<16>(x)));"
    source.write_text(f'#include <aie_api/aie.hpp>\nextern "C" void f(const float *x, bfloat16 *y) {{ {body} }}\n')
    with pytest.raises(BuildError, match=f".{name}. is not a member of .aie."):
        build(source, ["-D__AIEARCH__=20"])
    assert build(source, ["-D__AIEARCH__=21"]).is_file()
