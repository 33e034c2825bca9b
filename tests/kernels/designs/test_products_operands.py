"""What the configuration `products` cannot compute is refused in one line: operator, value, limit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from amanuensis.kernels.designs._iron import NPU1
from amanuensis.kernels.designs.launch import LaunchError
from amanuensis.kernels.designs.products_launch import launch
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operands import Buffer, Parameter, Region
from amanuensis.kernels.operators import Nop
from tests.kernels.designs.products_cases import columns, copied, memory_for, norm, product, quantised, summed

ROOM = 1 << 22


def refused(make: Any, *arguments: Any, message: str, **changes: Any) -> None:
    """Hold an operator to be refused with a message."""
    memory = memory_for(ROOM)
    operator = replace(make(memory, *arguments), **changes)
    with pytest.raises(LaunchError, match=message):
        launch(operator, Memory(memory.buffers), NPU1())


def test_columns_that_fill_no_tile() -> None:
    """N is a multiple of 64."""
    refused(product, "int8", 9, 64, 32, message="GemmInt8: n is 32; a multiple of 64 is needed")
    refused(product, "bf16", 9, 64, 72, message="GemmBf16: n is 72; a multiple of 64 is needed")


def test_widths_that_cannot_be_cut() -> None:
    """A power of two times the width of a row fills an object, and a core holds the rows."""
    refused(norm, 9, 48, message="LayerNorm: width is 48; a multiple of 32 is needed")
    refused(norm, 9, 2048, message="LayerNorm: width is 2048: 4 rows .* are 12288 words, and a core holds 10240")
    refused(norm, 9, 992, message="LayerNorm: width is 992: 32 rows at a time .* are 33792 words, and a core holds")
    refused(quantised, 9, 24, message="QuantiseRows: width is 24; a multiple of 32 is needed")
    refused(quantised, 9, 5632, message="QuantiseRows: width is 5632: 4 rows .* are 11264 words, and a core holds")
    refused(summed, 9, 24, message="AddRows: width is 24; a multiple of 16 is needed")
    refused(copied, 9, 48, message="CopyRows: row_bytes is 48; a multiple of 32 is needed")
    refused(columns, 9, 9, 24, 1, 72, "bf16", message="Im2col: width is 24; a multiple of 16 is needed")


def test_results_over_operands() -> None:
    """A result overwrites nothing that is still to be read, but for a residual or a summand in the same place."""
    refused(product, "int8", 64, 64, 64, message="GemmInt8: dst, word 0 on, overlaps a", dst=Region(Buffer.SCRATCH, 0))
    refused(norm, 9, 64, message="LayerNorm: dst, word 16 on, overlaps src, word 0", dst=Region(Buffer.SCRATCH, 64))
    refused(summed, 9, 64, message="AddRows: dst, word 16 on, overlaps src", dst=Region(Buffer.SCRATCH, 64))
    refused(copied, 9, 64, message="CopyRows: dst, word 16 on, overlaps src", dst=Region(Buffer.SCRATCH, 64))


def test_what_lies_outside_its_buffer() -> None:
    """Bounds, alignment and parameters are those of the machine."""
    refused(norm, 9, 64, message="LayerNorm: dst takes bytes", dst=Region(Buffer.OUTPUT, ROOM + (1 << 16) - 64))
    refused(norm, 9, 64, message="LayerNorm: dst starts at byte 32", dst=Region(Buffer.OUTPUT, 32))
    refused(columns, 9, 9, 16, 1, 48, "bf16", message="9 rows of src make 9 rows of dst, which has 4", dst_rows=4)
    memory = memory_for(ROOM)
    memory.set_parameters({7: 99})
    operator = replace(norm(memory, 9, 64), rows=Parameter(7, 40))
    with pytest.raises(LaunchError, match="LayerNorm: rows is parameter 7 = 99; allowed are 0 to 40"):
        launch(operator, Memory(memory.buffers), NPU1())


def test_other_operators() -> None:
    """What the configuration does not hold is named with what it holds."""
    with pytest.raises(LaunchError, match="Nop: is not in the configuration products, which has AddRows, CopyRows"):
        launch(Nop(), Memory(memory_for(ROOM).buffers), NPU1())
