"""A design that cannot go on, or leaves something behind, is told who waits for what and what is left where."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from amanuensis.kernels.sim.errors import DeadlockError, DesignError, UnbalancedError
from amanuensis.kernels.sim.iron import (
    NPU1,
    Kernel,
    ObjectFifo,
    ObjectFifoHandle,
    Program,
    Runtime,
    TaskGroup,
    Worker,
)
from amanuensis.kernels.sim.run import Simulation, simulate
from tests.kernels.sim.small import COPY, copies, kind, program, ramp, through_memory_tile

SPEEDS = pytest.mark.parametrize("speed", ["exact", "object"])


def copying(filled: int, drained: int) -> Program:
    """Return a program that copies objects of 4, more or fewer of them filled than drained."""
    first, last = ObjectFifo(kind(4), name="in"), ObjectFifo(kind(4), name="out")
    return program([copies(first.cons(), last.prod())], [(first.prod(), filled)], [(last.cons(), drained)])


def run(design: Program, *sizes: int, **options: Any) -> None:
    """Run a program over tensors of these sizes."""
    simulate(design, *[ramp(size) for size in sizes], **{"functions": COPY, **options})


@SPEEDS
def test_a_deadlock_says_who_waits_for_what(speed: Any) -> None:
    """Too little input: the sequence, the worker and the channels are named with fifo, tile and counts."""
    with pytest.raises(DeadlockError) as caught:
        run(copying(8, 12), 8, 12, speed=speed)
    lines = str(caught.value).splitlines()
    assert lines[0] == "nothing can go on:"
    assert "  the sequence awaits transfer 1 of fifo out (8 of 12 words)" in lines
    assert "  worker 0 (core) on core(0, 2) waits for acquire(1) of fifo in as consumer: holds 0, 0 full" in lines
    assert "  fifo in: MM2S 0 of shim(0, 0) waits for a transfer" in lines
    assert "  fifo in: S2MM 0 of core(0, 2) is in the middle of an object: 0 of 4 words" in lines


@SPEEDS
def test_a_part_of_an_object_is_told(speed: Any) -> None:
    """A fill that ends within an object leaves the channel in the middle of it."""
    with pytest.raises(DeadlockError, match="S2MM 0 of core\\(0, 2\\) is in the middle of an object: 2 of 4 words"):
        run(copying(6, 8), 6, 8, speed=speed)


@SPEEDS
def test_too_much_input_is_told(speed: Any) -> None:
    """Input that nobody drains stops the frees of its transfers."""
    with pytest.raises(DeadlockError, match="the sequence frees the descriptor of transfer 0 of fifo in"):
        run(copying(32, 4), 32, 4, speed=speed)


@SPEEDS
def test_what_is_left_is_told(speed: Any) -> None:
    """An object that was filled and not drained is named, and the next dispatch would begin with it."""
    with pytest.raises(UnbalancedError, match="would not find the array as this one did") as caught:
        run(copying(8, 4), 8, 4, speed=speed)
    assert "objects left in out: (1,), was (0,)" in str(caught.value)


@SPEEDS
def test_a_part_of_an_object_is_left(speed: Any) -> None:
    """Words that begin an object which never gets whole are left in its channel."""
    with pytest.raises(UnbalancedError, match=r"channels of fifo in: \(0, \(2, 0, 0\)\), was \(0, \(0, 0, 0\)\)"):
        run(copying(6, 4), 6, 4, speed=speed)


def test_a_producer_out_of_step_is_told() -> None:
    """A worker that makes two objects a pass is out of step when one is drained, though as many are left as before."""

    def core(b: ObjectFifoHandle) -> None:
        for _ in range(2):
            b.acquire(1)
            b.release(1)

    def design(size: int) -> Program:
        fifo = ObjectFifo(kind(4), name="out")
        return program([Worker(core, [fifo.prod()])], [], [(fifo.cons(), size)])

    with pytest.raises(UnbalancedError, match=r"worker 0 \(core\) on core\(0, 2\) \(steps of its pass"):
        run(design(4), 4)
    run(design(8), 8)


def test_what_is_left_may_be_allowed() -> None:
    """With balanced=False a dispatch may leave objects for the next one."""
    result = np.zeros(4, np.int32)
    with Simulation(copying(8, 4), functions=COPY, balanced=False) as array:
        array.run(ramp(8), result)
        assert result.tolist() == [1, 2, 3, 4]
        array.run(ramp(8) * 10, result)
    assert result.tolist() == [5, 6, 7, 8]


def test_a_pass_cut_short_is_told() -> None:
    """A worker that waits in the middle of its function would be out of step in the next dispatch."""
    first, last = ObjectFifo(kind(4), name="in"), ObjectFifo(kind(4), name="out")
    copy = Kernel("copy", "copy.o", [kind(4), kind(4)])

    def core(a: ObjectFifoHandle, b: ObjectFifoHandle, function: Kernel) -> None:
        for _ in range(2):
            function(a.acquire(1), b.acquire(1))
            a.release(1)
            b.release(1)

    design = program([Worker(core, [first.cons(), last.prod(), copy])], [(first.prod(), 4)], [(last.cons(), 4)])
    with pytest.raises(UnbalancedError, match=r"worker 0 \(core\) on core\(0, 2\) \(steps of its pass"):
        run(design, 4, 4)


def test_a_circle_of_waits_is_a_deadlock() -> None:
    """Two cores that each wait for the other's first object are both named."""
    one, two, last = (ObjectFifo(kind(4), name=name) for name in ("one", "two", "out"))
    copy = Kernel("copy", "copy.o", [kind(4), kind(4)])

    def both(a: ObjectFifoHandle, b: ObjectFifoHandle, c: ObjectFifoHandle, function: Kernel) -> None:
        source = a.acquire(1)
        function(source, b.acquire(1))
        function(source, c.acquire(1))
        for end in (a, b, c):
            end.release(1)

    workers = [Worker(both, [one.cons(), two.prod(), last.prod(), copy]), copies(two.cons(), one.prod())]
    with pytest.raises(DeadlockError) as caught:
        run(program(workers, [], [(last.cons(), 4)]), 4)
    assert "worker 0 (both) on core(0, 2) waits for acquire(1) of fifo one" in str(caught.value)
    assert "worker 1 (core) on core(1, 2) waits for acquire(1) of fifo two" in str(caught.value)


