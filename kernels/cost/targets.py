"""The published figures that the model must reproduce, and which of them no fit may look at.

Sources, with the commit where there is one:
- C1, C2, C5 and 10 GB/s of C7: amd/IRON @028e9cd `iron/operators/flm/gemm/README.md`
- C3: Hugging Face mrtib/phoenix-npu1-iron-kernels, and C11: other calls of its authors (called.py)
- C4: arXiv 2512.13282
- C6: Xilinx/mlir-aie#3386, int16 by #3368; the copy of C7: #2559
- C8: Xilinx/mlir-aie#2381 and #2944, amd/IRON#55; C10: amd/IRON `decode_costs_npu2.json` and its swiglu operator
- C9: Unicorn-Commander/Unicorn-Amanuensis @6eb47b8, softmax and layer norm on one core from Python
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import sqrt
from typing import Final

from amanuensis.kernels.cost.arrays import ARRAYS
from amanuensis.kernels.cost.called import BF16, INT16, fresh_products, npu1_us, other_calls, scalar_rows
from amanuensis.kernels.cost.fitted import Fitted
from amanuensis.kernels.cost.product import Product, Rates, Tiling, memory_us, product_parts
from amanuensis.kernels.cost.target import Target, factor, within
from amanuensis.kernels.program import Architecture


def targets() -> list[Target]:
    """Return all published figures."""
    return [
        *_npu1_products(),
        *fresh_products(),
        *_peaks(),
        *_npu2_products(),
        *_columns(),
        *_memory(),
        *_dispatches(),
        *scalar_rows(),
        *_fused(),
        *other_calls(),
    ]


NPU1_SHAPES: Final = {  # m, k, n: us of flm, us of plain
    (256, 512, 512): (218, 227),
    (512, 512, 1024): (390, 466),
    (512, 1024, 1024): (639, 798),
    (1024, 1024, 1024): (1071, 1418),
    (1024, 2048, 1024): (2134, 2738),
    (512, 1536, 1536): (1498, 1699),
    (1024, 2560, 2560): (6364, 8232),
}
_FLM: Final = Tiling(64, 512, 64, 4, 4, (1024, 128 << 10, 128))  # its README: tiles, and what is contiguous
_PLAIN: Final = Tiling(64, 64, 64, 4, 4, (128, 128, 128))


def flm_us(shape: tuple[int, int, int], fitted: Fitted) -> float:
    """Return the modelled time of IRON's flm product on npu1."""
    return fitted.npu1_dispatch_us + npu1_us(Product(*shape, BF16, _FLM), fitted.npu1_tuned, fitted)


def plain_us(shape: tuple[int, int, int], fitted: Fitted) -> float:
    """Return the modelled time of the plain whole_array product on npu1."""
    return fitted.npu1_dispatch_us + npu1_us(Product(*shape, BF16, _PLAIN), fitted.npu1_plain, fitted)


def _npu2_us(product: Product, macs: float, fitted: Fitted) -> float:
    rates = Rates(macs, ARRAYS["npu2"].clock_ghz, fitted.npu2_memory_gb_s, fitted.burst_ns)
    return product_parts(product, ARRAYS["npu2"], rates).us


def _npu1_products() -> Iterator[Target]:
    for shape, (flm, plain) in NPU1_SHAPES.items():
        name = "/".join(map(str, shape))
        yield Target(f"C1 {name} flm", flm, "us", *within(0.15), partial(flm_us, shape))
        yield Target(f"C2 {name} plain", plain, "us", *within(0.25), partial(plain_us, shape))


LARGE: Final = 4096
# Large square tiles, edge and depth: sums of 4 bytes and double-buffered operands fit 64 KB of L1 beside a stack.
_INT8_TILE: Final = (104, 48)
_BF16_TILE: Final = (96, 24)


def _peaks() -> Iterator[Target]:
    published: dict[Architecture, tuple[float, float]] = {"npu1": (6.76, 3.14), "npu2": (38.05, 14.71)}
    for architecture, (int8, bf16) in published.items():
        yield Target(
            f"C4 {architecture} int8 at {LARGE} cubed",
            int8,
            "TOPS",
            0.8,
            1.0,
            partial(large_tops, architecture, is_int8=True),
        )
        yield Target(
            f"C4 {architecture} bf16 at {LARGE} cubed",
            bf16,
            "TOPS",
            0.8,
            1.0,
            partial(large_tops, architecture, is_int8=False),
        )


def large_tops(architecture: Architecture, fitted: Fitted, *, is_int8: bool, size: int = LARGE) -> float:
    """Return what the best design makes of a large product, in TOPS."""
    array = ARRAYS[architecture]
    (edge, depth), element = (_INT8_TILE, 1) if is_int8 else (_BF16_TILE, 2)
    tiling = Tiling(edge, depth, edge, array.columns, array.rows, (4096, 4096, 4096))
    product = Product(size, size, size, (element, element, element), tiling)
    if architecture == "npu1":
        us = npu1_us(product, fitted.npu1_best_int8 if is_int8 else fitted.npu1_best_bf16, fitted)
    else:
        us = _npu2_us(product, fitted.npu2_best_int8 if is_int8 else fitted.npu2_best_bf16, fitted)
    return 2 * size**3 / us / 1e6


