"""The six verbs of the host runtime straight on the arithmetic of the device, without pyxrt or its emulator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import DTypeLike, NDArray

from amanuensis.kernels.machine import execute
from amanuensis.kernels.ops import OPERATORS
from amanuensis.kernels.program import KERNEL_NAME, Program
from amanuensis.npu.devices.xrt.errors import DeviceMemoryError

POISON = 0xFF  # of fresh device memory: NaN as bf16 and float32
LINE_BYTES = 64


@dataclass(eq=False, slots=True)
class MachineBuffer:
    """Device memory."""

    kind: str
    n_bytes: int
    device: NDArray[np.uint8]

    @property
    def host(self) -> NDArray[np.uint8]:
        """The mirror: there is one memory only."""
        return self.device


class MachineRuntime:
    """Counts what crosses the bus; `zeros` makes every dispatch do nothing and answer zeros."""

    device_name = "sim"
    architecture = "npu1"
    package = None

    def __init__(self, memory_bytes: int = 1 << 40) -> None:
        self.dispatches = 0
        self.bytes_to_device = 0
        self.bytes_from_device = 0
        self.allocated_bytes = 0
        self.zeros = False
        self.buffers: list[MachineBuffer] = []
        self.started: list[int] = []  # numbers of dispatches that nobody has waited for yet
        self.memory_bytes = memory_bytes
        self._program = Program("npu1", KERNEL_NAME, str(UUID(int=0)), OPERATORS)

    def load(self, name: str) -> str:
        """Return a stand-in for a loaded program."""
        return name

    def allocate(self, _loaded: str | None, n_bytes: int, kind: str) -> MachineBuffer:
        """Allocate poisoned memory."""
        if self.allocated_bytes + n_bytes > self.memory_bytes:
            raise DeviceMemoryError(f"allocating {n_bytes} bytes for {kind} failed; choose a smaller model")
        self.allocated_bytes += n_bytes
        self.buffers.append(MachineBuffer(kind, n_bytes, np.full(n_bytes, POISON, np.uint8)))
        return self.buffers[-1]

    def write(self, buffer: MachineBuffer, array: NDArray[Any], offset: int = 0) -> None:
        """Copy to the device."""
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        assert offset % LINE_BYTES == 0
        assert offset + data.size <= buffer.n_bytes
        buffer.device[offset : offset + data.size] = data
        self.bytes_to_device += -(-data.size // LINE_BYTES) * LINE_BYTES

    def read(self, buffer: MachineBuffer, shape: tuple[int, ...], dtype: DTypeLike, offset: int = 0) -> NDArray[Any]:
        """Copy from the device."""
        n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        assert offset % LINE_BYTES == 0
        assert offset + n_bytes <= buffer.n_bytes
        self.bytes_from_device += -(-n_bytes // LINE_BYTES) * LINE_BYTES
        return buffer.device[offset : offset + n_bytes].copy().view(dtype).reshape(shape)

    def run(self, _loaded: str, instructions: MachineBuffer, buffers: Sequence[MachineBuffer]) -> int:
        """Do a dispatch at once; it counts as under way until somebody waits for it."""
        assert [buffer.kind for buffer in buffers] == ["weights", "scratch", "cache", "input", "output"]
        self.dispatches += 1
        if self.zeros:
            buffers[-1].device[:] = 0
        else:
            execute(self._program, instructions.device.view(np.uint32), [buffer.device for buffer in buffers])
        self.started.append(self.dispatches)
        return self.dispatches

    def wait(self, pending: int) -> None:
        """Finish a dispatch and all before it."""
        self.started = [number for number in self.started if number > pending]