def test_a_chain_of_descriptors_that_ended_is_a_deadlock() -> None:
    """With iter_count the memory tile's chain runs so often and no more."""
    design, middle = through_memory_tile(32, 8)
    middle.set_iter_count(1)  # two objects, as deep as the fifo is
    with pytest.raises(DeadlockError, match="fifo middle: MM2S 0 of mem\\(0, 1\\) waits for a full object"):
        run(design, 32, 32)
    fits, middle = through_memory_tile(32, 8)
    middle.set_iter_count(2)
    run(fits, 32, 32)


def test_errors_of_a_kernel_come_out() -> None:
    """What a core function raises is raised by the run, and no thread is left."""

    def breaks(a: Any, b: Any) -> None:
        raise ZeroDivisionError("in the kernel")

    with pytest.raises(ZeroDivisionError, match="in the kernel"):
        run(copying(8, 8), 8, 8, functions={"copy": breaks})
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("worker")]


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        (
            "released twice",
            lambda a, b: (a.acquire(1), a.release(1), a.release(1)),
            "release\\(1\\) of fifo in, of which it holds 0",
        ),
        ("nothing acquired", lambda a, b: None, "runs for ever without acquiring anything"),
        ("too many", lambda a, b: a.acquire(3), "fifo in: acquire\\(3\\), but its depth allows 1 to 2"),
        ("none", lambda a, b: a.release(0), "fifo in: release\\(0\\), but its depth allows 1 to 2"),
    ],
)
def test_wrong_core_functions_are_named(name: str, body: Any, message: str) -> None:
    """What a core function does wrongly is named with fifo and counts."""
    first, last = ObjectFifo(kind(4), name="in"), ObjectFifo(kind(4), name="out")
    with pytest.raises(DesignError, match=message):
        run(program([Worker(body, [first.cons(), last.prod()])], [(first.prod(), 4)], [(last.cons(), 4)]), 4, 4)


def sequence_of(body: Any) -> Program:
    """Return a program that copies 8 elements by a sequence of its own."""
    first, last = ObjectFifo(kind(4), name="in"), ObjectFifo(kind(4), name="out")
    runtime = Runtime(body, [kind(8), kind(8), first.prod(), last.cons()])
    return Program(NPU1(), runtime, workers=[copies(first.cons(), last.prod())])


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("open group", lambda a, c, i, o: i.fill(a, group=TaskGroup()), "groups were not finished: TaskGroup\\(0\\)"),
        ("mixed", lambda a, c, i, o: (i.fill(a), (g := TaskGroup()), o.drain(c, group=g), g.finish()), "has no group"),
        ("no token", lambda a, c, i, o: i.fill(a, managed=False).await_(), "queued without wait=True"),
        ("foreign tensor", lambda a, c, i, o: i.fill(np.zeros(8)), "is no tensor of this sequence"),
        ("wrong end", lambda a, c, i, o: i.drain(c), "drain\\(\\) needs a consumer handle"),
        ("two patterns", lambda a, c, i, o: i.fill(a, tap=a.default_tap(), sizes=[8]), "not both"),
        ("five sizes", lambda a, c, i, o: i.fill(a, sizes=[1] * 5, strides=[1] * 5), "at most 4 dimensions, not 5"),
        ("finished group", lambda a, c, i, o: ((g := TaskGroup()), g.finish(), i.fill(a, group=g)), "finished already"),
        ("parameter", lambda a, c, i, o: i.fill(a, offset_parameter="x"), "offset parameters are not simulated"),
    ],
)
def test_wrong_sequences_are_named(name: str, body: Any, message: str) -> None:
    """What a sequence does wrongly is named with its fifo."""
    with pytest.raises(DesignError, match=message):
        sequence_of(body).resolve_program()


def test_verbs_belong_somewhere() -> None:
    """A verb of a core outside a core function, or of the sequence outside of it, says where it belongs."""
    fifo = ObjectFifo(kind(4), name="in")
    with pytest.raises(DesignError, match=r"in\.acquire belongs in the core function of a Worker"):
        fifo.cons().acquire(1)
    with pytest.raises(DesignError, match="TaskGroup\\(\\) belongs in the function given to Runtime"):
        TaskGroup()
