"""Device memory: bounds, alignment, parameters, what is counted."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.kernels.memory import Memory, OperandError, Span
from amanuensis.kernels.operands import Parameter, Region


def make_memory(parameters: tuple[int, ...] = ()) -> Memory:
    """Return five buffers of 4 KiB, the parameters in the fourth."""
    buffers = [np.zeros(4096, np.uint8) for _ in range(5)]
    buffers[3][:1024].view(np.int32)[: len(parameters)] = parameters
    return Memory(buffers)


def test_tensors_are_views() -> None:
    """What is written to a tensor is read from the same place, also by rows with gaps, and counted once."""
    memory = make_memory()
    memory.write(Region(1, 64), np.float32, (3, 2), "x", pitch=64)[:] = [[1, 2], [3, 4], [5, 6]]
    assert memory.written == [Span(1, 64, 72), Span(1, 128, 136), Span(1, 192, 200)]
    assert memory.read(Region(1, 128), np.float32, (2,), "x").tolist() == [3, 4]
    assert memory.bytes_read == 8
    assert memory.read(Region(1, 64), np.float32, (2, 2), "x", pitch=64).tolist() == [[1, 2], [3, 4]]
    assert memory.bytes_read == 24
    memory.start_operator()
    assert (memory.bytes_read, memory.written) == (0, [])


def test_regions_move_with_parameters() -> None:
    """A region lies where its parameter says at run time."""
    memory = make_memory((0, 3))
    memory.write(Region(2, 128, Parameter(1), 256), np.uint8, (4,), "rows")[:] = 7
    assert memory.read(Region(2, 128 + 3 * 256), np.uint8, (4,), "rows").tolist() == [7] * 4
    assert memory.count(Parameter(1, limit=3), "rows") == 3
    assert memory.count(9, "rows") == 9


def test_only_gathered_rows_count() -> None:
    """A table is read where it is looked up."""
    memory = make_memory()
    memory.write(Region(0, 0), np.float32, (8, 4), "table")[:] = np.arange(32).reshape(8, 4)
    rows = memory.gather(Region(0, 0), np.float32, (8, 4), np.array([7, 0]), "table")
    assert rows[:, 0].tolist() == [28, 0]
    assert memory.bytes_read == 32
    with pytest.raises(OperandError, match="row 8 or 0 of table, which has 8"):
        memory.gather(Region(0, 0), np.float32, (8, 4), np.array([8, 0]), "table")


@pytest.mark.parametrize(
    ("region", "shape", "pitch", "message"),
    [
        (Region(1, 4), (1, 1), 0, "x starts at byte 4; tensors start at multiples of 64"),
        (Region(1, 4032), (17, 1), 0, "x takes bytes 4032 to 4100 of SCRATCH, which has 4096"),
        (Region(1, 4096), (1, 1), 0, "x takes bytes 4096 to 4100 of SCRATCH, which has 4096"),
        (Region(4, 0), (5, 1), 1024, "x takes bytes 0 to 4100 of OUTPUT, which has 4096"),
        (Region(1, 0), (2, 4), 8, "x has rows of 16 bytes at a pitch of 8"),
        (Region(1, 0, Parameter(0), 64), (1, 1), 0, "the index of x is parameter 0 = -1; allowed are 0 to 1048576"),
        (Region(1, 0, Parameter(1, limit=4), 64), (1, 1), 0, "the index of x is parameter 1 = 5; allowed are 0 to 4"),
        (Region(1, 0, Parameter(2), 4), (1, 1), 0, "x starts at byte 4"),
    ],
)
def test_bad_operands_are_refused(region: Region, shape: tuple[int, int], pitch: int, message: str) -> None:
    """Out of bounds, unaligned, impossible: reading and writing say the same."""
    memory = make_memory((-1, 5, 1))
    for access in (memory.read, memory.write):
        with pytest.raises(OperandError, match=message):
            access(region, np.float32, shape, "x", pitch=pitch)


@pytest.mark.parametrize(
    ("buffers", "message"),
    [
        ([np.zeros(2048, np.uint8)] * 4, "takes 5 buffers, and 4 were given"),
        ([np.zeros(512, np.uint8)] * 5, "INPUT has 512 bytes; the parameters alone take 1024"),
        ([np.zeros(512, np.float32)] * 5, "WEIGHTS is no contiguous run of bytes"),
        ([np.zeros(4096, np.uint8)[::2]] * 5, "WEIGHTS is no contiguous run of bytes"),
    ],
)
def test_bad_buffers_are_refused(buffers: list[np.ndarray], message: str) -> None:
    """Too few, too small, not bytes."""
    with pytest.raises(OperandError, match=message):
        Memory(buffers)


def test_memoryviews_are_buffers() -> None:
    """Writable memory of any owner will do."""
    owners = [bytearray(2048) for _ in range(5)]
    Memory([memoryview(owner) for owner in owners]).write(Region(4, 64), np.uint8, (2,), "x")[:] = 5
    assert owners[4][64:66] == b"\5\5"


def test_a_region_begins_where_its_parameter_says() -> None:
    """The start of a region follows its parameter, and is aligned or refused; sizes are those of the buffers."""
    memory = make_memory((0, 0, 0, 2))
    assert memory.sizes == (4096,) * 5
    assert memory.start(Region(2, 64, Parameter(3), 128), "k") == 320
    with pytest.raises(OperandError, match="k starts at byte 80; tensors start at multiples of 64"):
        memory.start(Region(2, 80), "k")
