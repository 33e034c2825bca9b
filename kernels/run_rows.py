"""Operators on rows: layer norm, positions, embeddings, copies, and the energy gate, on device memory."""

from __future__ import annotations

import numpy as np

from amanuensis.kernels.dtypes import BFLOAT16, to_bf16, to_f32
from amanuensis.kernels.memory import Memory, OperandError
from amanuensis.kernels.operators import AddRows, CopyRows, Embed, EnergyGate, LayerNorm
from amanuensis.kernels.reference.embed import add_rows
from amanuensis.kernels.reference.energy import POWER_FLOOR, energy_gate, log_powers
from amanuensis.kernels.reference.layer_norm import layer_norm


def run_layer_norm(op: LayerNorm, memory: Memory, rows: int) -> None:
    """Normalise each row."""
    src = memory.read(op.src, np.float32, (rows, op.width), "src")
    gain = memory.read(op.gain, np.float32, (op.width,), "gain")
    bias = memory.read(op.bias, np.float32, (op.width,), "bias")
    dst = memory.write(op.dst, BFLOAT16, (rows, op.width), "dst")
    dst[:] = to_bf16(layer_norm(src, gain, bias))


def run_add_rows(op: AddRows, memory: Memory, rows: int) -> None:
    """Add a table to rows."""
    src = memory.read(op.src, np.float32, (rows, op.width), "src")
    table = memory.read(op.table, np.float32, (rows, op.width), "table")
    memory.write(op.dst, np.float32, (rows, op.width), "dst")[:] = add_rows(src, table)


def run_embed(op: Embed, memory: Memory, rows: int) -> None:
    """Look tokens and positions up."""
    ids = memory.read(op.ids, np.int32, (rows,), "ids")
    places = memory.count(op.first, "first") + op.step * np.arange(rows)
    tokens = memory.gather(op.table, BFLOAT16, (op.vocabulary, op.width), ids, "table")
    positions = memory.gather(op.positions, np.float32, (op.n_positions, op.width), places, "positions")
    memory.write(op.dst, np.float32, (rows, op.width), "dst")[:] = to_f32(tokens) + positions


def run_copy_rows(op: CopyRows, memory: Memory, rows: int) -> None:
    """Copy rows of bytes."""
    shape = (rows, op.row_bytes)
    src = memory.read(op.src, np.uint8, shape, "src", pitch=op.src_pitch)
    dst = memory.write(op.dst, np.uint8, shape, "dst", pitch=op.dst_pitch)
    if np.shares_memory(src, dst):
        raise OperandError("src and dst overlap; copy through other memory")
    dst[:] = src


def run_energy_gate(op: EnergyGate, memory: Memory, rows: int) -> None:
    """Measure energy and flatness of frames."""
    src = memory.read(op.src, np.float32, (rows, op.n_mels), "src")
    dst = memory.write(op.dst, np.float32, (rows, 2), "dst")
    logs = log_powers(src) if op.kind == "log_mel" else np.log10(np.maximum(src, POWER_FLOOR))
    dst[:] = energy_gate(logs)
