"""The memory under the buffers: poison, lines and addresses."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.npu.pyxrt_emulator.memory import LINE_BYTES, PAGE_BYTES, Memory, MemoryPool, Span, poison


def test_poison_fills_any_length() -> None:
    """Poison covers every byte, also the last odd one."""
    memory = np.zeros(7, np.uint8)
    poison(memory)
    assert memory.tolist() == [0xE5, 0x7F] * 3 + [0xE5]


def test_memories_begin_at_lines_and_pages() -> None:
    """Both sides begin at a line of the host, and addresses are those of pages of their own."""
    pool = MemoryPool(1 << 20)
    memories = [Memory(pool, n_bytes, heap=False) for n_bytes in (1, 5000, 64)]
    for memory in memories:
        assert memory.host.ctypes.data % LINE_BYTES == memory.device.ctypes.data % LINE_BYTES == 0
        assert memory.address % PAGE_BYTES == 0
    gaps = np.diff([memory.address for memory in memories])
    assert gaps.tolist() == [PAGE_BYTES, 2 * PAGE_BYTES]


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [(0, 64, False), (0, 65, True), (100, 101, True), (191, 192, True), (192, 256, False), (0, 256, True)],
)
def test_ranges_overlap_by_lines(start: int, stop: int, expected: bool) -> None:
    """A range has to do with a span when they have a line in common."""
    memory = Memory(MemoryPool(1 << 20), 256, heap=False)
    span = Span(memory, 64, 64, 65, bank=0, slot=1, cacheable=False, is_sub=True)
    assert span.overlaps(memory, start, stop) == expected
    assert not span.overlaps(Memory(MemoryPool(1 << 20), 256, heap=False), start, stop)
