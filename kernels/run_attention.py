"""Attention on device memory."""

from __future__ import annotations

import numpy as np

from amanuensis.kernels.dtypes import BFLOAT16, Float32, to_bf16, to_f32
from amanuensis.kernels.memory import Memory, OperandError
from amanuensis.kernels.operands import Region
from amanuensis.kernels.operators import Attention
from amanuensis.kernels.reference.attention import (
    Attended,
    attention_blocks,
    join_heads,
    probabilities,
    seen_keys,
    split_heads,
)


def run_attention(op: Attention, memory: Memory, rows: int) -> None:
    """Attend, and keep the weights of the heads that are asked for."""
    keys = memory.count(op.keys, "keys")
    if not keys:
        raise OperandError("there are no keys to attend to")
    width = op.heads * op.size
    q = split_heads(to_f32(memory.read(op.q, BFLOAT16, (rows, width), "q", pitch=op.q_pitch)), op.heads)
    k = split_heads(to_f32(memory.read(op.k, BFLOAT16, (keys, width), "k", pitch=op.kv_pitch)), op.heads)
    v = split_heads(to_f32(memory.read(op.v, BFLOAT16, (keys, width), "v", pitch=op.kv_pitch)), op.heads)
    first = memory.count(op.first, "first") if op.causal else None
    attended = attention_blocks(q, k, v, op.scale, first)
    memory.write(op.dst, BFLOAT16, (rows, width), "dst")[:] = to_bf16(join_heads(attended.values))
    if op.probabilities is not None:
        heads = list(op.kept_heads)
        kept = Attended(attended.values, attended.highest[heads], attended.sums[heads])
        weights = probabilities(kept, q[heads], k[heads], op.scale, seen_keys(rows, keys, first))
        _keep(op.probabilities, op.pitch, memory, weights)


def _keep(region: Region, pitch: int, memory: Memory, weights: Float32) -> None:
    heads, rows, keys = weights.shape
    if keys > pitch:
        raise OperandError(f"probabilities have room for {pitch} keys, and there are {keys}")
    kept = memory.write(region, np.float32, (heads, rows, pitch), "probabilities")
    kept[..., :keys] = weights
    kept[..., keys:] = 0
