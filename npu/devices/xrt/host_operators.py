"""Operators that a device computes wrongly, computed on the host instead, on the same memory.

The host has a mirror of every buffer. Before such an operator reads or writes a part of it, that part is fetched from
the device, and what it wrote is sent back, so that the operators around it find the memory as if the device had done
it. WEIGHTS and INPUT are written by the host alone: there the mirror is right already.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.machine import run_operator
from amanuensis.kernels.memory import Memory, Span
from amanuensis.kernels.operators import Operator
from amanuensis.npu.devices.xrt.runtime import Buffer, XrtRuntime

MUST_WORK: Final = frozenset({"Nop", "CopyRows"})  # CopyRows brings back the receipt, the proof that a dispatch ran
HEAVY: Final = frozenset({"GemmInt8", "GemmBf16", "Attention"})  # nearly all of the work: a CPU does that better whole
HOST_WRITES: Final = frozenset({"weights", "input"})


class MirrorMemory(Memory):
    """The device memory of a dispatch as the host sees it."""

    def __init__(self, runtime: XrtRuntime, buffers: Sequence[Buffer]) -> None:
        super().__init__([buffer.host for buffer in buffers])
        self._runtime = runtime
        self._mirrored = buffers

    def _tensor(
        self, region: Any, kind: np.dtype[Any], shape: tuple[int, ...], name: str, pitch: int
    ) -> tuple[Span, NDArray[Any]]:
        span, view = super()._tensor(region, kind, shape, name, pitch)
        buffer = self._mirrored[span.buffer]
        if buffer.kind not in HOST_WRITES and span.stop > span.start:
            self._runtime.read(buffer, (span.stop - span.start,), np.uint8, span.start)
        return span, view

    def send_written(self) -> None:
        """Send back what was written since `start_operator`."""
        for span in self.written:
            buffer = self._mirrored[span.buffer]
            self._runtime.write(buffer, buffer.host[span.start : span.stop].copy(), span.start)


def run_on_host(runtime: XrtRuntime, buffers: Sequence[Buffer], operators: Sequence[Operator]) -> None:
    """Execute operators on the host, on buffers that no dispatch is using."""
    memory = MirrorMemory(runtime, buffers)
    with np.errstate(all="ignore"):
        for operator in operators:
            run_operator(operator, memory)
            memory.send_written()