FLM_BYTES: Final = 47e6  # that one dispatch of C5 moves, by its README; its b stays resident


def _npu2_products() -> Iterator[Target]:
    """Products of C5: bfp16 at the rate of int8, plain as in C2, flm with the traffic that its README states."""
    plain = Product(1024, 1536, 6144, BF16, Tiling(64, 64, 64, 8, 4, (128, 128, 128)))

    def flm(fitted: Fitted) -> float:
        cores_us = plain.macs / (ARRAYS["npu2"].cores * fitted.npu2_best_int8 * ARRAYS["npu2"].clock_ghz) / 1e3
        moved_us = memory_us(FLM_BYTES, 1024, fitted.npu2_memory_gb_s, fitted.burst_ns)
        return fitted.npu2_dispatch_us + max(cores_us, moved_us)

    yield Target("C5 npu2 1024/1536/6144 flm", 1143, "us", *within(0.25), flm)
    yield Target(
        "C5 npu2 1024/1536/6144 plain",
        3353,
        "us",
        *within(0.25),
        lambda fitted: fitted.npu2_dispatch_us + _npu2_us(plain, fitted.npu2_best_int8, fitted),
    )


def column_us(columns: int, fitted: Fitted, *, merged: bool) -> float:
    """Return the modelled time of 512 cubed in int16 on columns of npu2 that are waited for together or one by one."""
    product = Product(512, 512, 512, INT16, Tiling(64, 32, 64, columns, 4, (64, 128, 256)))
    one = _npu2_us(product, fitted.npu2_int16, fitted)
    return fitted.npu2_dispatch_us + (one if merged else columns * one)


def _columns() -> Iterator[Target]:
    for columns, merged, apart in ((1, 702, 702), (2, 448, 726), (4, 321, 760)):
        for name, published, together in (("merged", merged, True), ("unmerged", apart, False)):
            yield Target(
                f"C6 npu2 512 cubed, {columns} columns, {name}",
                published,
                "us",
                *within(0.30),
                partial(column_us, columns, merged=together),
            )


def _gb_s(burst_bytes: int, fitted: Fitted) -> float:
    return 1 / memory_us(1e3, burst_bytes, fitted.npu2_memory_gb_s, fitted.burst_ns)


def _memory() -> Iterator[Target]:
    yield Target("C7 npu2 copy", 66.6, "GB/s", *within(0.15), lambda fitted: _gb_s(4096, fitted))
    yield Target("C7 npu2 bursts of 16 bytes", 10, "GB/s", *within(0.15), lambda fitted: _gb_s(16, fitted))
    # No figure, an assumption with its band: it keeps a fit from wandering off where C1 no longer feels the memory.
    yield Target("assumed npu1 memory", 20, "GB/s", 0.75, 1.5, lambda fitted: fitted.npu1_memory_gb_s)


WARM_US: Final = (107, 160)  # the span of what is published for warm dispatches from Python


def _dispatches() -> Iterator[Target]:
    middle = sqrt(WARM_US[0] * WARM_US[1])
    band = WARM_US[0] / middle, WARM_US[1] / middle
    yield Target("C8 npu1 dispatch, warm, Python", middle, "us", *band, lambda fitted: fitted.npu1_dispatch_us)
    yield Target("C8 npu2 dispatch, warm, Python", middle, "us", *band, lambda fitted: fitted.npu2_dispatch_us)


def _fused() -> Iterator[Target]:
    figures: list[tuple[str, float, Callable[[Fitted], float]]] = [
        ("small operator in a sequence", sqrt(3 * 17), lambda fitted: fitted.operator_us),
        ("small operator alone", sqrt(120 * 150), alone_us),
        ("change of design: reset, base, switch", 107, lambda fitted: fitted.npu2_switch_us),
        ("SwiGLU fused", 1165, lambda fitted: swiglu_us(fitted, fused=True)),
        ("SwiGLU unfused", 1348, lambda fitted: swiglu_us(fitted, fused=False)),
    ]
    for name, published, modelled in figures:
        yield Target(f"C10 {name}", published, "us", *factor(1.5), modelled)


def alone_us(fitted: Fitted) -> float:
    """Return the modelled time of a small operator in a dispatch of its own."""
    return fitted.npu2_dispatch_us + fitted.operator_us


def swiglu_us(fitted: Fitted, *, fused: bool) -> float:
    """Return the modelled time of three products and two operators on elements, in one dispatch or five."""
    tiling = Tiling(64, 64, 64, 8, 4, (128, 128, 128))
    wide, narrow = Product(256, 512, 2048, BF16, tiling), Product(256, 2048, 512, BF16, tiling)
    work_us = sum(_npu2_us(product, fitted.npu2_best_int8, fitted) for product in (wide, wide, narrow))
    # silu reads and writes one tensor, the product reads two and writes one
    elements_bytes = 2 * 256 * 2048 * (2 + 3)
    work_us += memory_us(elements_bytes, 4096, fitted.npu2_memory_gb_s, fitted.burst_ns)
    fixed_us = fitted.npu2_dispatch_us + 4 * fitted.npu2_switch_us if fused else 5 * fitted.npu2_dispatch_us
    return fixed_us + work_us + 5 * fitted.operator_us
