"""Device memory for tests: tensors placed one after the other, and programs that hold every operator."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from amanuensis.kernels.machine import Work, execute
from amanuensis.kernels.operands import ALIGNMENT_BYTES, PARAMETERS_BYTES, Buffer
from amanuensis.kernels.ops import OPERATORS, Operator, Region, encode
from amanuensis.kernels.program import Program

POISON = 0xCD
PROGRAM = Program("npu1", "MLIR_AIE", "7b1f3c52-5a55-4b4e-9d0e-3f6f2f1b8f11", OPERATORS)


@dataclass
class Device:
    """Poisoned device memory in which tensors get places."""

    size_bytes: int = 1 << 20
    buffers: list[np.ndarray] = field(init=False)
    _next: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.buffers = [np.full(self.size_bytes, POISON, np.uint8) for _ in Buffer]
        self._next = [0] * len(Buffer)
        self._next[Buffer.INPUT] = PARAMETERS_BYTES
        self.set_parameters({})

    def set_parameters(self, values: dict[int, int]) -> None:
        """Write the parameters; those not given are zero."""
        words = self.buffers[Buffer.INPUT][:PARAMETERS_BYTES].view(np.int32)
        words[:] = 0
        for index, value in values.items():
            words[index] = value

    def room(self, buffer: Buffer, n_bytes: int) -> Region:
        """Return a place for so many bytes."""
        start = self._next[buffer]
        self._next[buffer] = start + -(-n_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        assert self._next[buffer] <= self.size_bytes
        return Region(buffer, start)

    def put(self, values: Any, buffer: Buffer = Buffer.WEIGHTS) -> Region:
        """Place an array and return where."""
        array = np.ascontiguousarray(values)
        region = self.room(buffer, array.nbytes)
        self.buffers[buffer][region.offset : region.offset + array.nbytes] = array.reshape(-1).view(np.uint8)
        return region

    def get(self, region: Region, dtype: Any, shape: tuple[int, ...]) -> Any:
        """Return a copy of a tensor."""
        n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        data = self.buffers[region.buffer][region.offset : region.offset + n_bytes]
        return data.view(dtype).reshape(shape).copy()

    def run(self, *operators: Operator) -> Work:
        """Execute a sequence."""
        return execute(PROGRAM, encode(operators), self.buffers)
