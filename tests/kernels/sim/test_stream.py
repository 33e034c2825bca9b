"""Sequences as words: what is read from them is what was recorded, and damaged words are refused."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.iron import NPU1, NPU2, Buffer, ObjectFifo, Program, Runtime, Worker, WorkerRuntimeBarrier
from amanuensis.kernels.sim.run import Simulation
from amanuensis.kernels.sim.runtime import Await, SetBarrier, Start, WriteBuffer
from amanuensis.kernels.sim.stream import HEADER_WORDS, START, WRITE, Graph, assembled, commands_of

SIZE = 64  # words of a tensor
OBJECT = np.ndarray[(16,), np.dtype[np.int32]]  # type: ignore[type-var]
TENSOR = np.ndarray[(SIZE,), np.dtype[np.int32]]  # type: ignore[type-var]


def scaling(offset: int = 16, factor: int = -3, device: type = NPU1) -> Program:
    """Return a program that multiplies 16 words from an offset on by a factor that the sequence writes."""
    given, taken = ObjectFifo(OBJECT, name="given"), ObjectFifo(OBJECT, name="taken")
    control = Buffer(OBJECT, name="control", use_write_rtp=True)
    ready = WorkerRuntimeBarrier()

    def core(source, target, control, ready):  # type: ignore[no-untyped-def]
        ready.wait_for_value(1)
        target.acquire(1)[:] = source.acquire(1)[:] * control[2]
        source.release(1)
        target.release(1)

    def sequence(a, b, source, target):  # type: ignore[no-untyped-def]
        control[2] = factor
        ready.set(1)
        out = target.drain(b, sizes=[16], offset=0, wait=True, managed=False)
        into = source.fill(a, sizes=[16], offset=offset, wait=True, managed=False)
        into.await_()
        out.await_()

    worker = Worker(core, [given.cons(), taken.prod(), control, ready])
    return Program(device(), Runtime(sequence, [TENSOR, TENSOR, given.prod(), taken.cons()]), [worker])


def run(words: NDArray[np.uint32]) -> list[int]:
    """Run words on the array of the program and return the first 16 words of the result."""
    program = scaling()
    graph, tensors = Graph.of(program), program._rt._rt_data
    a, b = np.arange(SIZE, dtype=np.int32), np.zeros(SIZE, np.int32)
    with Simulation(program) as simulation:
        simulation.load(commands_of(words, graph, tensors), tensors)
        simulation.run(a, b)
    return b[:16].tolist()


def test_what_is_read_is_what_was_recorded() -> None:
    """Every command with its numbers, in order."""
    program = scaling()
    graph, tensors = Graph.of(program), program._rt._rt_data
    found, wanted = commands_of(assembled(program), graph, tensors), program._rt._record()
    assert [type(command) for command in found] == [type(command) for command in wanted]
    for one, other in zip(found, wanted, strict=True):
        if isinstance(one, Start | Await) and isinstance(other, Start | Await):
            assert (one.transfer.handle, one.transfer.offset) == (other.transfer.handle, other.transfer.offset)
            assert (one.transfer.sizes, one.transfer.wait) == (other.transfer.sizes, other.transfer.wait)
        elif isinstance(one, WriteBuffer) and isinstance(other, WriteBuffer):
            assert (one.buffer, one.index, one.value) == (other.buffer, 2, -3)
        elif isinstance(one, SetBarrier) and isinstance(other, SetBarrier):
            assert one == other


def test_the_words_alone_say_what_is_done() -> None:
    """A launch that was recorded with other numbers, patched to these, does the same as one recorded with these."""
    words = assembled(scaling(offset=16, factor=-3))
    assert run(words) == [-3 * n for n in range(16, 32)]
    writes, starts = (np.flatnonzero(words == code) for code in (WRITE, START))
    words[writes[0] + 3] = 5
    moved = next(place for place in starts if place >= HEADER_WORDS and words[place + 2] == 64)
    words[moved + 2] = 4 * 40
    assert run(words) == [5 * n for n in range(40, 56)]
    assert np.array_equal(words, assembled(scaling(offset=40, factor=5)))


def test_the_array_keeps_to_the_device_s_limits() -> None:
    """Words that send a transfer beyond its tensor are refused, not executed."""
    words = assembled(scaling())
    words[next(p for p in np.flatnonzero(words == START) if words[p + 2] == 64) + 2] = 4 * 60
    with pytest.raises(DesignError, match="reaches element 75 of a tensor of 64"):
        run(words)


def test_launches_can_follow_one_another() -> None:
    """What is awaited is told from the transfers of a channel, not by a number in the stream."""
    one, two = assembled(scaling(16, 2)), assembled(scaling(32, 3))
    joined = np.concatenate([one, two[HEADER_WORDS:]])
    joined[2:4] = 2 * one[2], joined.nbytes
    assert run(joined) == [3 * n for n in range(32, 48)]


def damaged(place: int, word: int) -> NDArray[np.uint32]:
    """Return the words of a launch with one changed."""
    words = assembled(scaling())
    words[place] = word
    return words


FIRST_WRITE, BEHIND = HEADER_WORDS, HEADER_WORDS + 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (damaged(0, 7), "no simulated launch: the first one is not 0x534d4153"),
        (assembled(scaling())[:3], "these 3 words are no simulated launch"),
        (assembled(scaling(device=NPU2)), "is for 8 columns; this array has 4"),
        (assembled(scaling())[:-1], "the launch says it has"),
        (damaged(2, 99), "says it has 99 operations; its words hold"),
        (damaged(FIRST_WRITE, 99), "word 4 of the launch is 99, no operation"),
        (damaged(FIRST_WRITE + 1, 9), "word 4: buffer 9 of a launch; there are 0 to 0"),
        (damaged(FIRST_WRITE + 2, 16), "word 4: index 16 of buffer control"),
        (damaged(BEHIND + 1, 1), "word 8: barrier 1 of a launch; there are 0 to 0"),
        (damaged(BEHIND + 3 + 1, 5), "word 11: channel 5 of a launch; there are 0 to 1"),
        (damaged(BEHIND + 3 + 2, 3), "word 11: a transfer from byte 3"),
        (damaged(-1, 1 | 3 << 16), "channel 1 has queued 1 transfers, not 4"),
    ],
)
def test_damaged_words_are_refused(words: NDArray[np.uint32], message: str) -> None:
    """Each error says which word and what is allowed."""
    with pytest.raises(DesignError, match=message):
        run(words)


def test_words_that_end_within_an_operation() -> None:
    """Truncation that the header does not tell is told too."""
    words = assembled(scaling())[: HEADER_WORDS + 2]
    words[2:4] = 1, words.nbytes
    with pytest.raises(DesignError, match="the launch ends within the operation at word 4"):
        run(words)
