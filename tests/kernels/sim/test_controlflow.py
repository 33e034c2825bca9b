"""Loops and branches of the core: what Python would decide wrongly it may not decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.iron import Kernel, ObjectFifo, ObjectFifoHandle, Worker, else_, if_, range_
from amanuensis.kernels.sim.run import simulate
from tests.kernels.sim.small import Ints, kind, program


def run(body: Callable[[Any], None], objects: int) -> Ints:
    """Return what a core function makes of its output objects of one number; it acquires and releases none."""
    last = ObjectFifo(kind(1), name="out")
    result = np.zeros(objects, np.int32)
    simulate(program([Worker(body, [last.prod()])], [], [(last.cons(), objects)]), result)
    return result


def put(out: ObjectFifoHandle, value: Any) -> None:
    """Send a number."""
    out.acquire(1)[0] = value
    out.release(1)


def test_range_runs_its_body() -> None:
    """A loop takes the arguments of `range`, and its index is a number to compute with."""

    def core(out: ObjectFifoHandle) -> None:
        for i in range_(1, 6, 2):
            put(out, 10 * i + 3 - i)

    assert run(core, 3).tolist() == [12, 30, 48]


def test_the_compiler_passes_over_a_loop_once() -> None:
    """A range_ loop is one place in the program, a range as many as it has rounds; calls are multiplied."""
    last = ObjectFifo(kind(1), name="out")
    function = Kernel("f", "f.o", [kind(1)])

    def core(out: ObjectFifoHandle, f: Kernel) -> None:
        for _ in range_(5):
            for _ in range(2):
                f(out.acquire(1))
                out.release(1)

    worker = Worker(core, [last.prod(), function])
    found = program([worker], [], [(last.cons(), 10)]).resolve_program().passes[worker]
    assert (found.sites, found.call_sites[function], found.calls[function]) == (4, 2, 10)
    assert list(found.released.values()) == [10]


def test_branches_run_the_side_that_holds() -> None:
    """if_ runs its body when the condition holds and else_ its own otherwise, whatever the body does."""

    def core(out: ObjectFifoHandle) -> None:
        for i in range_(6):
            with if_(i % 2 == 0) as branch:
                put(out, i)
            with else_(branch):
                value = -i
                put(out, value)

    assert run(core, 6).tolist() == [0, -1, 2, -3, 4, -5]


def test_branches_may_stand_in_each_other() -> None:
    """A branch that is not taken leaves out all that stands in it."""

    def core(out: ObjectFifoHandle) -> None:
        for i in range_(6):
            with if_(i > 1, hasElse=False):
                with if_(i < 4, hasElse=False):
                    put(out, i)
                put(out, 10 * i)

    assert run(core, 6).tolist() == [2, 20, 3, 30, 40, 50]


def test_branches_decide_by_memory() -> None:
    """A value that the core has read decides as well; both sides were passed over by the compiler."""
    first, last = ObjectFifo(kind(1), name="in"), ObjectFifo(kind(1), name="out")

    def core(source: ObjectFifoHandle, out: ObjectFifoHandle) -> None:
        value = source.acquire(1)
        target = out.acquire(1)
        target[0] = 0
        with if_(value[0] > 2, hasElse=False):
            target[0] = value[0]
        source.release(1)
        out.release(1)

    design = program([Worker(core, [first.cons(), last.prod()])], [(first.prod(), 4)], [(last.cons(), 4)])
    result = np.zeros(4, np.int32)
    simulate(design, np.array([1, 5, 2, 3], np.int32), result)
    assert result.tolist() == [0, 5, 0, 3]


def test_errors_in_a_branch_come_out() -> None:
    """An error in a body that is taken is raised."""

    def core(out: ObjectFifoHandle) -> None:
        out.acquire(1)
        for i in range_(1):
            with if_(i == 0):
                raise ZeroDivisionError
        out.release(1)

    with pytest.raises(ZeroDivisionError):
        run(core, 1)


@pytest.mark.parametrize(
    "decide",
    [
        lambda i: 1 if i == 0 else 2,
        lambda i: 1 if i else 2,
        lambda i: 1 if i + 1 > 3 else 2,
        lambda i: 1 if 2 * i != 4 else 2,
        lambda i: i <= 2 and i >= 1,
    ],
)
def test_python_does_not_decide_by_a_loop_index(decide: Callable[[int], Any]) -> None:
    """The compiler knows no index, so that an `if` in Python would be decided once for all rounds."""

    def core(out: ObjectFifoHandle) -> None:
        for i in range_(4):
            put(out, decide(i))

    with pytest.raises(DesignError, match="Python cannot decide by the index of a range_ loop"):
        run(core, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: next(iter(range_(3, iter_args=[1]))), "iter_args"),
        (lambda: next(iter(range_(1.5))), "one to three integers"),
        (lambda: if_(True), "if_ belongs in the core function"),
        (lambda: if_(True, insert_yield=False), "is not simulated"),
    ],
)
def test_what_is_not_simulated_is_refused(call: Callable[[], Any], message: str) -> None:
    """Loops that carry values, other numbers, and branches elsewhere are refused."""
    with pytest.raises(DesignError, match=message):
        call()
