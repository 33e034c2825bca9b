"""A configuration that executes launches from their words: what it computes, writes, takes and refuses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.kernels.compile.patches import chained
from amanuensis.kernels.compile.work import DESIGNS, covers_of, load_designs
from amanuensis.kernels.designs.decoder import launch
from amanuensis.kernels.designs.loaded import LoadedConfiguration
from amanuensis.kernels.memory import Memory, Span
from amanuensis.kernels.operands import Region
from amanuensis.kernels.operators import CopyRows
from amanuensis.kernels.program import KERNEL_NAME, Program
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.iron import NPU1, NPU2
from amanuensis.kernels.sim.stream import assembled
from tests.kernels.cores import needs_compiler

pytestmark = needs_compiler
SIZE = 1 << 14
PROGRAM = Program("npu1", KERNEL_NAME, "7b1f3c52-5a55-4b4e-9d0e-3f6f2f1b8f11", ("CopyRows",), configuration="decoder")


@pytest.fixture(scope="module")
def loaded() -> Iterator[LoadedConfiguration]:
    """The configuration of the decoder."""
    made = LoadedConfiguration("npu1", "decoder")
    yield made
    made.close()


@pytest.fixture
def buffers() -> list[NDArray[np.uint8]]:
    """Five buffers of which the second holds something."""
    made = [np.zeros(SIZE, np.uint8) for _ in range(5)]
    made[1][:] = np.arange(SIZE) % 251
    return made


def copy(source: int, target: int, buffers: list[NDArray[np.uint8]], device: type = NPU1) -> NDArray[np.uint32]:
    """Return the words of a copy of four rows of 512 bytes."""
    operator = CopyRows(Region(1, source), Region(4, target), 4, 512, 512, 512)
    return assembled(launch(operator, Memory(buffers), device()).program)


def test_launches_in_one_stream(loaded: LoadedConfiguration, buffers: list[NDArray[np.uint8]]) -> None:
    """One after another on the same array, with what they moved, wrote and took."""
    words = chained([copy(0, 4096, buffers), copy(2048, 8192, buffers)])
    told = []
    work = loaded.execute(PROGRAM, words, buffers, told.append)
    assert np.array_equal(buffers[4][4096:6144], buffers[1][:2048])
    assert np.array_equal(buffers[4][8192:10240], buffers[1][2048:4096])
    (done,) = work.operators
    assert told == [done]
    assert (done.name, done.bytes_read, done.bytes_written) == ("decoder", 4096, 4096)
    assert done.us > 0
    assert {(span.buffer, span.start) for span in done.written} >= {(4, 4096), (4, 8192)}
    assert all(isinstance(span, Span) and span.stop <= SIZE for span in done.written)


def test_words_of_another_kind_are_refused(loaded: LoadedConfiguration, buffers: list[NDArray[np.uint8]]) -> None:
    """Of another device, truncated, or operators; and buffers that are too small for what the words say."""
    with pytest.raises(DesignError, match="is for 8 columns; this array has 4"):
        loaded.execute(PROGRAM, copy(0, 0, buffers, NPU2), buffers)
    with pytest.raises(DesignError, match="the launch says it has"):
        loaded.execute(PROGRAM, copy(0, 0, buffers)[:-1], buffers)
    small = [*buffers[:4], np.zeros(1024, np.uint8)]
    with pytest.raises(DesignError, match="of a tensor of 256"):
        loaded.execute(PROGRAM, copy(0, 8192, buffers), small)
    words = copy(0, 0, buffers)
    loaded.execute(PROGRAM, words, buffers)
    assert np.array_equal(buffers[4][:2048], buffers[1][:2048])


def test_there_are_four_configurations() -> None:
    """Another name is refused."""
    with pytest.raises(DesignError, match="no configuration dreams; there are products, attention, decoder, choice"):
        LoadedConfiguration("npu1", "dreams")
    assert set(covers_of(load_designs())) == set(DESIGNS)
