"""The machine that executes a stream of operators on the bytes of device memory, and says what that took.

It knows nothing of models and holds nothing from one dispatch to the next but streams already decoded: weights are read
from device memory every time, so whatever is wrong there is wrong in the result.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels import operators as kinds
from amanuensis.kernels.cost.band import Band
from amanuensis.kernels.memory import Memory, OperandError, Span
from amanuensis.kernels.operands import Count
from amanuensis.kernels.ops import Operator, decode
from amanuensis.kernels.program import Program
from amanuensis.kernels.run_attention import run_attention
from amanuensis.kernels.run_gemm import (
    run_gemm_bf16,
    run_gemm_int8,
    run_gemm_requantise,
    run_im2col,
    run_quantise_rows,
)
from amanuensis.kernels.run_rows import run_add_rows, run_copy_rows, run_embed, run_energy_gate, run_layer_norm
from amanuensis.kernels.run_select import run_select
from amanuensis.kernels.timing import operator_price

STREAMS_KEPT: Final = 64

_Runner: TypeAlias = Callable[[Any, Memory, int], None]
_RUNNERS: Final[dict[type[Operator], _Runner]] = {
    kinds.Im2col: run_im2col,
    kinds.LayerNorm: run_layer_norm,
    kinds.QuantiseRows: run_quantise_rows,
    kinds.GemmInt8: run_gemm_int8,
    kinds.GemmRequantise: run_gemm_requantise,
    kinds.GemmBf16: run_gemm_bf16,
    kinds.AddRows: run_add_rows,
    kinds.Embed: run_embed,
    kinds.Attention: run_attention,
    kinds.CopyRows: run_copy_rows,
    kinds.Select: run_select,
    kinds.EnergyGate: run_energy_gate,
}


@dataclass(frozen=True, slots=True)
class OperatorWork:
    """What one operator did.

    Attributes:
        name: of the operator.
        macs: multiply-adds.
        bytes_read: from device memory.
        bytes_written: to device memory.
        time: modelled microseconds, not measured on an NPU.
        written: where it wrote.

    """

    name: str
    macs: int
    bytes_read: int
    bytes_written: int
    time: Band
    written: tuple[Span, ...]

    @property
    def us(self) -> float:
        """Modelled microseconds, the middle of the band."""
        return self.time.middle


@dataclass(frozen=True, slots=True)
class Work:
    """What a dispatch did; the cost of starting it (`Model.dispatch_us`) is not in it."""

    operators: tuple[OperatorWork, ...]

    @property
    def us(self) -> float:
        """Modelled microseconds of all operators, the middle of the band."""
        return sum(operator.us for operator in self.operators)


def execute(
    program: Program,
    words: NDArray[np.uint32],
    buffers: Sequence[NDArray[np.uint8] | memoryview],
    after: Callable[[OperatorWork], None] = lambda _: None,
) -> Work:
    """Execute a stream of operators in order.

    Args:
        program: the array configuration; operators outside it are refused.
        words: the stream, uint32.
        buffers: device memory, one run of bytes for each of `operands.Buffer`, written in place.
        after: called when an operator is done, before the next one begins.

    Returns:
        What each operator did.

    Raises:
        OpError: the words are no stream; nothing was executed.
        OperandError: an operator is not in the program, or an operand is out of bounds, unaligned or impossible; the
            message names the operator and its place. What came before it has been executed.

    """
    operators = _decoded(np.asarray(words, np.uint32).tobytes())
    for place, operator in enumerate(operators):
        if type(operator).__name__ not in program.operators:
            raise OperandError(f"operator {place}, {type(operator).__name__}, is not in the program {program.name}")
    memory, done = Memory(buffers), []
    with np.errstate(all="ignore"):  # the device computes on with whatever bits it has
        for place, operator in enumerate(operators):
            done.append(_run(program, memory, place, operator))
            after(done[-1])
    return Work(tuple(done))


def run_operator(operator: Operator, memory: Memory) -> None:
    """Execute one operator on a memory, which then knows what was read and written.

    Raises:
        ValueError: an operand is out of bounds, unaligned or impossible.

    """
    memory.start_operator()
    rows = memory.count(_rows_of(operator), "rows")
    if rows:
        _RUNNERS[type(operator)](operator, memory, rows)


def _run(program: Program, memory: Memory, place: int, operator: Operator) -> OperatorWork:
    name = type(operator).__name__
    try:
        run_operator(operator, memory)
        price = operator_price(program.architecture, operator, memory.parameter)
    except ValueError as error:
        raise OperandError(f"operator {place}, {name}: {error}") from error
    bytes_written = sum(span.stop - span.start for span in memory.written)
    return OperatorWork(name, price.load.macs, memory.bytes_read, bytes_written, price.time, tuple(memory.written))


def _rows_of(operator: Operator) -> Count:
    return 0 if isinstance(operator, kinds.Nop) else operator.rows


@functools.lru_cache(maxsize=STREAMS_KEPT)
def _decoded(words: bytes) -> tuple[Operator, ...]:
    return decode(np.frombuffer(words, np.uint32))
