"""What a simulated dispatch did, in counts. No time: that is the cost model's matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaskTrace:
    """A transfer of the sequence.

    Attributes:
        fifo: the fifo that it filled or drained.
        shim: the shim tile, as `shim(column, 0)`.
        to_device: whether it read from the host's memory.
        bytes: how many bytes it moved.
        burst_bytes: how many of them follow one another in the host's memory at least.

    """

    fifo: str
    shim: str
    to_device: bool
    bytes: int
    burst_bytes: int


@dataclass(frozen=True, slots=True)
class Trace:
    """Counts of one dispatch.

    Attributes:
        objects: for each pool of objects (fifo and end), how many were made full.
        channel_bytes: for each DMA channel that moved something, the bytes.
        tasks: the transfers of the sequence in order.
        calls: for each worker, how often it called each kernel.
        iterations: for each worker, how often its function ended.
        awaits: how many times the sequence waited for a transfer.

    """

    objects: Mapping[str, int]
    channel_bytes: Mapping[str, int]
    tasks: tuple[TaskTrace, ...]
    calls: Mapping[str, Mapping[str, int]]
    iterations: Mapping[str, int]
    awaits: int

    @property
    def bytes_read(self) -> int:
        """Bytes read from the host's memory."""
        return sum(task.bytes for task in self.tasks if task.to_device)

    @property
    def bytes_written(self) -> int:
        """Bytes written to the host's memory."""
        return sum(task.bytes for task in self.tasks if not task.to_device)
