"""Published times of whole calls from Python, with the buffers that a call makes, fills and reads.

C3 is such a figure: the runner that its authors published (`iron/designs/npu_kernel.py`) makes three buffers for each
call, copies and flushes the operands, waits, and copies the result out, all of it within the time that it tells. The
same authors timed other calls, with and without that; those are C11, and the fit takes the cost of buffers and the
rate of int16 on npu1 from them. C3 itself stays held out.

Sources: tibrezus/xdna-npu-toolkit @ef0ef97, on a Ryzen 7 7840HS: `iron/results/*.md` and `iron/designs/*.py` for what
was timed and with which tiles, `docs/PROFILING-FINDINGS.md`, `serve/BENCHMARK.md` @cabbe0e. C9: targets.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from amanuensis.kernels.cost.arrays import ARRAYS
from amanuensis.kernels.cost.fitted import Fitted
from amanuensis.kernels.cost.product import Product, Rates, Tiling, product_parts, stream_us
from amanuensis.kernels.cost.target import Target, factor, within

INT16: Final = (2, 2, 4)
BF16: Final = (2, 2, 2)
KEPT_GB_S: Final = 20.0  # copying and flushing between arrays and buffers that are kept: 3.1 MB in 0.16 ms
ADDED: Final = 4096  # elements of the smallest call, bf16
VECTOR: Final = 288  # edge of the matrix that is multiplied by a vector, int16


def npu1_us(product: Product, macs: float, fitted: Fitted) -> float:
    """Return the modelled time of a product on npu1 besides what a dispatch costs."""
    rates = Rates(macs, ARRAYS["npu1"].clock_ghz, fitted.npu1_memory_gb_s, fitted.burst_ns)
    return product_parts(product, ARRAYS["npu1"], rates).us


def fresh_us(n_bytes: float, fitted: Fitted) -> float:
    """Return the modelled time of a call that makes its buffers anew, besides its work."""
    return fitted.fresh_call_us + n_bytes / fitted.fresh_gb_s / 1e3


def scalar_us(elements: int, fitted: Fitted) -> float:
    """Return the modelled time of a row operator in scalar code on one core of npu1."""
    return elements * fitted.scalar_cycles / ARRAYS["npu1"].clock_ghz / 1e3


def _one_core(size: int) -> Product:
    return Product(size, size, size, INT16, Tiling(32, 32, 32, 1, 1, (64, 64, 128)))


def _sixteen_cores(m: int, k: int, n: int) -> Product:
    return Product(m, k, n, INT16, Tiling(64, 64, 32, 4, 4, (128, 64, 128)))


def _moved(product: Product) -> float:
    """Return the bytes of a, b and c, each once: what the host copies."""
    a, b, c = product.element_bytes
    return product.m * product.k * a + product.k * product.n * b + product.m * product.n * c


def fresh_product_us(product: Product, fitted: Fitted) -> float:
    """Return the modelled time of an int16 product in a call that makes its buffers anew."""
    return fresh_us(_moved(product), fitted) + npu1_us(product, fitted.npu1_int16, fitted)


def _waited_us(product: Product, fitted: Fitted) -> float:
    """Return the modelled time from starting an int16 product to its end."""
    return fitted.npu1_dispatch_us + npu1_us(product, fitted.npu1_int16, fitted)


def _kept_us(product: Product, fitted: Fitted) -> float:
    """Return the modelled time of an int16 product whose buffers are kept, copies included."""
    return _waited_us(product, fitted) + _moved(product) / KEPT_GB_S / 1e3


def _gemv_us(fitted: Fitted) -> float:
    """Return the modelled time of a matrix times a vector on one core, as fast as one channel brings the matrix."""
    matrix = 2 * VECTOR**2
    return fresh_us(matrix + 6 * VECTOR, fitted) + stream_us(matrix, 1, ARRAYS["npu1"].clock_ghz)


def fresh_products() -> Iterator[Target]:
    """Return C3: products in calls that make their buffers anew, at the tiles of their builds."""
    for product, cores, gops in ((_sixteen_cores(512, 512, 512), 16, 264.7), (_one_core(256), 1, 30.5)):
        size = product.m
        yield Target(
            f"C3 int16 {size} cubed, {cores} cores",
            2 * size**3 / gops / 1e3,
            "us",
            *within(0.25),
            partial(fresh_product_us, product),
        )


def other_calls() -> Iterator[Target]:
    """Return C11: the other calls of the authors of C3."""
    linear = _sixteen_cores(512, 384, 384)
    figures: list[tuple[str, float, Callable[[Fitted], float]]] = [
        ("int16 256 cubed, 1 core, waited for", 820, partial(_waited_us, _one_core(256))),
        ("int16 512/384/384, 16 cores, buffers kept", 430, partial(_kept_us, linear)),
        ("int16 512/384/384, 16 cores, buffers anew", 890, partial(fresh_product_us, linear)),
        ("int16 288 squared times a vector", 376, _gemv_us),
        ("sum of 4096, buffers anew", 275, partial(fresh_us, 3 * 2 * ADDED)),
        ("bf16 4096/384/1152, waited for", 2638, _bf16_us),
    ]
    for name, published, modelled in figures:
        yield Target(f"C11 {name}", published, "us", *within(0.25), modelled)


def _bf16_us(fitted: Fitted) -> float:
    product = Product(4096, 384, 1152, BF16, Tiling(128, 64, 32, 4, 4, (128, 64, 64)))
    return fitted.npu1_dispatch_us + npu1_us(product, fitted.npu1_plain, fitted)


def scalar_rows() -> Iterator[Target]:
    """Return C9: row operators in scalar code on one core, in calls with small buffers."""
    yield Target("C9 softmax 1024, compute", 47, "us", *factor(1.5), partial(scalar_us, 1024))
    for name, elements, published in (("softmax 1024", 1024, 244), ("layer norm 512", 512, 453)):
        yield Target(f"C9 {name}, one call", published, "us", *factor(1.5), partial(_fresh_rows_us, elements))


def _fresh_rows_us(elements: int, fitted: Fitted) -> float:
    return fresh_us(4 * elements, fitted) + scalar_us(elements, fitted)  # bf16 in and out
