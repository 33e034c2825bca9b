"""The loads: what is counted without executing is what the machine touches when it executes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanuensis.kernels.loads import Load, cycles, load_of
from amanuensis.kernels.operands import Buffer, Epilogue, Parameter, Region
from amanuensis.kernels.operators import (
    AddRows,
    Attention,
    CopyRows,
    Embed,
    EnergyGate,
    GemmBf16,
    GemmInt8,
    GemmRequantise,
    Im2col,
    LayerNorm,
    Nop,
    Operator,
    QuantiseRows,
    Select,
)
from amanuensis.kernels.records import empty_rules
from amanuensis.kernels.words import OpError
from tests.kernels.device import Device

ROWS, KEYS = Parameter(0, limit=64), Parameter(1, limit=64)
DEVICE = Device(1 << 20)
NOWHERE = Region(Buffer.WEIGHTS, 0)


def _operators() -> list[Operator]:
    for buffer in DEVICE.buffers:
        buffer[:] = 0  # a valid number of every type, and of an id
    a, b, c = (DEVICE.room(Buffer.SCRATCH, 1 << 16) for _ in range(3))
    table = DEVICE.room(Buffer.WEIGHTS, 1 << 16)
    rules = DEVICE.put(empty_rules(8), Buffer.INPUT)
    ends = Epilogue(residual=a, out="f32"), Epilogue(gelu=True)
    attention = Attention(a, b, table, c, ROWS, KEYS, 2, 8, False, 0, 1.0)
    return [
        Nop(),
        Im2col(a, b, ROWS, 16, 40, 2, 128),
        LayerNorm(a, b, table, table, ROWS, 64),
        QuantiseRows(a, b, table, ROWS, 64),
        QuantiseRows(a, b, c, ROWS, 64, smooth=table),
        GemmInt8(a, table, table, table, None, b, ROWS, 64, 40, ends[0]),
        GemmInt8(a, table, table, table, table, b, ROWS, 64, 40, ends[1]),
        GemmBf16(a, table, table, b, ROWS, 64, 40, ends[0]),
        GemmBf16(a, table, None, b, ROWS, 64, 40, ends[1]),
        GemmRequantise(a, table, None, table, b, ROWS, 64, 40, 7),
        GemmRequantise(a, table, table, table, b, ROWS, 64, 40, 7),
        AddRows(a, table, b, ROWS, 24),
        Embed(a, table, table, b, ROWS, 0, 24, 50, 60),
        attention,
        replace(attention, probabilities=DEVICE.room(Buffer.OUTPUT, 1 << 14), kept_heads=(1,), pitch=32),
        replace(attention, q_pitch=64, kv_pitch=96),
        CopyRows(a, b, ROWS, 20, 24, 28),
        Select(a, table, rules, b, ROWS, 100, 128, 3, 90, 80, -1),
        EnergyGate(a, b, ROWS, 80),
    ]


@pytest.mark.parametrize("operator", _operators(), ids=lambda operator: type(operator).__name__)
@pytest.mark.parametrize("rows", [0, 1, 7])
def test_load_is_what_the_machine_touches(operator: Operator, rows: int) -> None:
    """The bytes counted from the operator alone are those that its tensors have when it is executed."""
    DEVICE.set_parameters({0: rows, 1: 20})
    (work,) = DEVICE.run(operator).operators
    load = load_of(operator, {0: rows, 1: 20})
    assert (load.bytes_read, load.bytes_written, load.macs) == (work.bytes_read, work.bytes_written, work.macs)
    assert load == load_of(operator, lambda index: (rows, 20)[index])
    assert (load == Load()) == (rows == 0 or isinstance(operator, Nop))


def test_products_are_counted_in_whole_blocks() -> None:
    """Five rows cost what eight do: blocks of a hold four."""
    product = GemmInt8(NOWHERE, NOWHERE, NOWHERE, NOWHERE, None, NOWHERE, ROWS, 64, 40)
    assert load_of(product, {0: 5}).int8_macs == load_of(product, {0: 8}).int8_macs == 8 * 64 * 40
    assert load_of(product, {0: 5}).bf16_macs == 0
    assert cycles(32, 5.0) == 10.0


def test_parameters_must_have_values_within_their_limits() -> None:
    """What a plan left out, or set too high, is named."""
    norm = LayerNorm(NOWHERE, NOWHERE, NOWHERE, NOWHERE, ROWS, 64)
    with pytest.raises(OpError, match=r"LayerNorm\.rows is parameter 0, which was given no value"):
        load_of(norm, {})
    with pytest.raises(OpError, match="parameter 0 = 65; allowed are 0 to 64"):
        load_of(norm, {0: 65})
    with pytest.raises(OpError, match="33 rows of src make 17 rows of dst, which has 16"):
        load_of(Im2col(NOWHERE, NOWHERE, ROWS, 16, 40, 2, 128), {0: 33})
