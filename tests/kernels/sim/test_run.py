"""Designs do in the simulator what their fifos, links and buffers say, at both speeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanuensis.kernels.sim.errors import DesignError, UnbalancedError
from amanuensis.kernels.sim.iron import (
    NPU1,
    Buffer,
    Kernel,
    ObjectFifo,
    ObjectFifoHandle,
    Program,
    Runtime,
    TaskGroup,
    Tile,
    Worker,
    WorkerRuntimeBarrier,
    range_,
)
from amanuensis.kernels.sim.run import Simulation, simulate
from tests.kernels.sim.small import COPY, Ints, copies, kind, program, ramp, through_memory_tile

SPEEDS = pytest.mark.parametrize("speed", ["exact", "object"])
FEW = settings(max_examples=25, deadline=None)


def both(design: Program, inputs: list[Ints], sizes: list[int], **options: Any) -> list[Ints]:
    """Return the outputs, after seeing that both speeds agree on them and on what was moved."""
    plan, results, traces = design.resolve_program(), [], []
    for speed in ("exact", "object"):
        outputs = [np.zeros(size, np.int32) for size in sizes]
        traces.append(simulate(plan, *inputs, *outputs, speed=speed, **{"functions": COPY, **options}))
        results.append(outputs)
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))
    assert traces[0] == traces[1]
    return results[0]


@FEW
@given(data=st.data())
def test_links_split_and_join_at_offsets(data: st.DataObject) -> None:
    """Parts of any whole sizes go to a core each and come back in their places."""
    parts = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=3))
    objects, depth = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 3))
    offsets = [sum(parts[:i]) for i in range(len(parts))]
    whole, kinds = kind(sum(parts)), [kind(part) for part in parts]
    first, last = ObjectFifo(whole, name="in", depth=depth), ObjectFifo(whole, name="out")
    down = first.cons().split(offsets, obj_types=kinds)
    up = last.prod().join(offsets, obj_types=kinds)
    workers = [copies(a.cons(), b.prod()) for a, b in zip(down, up, strict=True)]
    size = sum(parts) * objects
    design = program(workers, [(first.prod(), size)], [(last.cons(), size)])
    assert np.array_equal(both(design, [ramp(size)], [size])[0], ramp(size))


@FEW
@given(a=st.integers(1, 4), b=st.integers(1, 4), c=st.integers(1, 4), objects=st.integers(1, 4))
def test_dims_to_stream_reorder_each_object(a: int, b: int, c: int, objects: int) -> None:
    """A memory tile sends an object in the order of its sizes and strides."""
    elements = a * b * c
    design, _ = through_memory_tile(elements * objects, elements, dims_to_stream=[(b, c), (a, b * c), (c, 1)])
    source = ramp(elements * objects)
    expected = source.reshape(objects, a, b, c).transpose(0, 2, 1, 3).reshape(-1)
    assert np.array_equal(both(design, [source], [source.size])[0], expected)


@FEW
@given(rows=st.integers(1, 6), columns=st.integers(1, 6), objects=st.integers(1, 3))
def test_dims_from_stream_place_what_arrives(rows: int, columns: int, objects: int) -> None:
    """A consumer writes what arrives in the order of its sizes and strides: here a transpose."""
    elements = rows * columns
    first, last = ObjectFifo(kind(elements), name="in"), ObjectFifo(kind(elements), name="out")
    source = first.cons(dims_from_stream=[(columns, 1), (rows, columns)])
    design = program(
        [copies(source, last.prod())], [(first.prod(), elements * objects)], [(last.cons(), elements * objects)]
    )
    values = ramp(elements * objects)
    expected = values.reshape(objects, columns, rows).transpose(0, 2, 1).reshape(-1)
    assert np.array_equal(both(design, [values], [values.size])[0], expected)


@FEW
@given(repeat=st.integers(1, 4), depth=st.integers(1, 3), objects=st.integers(1, 4))
def test_repeat_count_sends_each_object_again(repeat: int, depth: int, objects: int) -> None:
    """A memory tile sends each object so often before the next one."""
    design, _ = through_memory_tile(8 * objects, 8, repeat_count=repeat, depth=depth)
    expected = np.repeat(ramp(8 * objects).reshape(objects, 8), repeat, axis=0).reshape(-1)
    assert np.array_equal(both(design, [ramp(8 * objects)], [expected.size])[0], expected)


@FEW
@given(depths=st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)), objects=st.integers(1, 7))
def test_depth_changes_nothing_but_time(depths: tuple[int, int, int], objects: int) -> None:
    """A chain of two cores, the second far from the first, gives the same at every depth."""
    fifos = [ObjectFifo(kind(5), name=f"f{i}", depth=depth) for i, depth in enumerate(depths)]
    workers = [
        copies(fifos[0].cons(), fifos[1].prod(), tile=Tile(0, 2)),
        copies(fifos[1].cons(), fifos[2].prod(), tile=Tile(3, 5)),
    ]
    design = program(workers, [(fifos[0].prod(), 5 * objects)], [(fifos[2].cons(), 5 * objects)])
    assert np.array_equal(both(design, [ramp(5 * objects)], [5 * objects])[0], ramp(5 * objects))


def test_several_consumers_get_every_object() -> None:
    """A fifo with two consumers broadcasts, whatever their pace."""
    first, outs = ObjectFifo(kind(4), name="in"), [ObjectFifo(kind(4), name=f"out{i}") for i in range(2)]
    workers = [copies(first.cons(), out.prod()) for out in outs]
    design = program(workers, [(first.prod(), 24)], [(out.cons(), 24) for out in outs])
    assert all(np.array_equal(out, ramp(24)) for out in both(design, [ramp(24)], [24, 24]))


def test_acquiring_counts_what_is_held() -> None:
    """acquire(2) while one is held takes one more, and index 0 is the oldest: a sliding window."""
    first, last = ObjectFifo(kind(1), name="in", depth=3), ObjectFifo(kind(1), name="out")
    add = Kernel("add", "add.o", [kind(1)] * 3)

    def core(a: ObjectFifoHandle, b: ObjectFifoHandle, function: Kernel) -> None:
        for _ in range_(4):
            pair = a.acquire(2)
            function(pair[0], pair[1], b.acquire(1))
            a.release(1)
            b.release(1)
        a.release(1)

    def add_them(x: Ints, y: Ints, z: Ints) -> None:
        z[:] = 10 * x + y

    design = program([Worker(core, [first.cons(), last.prod(), add])], [(first.prod(), 5)], [(last.cons(), 4)])
    assert both(design, [ramp(5)], [4], functions={"add": add_them})[0].tolist() == [12, 23, 34, 45]


def test_consumers_may_take_smaller_objects() -> None:
    """With consumer_obj_type one object that is sent arrives as several."""
    first, last = ObjectFifo(kind(8), name="in", consumer_obj_type=kind(2)), ObjectFifo(kind(2), name="out")
    design = program([copies(first.cons(), last.prod())], [(first.prod(), 16)], [(last.cons(), 16)])
    assert np.array_equal(both(design, [ramp(16)], [16])[0], ramp(16))


def test_init_values_are_there_at_first() -> None:
    """Objects that a fifo begins with are consumed before those that are produced."""
    first, last = ObjectFifo(kind(2), name="in"), ObjectFifo(kind(2), name="out")
    there = [np.full(2, -1, np.int32), np.full(2, -2, np.int32)]
    middle = ObjectFifo(kind(2), name="middle", init_values=there)
    workers = [
        copies(first.cons(), middle.prod(), tile=Tile(0, 2)),
        copies(middle.cons(), last.prod(), tile=Tile(2, 2)),
    ]
    design = program(workers, [(first.prod(), 4)], [(last.cons(), 8)])
    assert both(design, [ramp(4)], [8], balanced=False)[0].tolist() == [-1, -1, -2, -2, 1, 2, 3, 4]


@SPEEDS
def test_buffers_keep_their_values(speed: Any) -> None:
    """A buffer has its initial value at first and what was written afterwards, from one dispatch to the next."""
    first, last = ObjectFifo(kind(1), name="in"), ObjectFifo(kind(1), name="out")
    total = Buffer(initial_value=np.array([100], np.int32), name="total")

    def core(a: ObjectFifoHandle, b: ObjectFifoHandle, kept: Buffer) -> None:
        source, target = a.acquire(1), b.acquire(1)
        kept[0] = kept[0] + source[0]
        target[0] = kept[0]
        a.release(1)
        b.release(1)

    design = program([Worker(core, [first.cons(), last.prod(), total])], [(first.prod(), 3)], [(last.cons(), 3)])
    result = np.zeros(3, np.int32)
    with Simulation(design, speed=speed) as array:
        array.run(ramp(3), result)
        assert result.tolist() == [101, 103, 106]
        array.run(ramp(3), result)
    assert result.tolist() == [107, 109, 112]


def test_fresh_and_freed_memory_is_poisoned() -> None:
    """A core that reads an object before writing it, first or later, reads what is not a number."""
    first, last = ObjectFifo(kind(2, dtype=np.float32), name="in"), ObjectFifo(kind(2, dtype=np.float32), name="out")
    seen: list[bool] = []
    look = Kernel("look", "look.o", [kind(2, dtype=np.float32)] * 2)

    def core(a: ObjectFifoHandle, b: ObjectFifoHandle, function: Kernel) -> None:
        function(a.acquire(1), b.acquire(1))
        a.release(1)
        b.release(1)

    def look_at(x: Any, y: Any) -> None:
        seen.append(bool(np.isnan(y).all()))
        y[:] = x

    worker = Worker(core, [first.cons(), last.prod(), look])
    design = program([worker], [(first.prod(), 10)], [(last.cons(), 10)], dtype=np.float32)
    simulate(design, np.ones(10, np.float32), np.zeros(10, np.float32), functions={"look": look_at})
    assert seen == [True] * 5


def test_a_worker_may_run_once() -> None:
    """Without while_true the function runs once, which leaves the array unfit for a second dispatch."""
    first, last = ObjectFifo(kind(2), name="in"), ObjectFifo(kind(2), name="out")
    worker = copies(first.cons(), last.prod(), while_true=False)
    design = program([worker], [(first.prod(), 2)], [(last.cons(), 2)])
    trace = simulate(design, ramp(2), ramp(2), functions=COPY, balanced=False)
    assert list(trace.iterations.values()) == [1]
    with pytest.raises(UnbalancedError, match=r"worker 0 .*: ended"):
        simulate(design, ramp(2), ramp(2), functions=COPY)


def test_neighbours_share_memory_unless_told_otherwise() -> None:
    """Two neighbouring cores use one memory without a channel; via_DMA gives each its own."""
    for forced in (False, True):
        fifos = [
            ObjectFifo(kind(4), name=name, via_DMA=forced and name == "middle") for name in ("in", "middle", "out")
        ]
        workers = [
            copies(fifos[0].cons(), fifos[1].prod(), tile=Tile(1, 2)),
            copies(fifos[1].cons(), fifos[2].prod(), tile=Tile(1, 3)),
        ]
        design = program(workers, [(fifos[0].prod(), 12)], [(fifos[2].cons(), 12)])
        plan = design.resolve_program()
        assert [fifo.shared for fifo in plan.fifos if fifo.name == "middle"] == [not forced]
        assert np.array_equal(both(design, [ramp(12)], [12])[0], ramp(12))


def test_the_sequence_writes_buffers_and_sets_barriers() -> None:
    """A worker that waits for a barrier sees what the sequence wrote before it set it."""
    last = ObjectFifo(kind(1), name="out")
    factor = Buffer(kind(1), name="factor", use_write_rtp=True)
    barrier = WorkerRuntimeBarrier()

    def core(b: ObjectFifoHandle, written: Buffer, gate: WorkerRuntimeBarrier) -> None:
        gate.wait_for_value(1)
        target = b.acquire(1)
        target[0] = written[0] * 3
        b.release(1)

    def sequence(c: Any, end: ObjectFifoHandle) -> None:
        for value in (5, 7):
            factor[0] = value
            barrier.set(1)
            end.drain(c, sizes=[1], strides=[1], offset=value // 7, wait=True, managed=False).await_()

    worker = Worker(core, [last.prod(), factor, barrier])
    design = Program(NPU1(), Runtime(sequence, [kind(2), last.cons()]), workers=[worker])
    assert both(design, [], [2])[0].tolist() == [15, 21]


def test_transfers_follow_their_patterns_and_groups() -> None:
    """Transfers of one channel run in order; a pattern that repeats reads again."""
    first, last = ObjectFifo(kind(2), name="in"), ObjectFifo(kind(2), name="out")

    def sequence(a: Any, c: Any, fill: ObjectFifoHandle, drain: ObjectFifoHandle) -> None:
        group = TaskGroup()
        drain.drain(c, wait=True, group=group)
        fill.fill(a, sizes=[2, 1, 1, 2], strides=[0, 0, 0, 1], offset=2, group=group)
        fill.fill(a, sizes=[2, 2], strides=[1, 2], group=group)
        group.finish()

    worker = copies(first.cons(), last.prod())
    design = Program(NPU1(), Runtime(sequence, [kind(4), kind(8), first.prod(), last.cons()]), workers=[worker])
    assert both(design, [ramp(4)], [8])[0].tolist() == [3, 4, 3, 4, 1, 3, 2, 4]


def test_counts_are_those_of_the_dispatch() -> None:
    """A trace counts objects, bytes, calls and transfers of its own dispatch only."""
    design, _ = through_memory_tile(24, 8)
    with Simulation(design, functions=COPY) as array:
        traces = [array.run(ramp(24), np.zeros(24, np.int32)) for _ in range(2)]
    assert traces[0] == traces[1]
    trace = traces[0]
    assert trace.objects == {"in at mem(0, 1)": 3, "middle at core(0, 2)": 3, "out": 3}
    assert set(trace.channel_bytes.values()) == {96}
    assert len(trace.channel_bytes) == 6
    assert list(trace.calls.values()) == [{"copy": 3}]
    assert (trace.bytes_read, trace.bytes_written, trace.awaits) == (96, 96, 1)
    assert [(task.fifo, task.to_device, task.burst_bytes) for task in trace.tasks] == [
        ("in", True, 96),
        ("out", False, 96),
    ]


def test_runs_are_repeatable() -> None:
    """Two runs of a design do the same in the same order."""
    orders: list[list[int]] = []
    for _ in range(2):
        order: list[int] = []
        first, outs = ObjectFifo(kind(2), name="in"), [ObjectFifo(kind(2), name=f"out{i}") for i in range(3)]

        def note(a: Ints, b: Ints, order: list[int] = order) -> None:
            order.append(int(a[0]))
            b[:] = a

        design = program(
            [copies(first.cons(), o.prod()) for o in outs], [(first.prod(), 12)], [(o.cons(), 12) for o in outs]
        )
        simulate(design, ramp(12), *[ramp(12) for _ in outs], functions={"copy": note})
        orders.append(order)
    assert orders[0] == orders[1]
    assert sorted(set(orders[0])) == [1, 3, 5, 7, 9, 11]


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ([ramp(24)], "has 2 tensors, 1 were given"),
        ([ramp(24), ramp(23)], "tensor 1 is \\(23,\\) int32, the sequence's is 24 int32"),
        ([ramp(24), np.zeros(24, np.float32)], "tensor 1 is \\(24,\\) float32"),
        ([ramp(48)[::2], ramp(24)], "tensor 0 is \\(24,\\) int32 with gaps"),
    ],
)
def test_other_tensors_are_refused(tensors: list[Any], message: str) -> None:
    """Number, size, type and order of the tensors are those of the sequence."""
    design, _ = through_memory_tile(24, 8)
    with pytest.raises(DesignError, match=message):
        simulate(design, *tensors, functions=COPY)


def test_an_unknown_speed_is_refused() -> None:
    """There are two speeds."""
    design, _ = through_memory_tile(8, 8)
    with pytest.raises(DesignError, match="a speed is one of exact, object, not 'fast'"):
        simulate(design, ramp(8), ramp(8), speed="fast")  # type: ignore[arg-type]
