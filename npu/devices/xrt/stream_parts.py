"""What the dispatches of a model have in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from amanuensis.kernels.operands import Buffer, Epilogue, Parameter, Region
from amanuensis.kernels.operators import CopyRows, Operator
from amanuensis.npu.device_layers import cross_name
from amanuensis.npu.device_weights import WeightMap
from amanuensis.npu.devices.xrt.memory import RECEIPT_BYTES, RECEIPT_OFFSET, Area, Memory

PLAIN = Epilogue()
Piece: TypeAlias = tuple[str, list[Operator]]  # name of what the residual holds afterwards, and how it comes about


@dataclass(frozen=True)
class StreamParts:
    """The regions that sequences are built on.

    Attributes:
        memory: where everything lies.
        weights: where the weights lie.

    """

    memory: Memory
    weights: WeightMap

    @cached_property
    def scratch(self) -> Area:
        """Activations."""
        return self.memory.scratch()

    @cached_property
    def cache(self) -> Area:
        """Keys and values."""
        return self.memory.cache()

    def cross(self, layers: range, skip: int, word: int) -> Region:
        """Return the keys and values of a chunk of decoder layers in the set that a parameter names, or `skip` on."""
        stride = self.memory.buckets[-1] * len(layers) * self.memory.layer_kv_bytes
        return self.cache.at(cross_name(layers), skip, Parameter(word, self.memory.encodings - 1), stride)

    @property
    def vector_bytes(self) -> int:
        """Bytes of a row of the model's width in bf16."""
        return self.memory.layer_kv_bytes // 2


def operators_of(pieces: Iterable[Piece]) -> list[Operator]:
    """Return a dispatch: the operators of the pieces, then the receipt.

    The receipt is a line of the parameters that the host fills with a number of its own each time: what comes back in
    OUTPUT tells that this very dispatch ran, to its end.
    """
    line = RECEIPT_BYTES
    receipt = CopyRows(Region(Buffer.INPUT, RECEIPT_OFFSET), Region(Buffer.OUTPUT, 0), 1, line, line, line)
    return [*(operator for _, operators in pieces for operator in operators), receipt]
