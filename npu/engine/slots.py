"""Features in shared memory: the daemon writes them, the engine process reads them where they lie."""

from __future__ import annotations

import fcntl
import math
import mmap
import os

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.log_mel import MAX_WINDOW_FRAMES

MAX_MELS = 128  # large-v3
SLOT_BYTES = MAX_MELS * MAX_WINDOW_FRAMES * 4


class FeatureSlots:
    """A memfd of `n_slots` places for one window's features each; pages are taken when first written.

    Args:
        n_slots: how many windows can be at the engine at once.
        descriptor: of the memfd made on the other side; None makes a new one.

    """

    def __init__(self, n_slots: int, descriptor: int | None = None) -> None:
        self.n_slots = n_slots
        self.descriptor = _sealed_memory(n_slots * SLOT_BYTES) if descriptor is None else descriptor
        self._memory = mmap.mmap(self.descriptor, n_slots * SLOT_BYTES)

    def write(self, slot: int, features: NDArray[np.float32]) -> None:
        """Copy features, float32 [n_mels, n_frames], into a slot."""
        self.view(slot, features.shape)[:] = features

    def view(self, slot: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return a slot as float32 [n_mels, n_frames], without a copy; ValueError when that cannot fit."""
        count = math.prod(shape)
        if not 0 <= slot < self.n_slots or 4 * count > SLOT_BYTES:
            raise ValueError(f"slot {slot}, shape {shape}: {self.n_slots} slots of {SLOT_BYTES} bytes")
        return np.frombuffer(self._memory, np.float32, count, slot * SLOT_BYTES).reshape(shape)

    def close(self) -> None:
        """Give the descriptor back, once; the memory goes when its last view does."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _sealed_memory(size_bytes: int) -> int:
    """Return a memfd whose size nobody can change: one that shrank would kill whoever touches it."""
    descriptor = os.memfd_create("amanuensis-features", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size_bytes)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return descriptor
