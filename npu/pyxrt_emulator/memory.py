"""The memory of buffers: each root has its bytes on the host and on the device, and only `move` connects them."""

from __future__ import annotations

import errno
import weakref
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.pyxrt_emulator.errors import ShimError
from amanuensis.npu.pyxrt_emulator.settings import HEAP_BYTES

LINE_BYTES: Final = 64  # a cache line of the host: the least that `sync` flushes
PAGE_BYTES: Final = 4096
FIRST_ADDRESS: Final = 0x4000000  # of the device's memory; any page will do, but not 0
# What memory holds that nobody wrote: not a number as bf16 and as float32, far out of any table as an int32.
POISON: Final = np.uint16(0x7FE5)


def _aligned(n_bytes: int) -> NDArray[np.uint8]:
    """Return zeros that begin at a cache line."""
    room = np.zeros(n_bytes + LINE_BYTES, np.uint8)
    start = -room.ctypes.data % LINE_BYTES
    return room[start : start + n_bytes]


def poison(memory: NDArray[np.uint8]) -> None:
    """Overwrite memory with POISON."""
    even = memory.size // 2 * 2
    memory[:even].view(np.uint16)[:] = POISON
    memory[even:] = int(POISON) & 0xFF


class MemoryPool:
    """What may still be allocated on the device."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._used_bytes = self._heap_bytes = 0
        self._next_address = FIRST_ADDRESS

    def take(self, n_bytes: int, heap: bool) -> int:
        """Take `n_bytes` and return their address; ShimError when there are not so many."""
        if heap and self._heap_bytes + n_bytes > HEAP_BYTES:
            raise ShimError(errno.ENOSPC, f"Heap at max size {HEAP_BYTES}, can't expand further")
        if self._used_bytes + n_bytes > self._limit_bytes:
            raise ShimError(-errno.ENOMEM, "DRM_IOCTL_AMDXDNA_CREATE_BO IOCTL failed")
        self._used_bytes += n_bytes
        self._heap_bytes += n_bytes if heap else 0
        address = self._next_address
        self._next_address += -(-n_bytes // PAGE_BYTES) * PAGE_BYTES
        return address

    def give_back(self, n_bytes: int, heap: bool) -> None:
        """Let others have what was taken."""
        self._used_bytes -= n_bytes
        self._heap_bytes -= n_bytes if heap else 0


class Memory:
    """A root buffer's bytes.

    When it is let go, the host's bytes are poisoned, for the real binding's views do not keep a buffer alive either.

    Attributes:
        host: uint8 [n_bytes], zeros at first, as the kernel gives pages.
        device: uint8 [n_bytes], poisoned at first.
        address: on the device.
        views: the sub-buffers that are alive.

    """

    def __init__(self, pool: MemoryPool, n_bytes: int, heap: bool) -> None:
        self.address = pool.take(n_bytes, heap)
        self.host = _aligned(n_bytes)
        self.device = _aligned(n_bytes)
        self.views: weakref.WeakSet[Span] = weakref.WeakSet()
        poison(self.device)
        weakref.finalize(self, _release, pool, n_bytes, heap, self.host).atexit = False

    def move(self, start: int, stop: int, to_device: bool) -> int:
        """Copy the lines of a range from one side to the other and return how many bytes that were."""
        first = start // LINE_BYTES * LINE_BYTES
        last = min(-(-stop // LINE_BYTES) * LINE_BYTES, self.host.size)
        source, target = (self.host, self.device) if to_device else (self.device, self.host)
        target[first:last] = source[first:last]
        return last - first


def _release(pool: MemoryPool, n_bytes: int, heap: bool, host: NDArray[np.uint8]) -> None:
    pool.give_back(n_bytes, heap)
    poison(host)


@dataclass(eq=False)
class Span:
    """A buffer's part of a root: all of it, or a sub-buffer.

    Attributes:
        memory: of the root.
        offset: in bytes, for the host and for `sync`.
        device_offset: in bytes, for programs; another one only in a sub-buffer of a sub-buffer.
        size: in bytes.
        bank: of memory, from the group of the root.
        slot: of a hardware context, likewise.
        cacheable: in the device's heap, as instructions must be.
        is_sub: not the root itself.

    """

    memory: Memory
    offset: int
    device_offset: int
    size: int
    bank: int
    slot: int
    cacheable: bool
    is_sub: bool = False

    @property
    def host(self) -> NDArray[np.uint8]:
        """The host's bytes of it."""
        return self.memory.host[self.offset : self.offset + self.size]

    @property
    def device(self) -> NDArray[np.uint8]:
        """The device's bytes of it."""
        return self.memory.device[self.device_offset : self.device_offset + self.size]

    def overlaps(self, memory: Memory, start: int, stop: int) -> bool:
        """Say whether a range of a root has a cache line in common with what the device sees of this."""
        lines = range(start // LINE_BYTES, -(-stop // LINE_BYTES))
        own = range(self.device_offset // LINE_BYTES, -(-(self.device_offset + self.size) // LINE_BYTES))
        return memory is self.memory and lines.start < own.stop and own.start < lines.stop
