"""Parts of a design stand where it pins them, or where there is room; their memory is as the lowering makes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from amanuensis.kernels.sim.check import check
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.iron import (
    NPU1,
    AnyMemTile,
    Buffer,
    NPU1Col1,
    NPU1Col2,
    ObjectFifo,
    ObjectFifoHandle,
    Program,
    Runtime,
    Tile,
    Worker,
)
from amanuensis.kernels.sim.plan import Design, Place
from amanuensis.kernels.sim.pools import reaches
from tests.kernels.sim.small import copies, kind, program


def idle(*ends: ObjectFifoHandle, **options: Any) -> Worker:
    """Return a worker that acquires one object of each end."""

    def core(*handles: ObjectFifoHandle) -> None:
        for handle in handles:
            handle.acquire(1)
            handle.release(1)

    return Worker(core, list(ends), **options)


def chain(*tiles: Tile | None, depth: int = 2, acquired: int = 1) -> Design:
    """Return the plan of a chain of workers on tiles."""
    fifos = [ObjectFifo(kind(4), name=f"f{i}", depth=depth) for i in range(len(tiles) + 1)]

    def core(a: ObjectFifoHandle, b: ObjectFifoHandle) -> None:
        a.acquire(acquired)
        b.acquire(1)
        a.release(acquired)
        b.release(1)

    workers = [Worker(core, [fifos[i].cons(), fifos[i + 1].prod()], tile=tile) for i, tile in enumerate(tiles)]
    return program(workers, [(fifos[0].prod(), 4)], [(fifos[-1].cons(), 4)]).resolve_program()


def pools(design: Design) -> dict[str, tuple[str, int]]:
    """Return place and depth of each pool by name."""
    return {pool.name: (str(pool.place), pool.depth) for pool in design.pools}


def test_workers_fill_the_array_row_by_row() -> None:
    """Pinned workers keep their tiles; the others take what is free."""
    design = chain(None, Tile(1, 2), Tile(3, None), None)
    assert [str(place) for place in design.places.values()] == ["core(0, 2)", "core(1, 2)", "core(3, 2)", "core(2, 2)"]


@pytest.mark.parametrize(
    ("tiles", "message"),
    [
        ([Tile(1, 2), Tile(1, 2)], r"worker 1 asks for CoreTile\(1, 2\): taken"),
        ([Tile(4, 2)], r"tile \(4, 2\) lies outside NPU1, which has 4 columns and 6 rows"),
        ([Tile(0, 1)], r"tile \(0, 1\) of NPU1 is a MemTile, no CoreTile"),
        ([None] * 17, "worker 16 asks for .*: taken, or all 16 cores of NPU1 are"),
    ],
)
def test_impossible_tiles_are_named(tiles: list[Tile | None], message: str) -> None:
    """A tile that is taken, outside or of another kind, or a worker too many, is refused."""
    with pytest.raises(DesignError, match=message):
        chain(*tiles)


def test_a_worker_needs_a_compute_tile() -> None:
    """A memory tile is refused where the worker is stated."""
    with pytest.raises(DesignError, match="a worker needs a compute tile, not MemTile"):
        Worker(None, tile=AnyMemTile)


def test_links_stand_under_their_cores() -> None:
    """A link without a tile goes to the memory tile of the columns that it serves, and the shim end below it."""
    first, last = ObjectFifo(kind(4), name="in"), ObjectFifo(kind(4), name="out")
    middle = first.cons().forward(name="middle")
    design = program([copies(middle.cons(), last.prod(), tile=Tile(2, 5))], [(first.prod(), 4)], [(last.cons(), 4)])
    places = {(plan.name, str(end.place)) for plan in design.resolve_program().fifos for end in plan.ends}
    assert {("in", "shim(2, 0)"), ("in", "mem(2, 1)"), ("middle", "core(2, 5)"), ("out", "shim(2, 0)")} <= places


def test_pinned_links_and_shims_stay() -> None:
    """A link or shim end that the design pins stands there."""
    first, last = ObjectFifo(kind(4), name="in"), ObjectFifo(kind(4), name="out")
    middle = first.cons().forward(name="middle", tile=Tile(3, 1))
    fill = first.prod(tile=Tile(1, 0))
    design = program([copies(middle.cons(), last.prod(), tile=Tile(0, 2))], [(fill, 4)], [(last.cons(), 4)])
    plans = {plan.name: plan for plan in design.resolve_program().fifos}
    assert [str(end.place) for end in plans["in"].ends] == ["shim(1, 0)", "mem(3, 1)"]


def test_a_core_reaches_its_neighbours_memory() -> None:
    """Its own and those north, south and west; not east, and nothing of other rows."""
    core = Place(1, 3)
    assert [reaches(core, Place(1 + x, 3 + y)) for x, y in ((0, 0), (0, 1), (0, -1), (-1, 0))] == [True] * 4
    assert not any(reaches(core, Place(1 + x, 3 + y)) for x, y in ((1, 0), (1, 1), (-1, 1), (0, 2)))
    assert not reaches(Place(1, 2), Place(1, 1))


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ((1, 2), (1, 3), "core(1, 2)"),
        ((1, 2), (2, 2), "core(1, 2)"),
        ((2, 2), (1, 2), "core(1, 2)"),
        ((1, 2), (3, 2), None),
    ],
)
def test_neighbours_use_one_memory(one: tuple[int, int], other: tuple[int, int], shared: str | None) -> None:
    """The producer's memory if the consumer reaches it, else the consumer's; far cores have one each."""
    design = chain(Tile(*one), Tile(*other))
    assert design.fifos[1].shared == (shared is not None)
    if shared:
        assert pools(design)["f1"] == (shared, 2)
    else:
        assert {"f1", f"f1 at core({other[0]}, {other[1]})"} <= set(pools(design))


def test_a_core_has_one_object_more_than_it_acquires() -> None:
    """The lowering gives a core's end the most it acquires and one more, whatever the depth; one if all is one."""
    assert pools(chain(None, depth=4))["f0 at core(0, 2)"][1] == 2
    assert pools(chain(None, depth=4, acquired=3))["f0 at core(0, 2)"][1] == 4
    assert pools(chain(None, depth=1))["f0 at core(0, 2)"][1] == 1
    assert pools(chain(None, depth=2))["f1"][1] == 2


def test_depths_that_differ_are_taken_as_stated() -> None:
    """A depth of its own for one end makes every end of the fifo as deep as it says."""
    first, last = ObjectFifo(kind(4), name="in", depth=2), ObjectFifo(kind(4), name="out")
    design = program([copies(first.cons(depth=5), last.prod())], [(first.prod(), 4)], [(last.cons(), 4)])
    assert pools(design.resolve_program())["in at core(0, 2)"][1] == 5


def test_a_link_has_one_memory() -> None:
    """The objects of a link lie once, in the larger fifo's size, with a pair of locks and descriptors for each part."""
    first = ObjectFifo(kind(8), name="in", depth=3)
    downs = first.cons().split([0, 4], obj_types=[kind(4)] * 2, tile=Tile(0, 1))
    lasts = [ObjectFifo(kind(4), name=f"out{i}") for i in range(2)]
    workers = [copies(a.cons(), b.prod()) for a, b in zip(downs, lasts, strict=True)]
    design = program(workers, [(first.prod(), 8)], [(last.cons(), 4) for last in lasts]).resolve_program()
    use = check(design).tiles[Place(0, 1)]
    assert (use.memory_bytes, use.locks, use.descriptors) == (3 * 32, 4, 3 * 2 + 3 + 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: f.prod(), "fifo in: a consumer is held by nobody, or there is none"),
        (lambda f: (f.prod(), f.cons()), "fifo in: a consumer is held by nobody"),
    ],
)
def test_loose_ends_are_named(make: Any, message: str) -> None:
    """A fifo with an end that nobody holds is named."""
    fifo = ObjectFifo(kind(4), name="in")
    make(fifo)
    with pytest.raises(DesignError, match=message):
        program([], [(fifo.prod(), 4)], []).resolve_program()


def test_a_fifo_without_a_producer_is_named() -> None:
    """What is consumed is produced by somebody."""
    fifo, last = ObjectFifo(kind(4), name="in"), ObjectFifo(kind(4), name="out")
    with pytest.raises(DesignError, match="fifo in has no producer"):
        program([copies(fifo.cons(), last.prod())], [], [(last.cons(), 4)]).resolve_program()


def test_names_of_fifos_are_unique() -> None:
    """Two fifos of one name would be one symbol."""
    fifos = [ObjectFifo(kind(4), name="same") for _ in range(2)]
    with pytest.raises(DesignError, match="two fifos are called same"):
        program(
            [copies(fifos[0].cons(), fifos[1].prod())], [(fifos[0].prod(), 4)], [(fifos[1].cons(), 4)]
        ).resolve_program()


def test_handles_have_one_holder() -> None:
    """A handle given to two workers, or a fifo in place of a handle, is refused."""
    fifo = ObjectFifo(kind(4), name="in")
    handle = fifo.cons()
    idle(handle)
    with pytest.raises(DesignError, match="its cons end is held twice"):
        idle(handle)
    with pytest.raises(DesignError, match=r"give it in.prod\(\) or in.cons\(\), not the fifo"):
        Worker(None, [fifo])


def test_a_worker_outside_the_program_is_named() -> None:
    """A fifo whose other end is held by a worker that the program does not have is refused."""
    first, last = ObjectFifo(kind(4), name="in"), ObjectFifo(kind(4), name="out")
    idle(first.cons(), last.prod())
    with pytest.raises(DesignError, match="held by a worker not in the program"):
        program([], [(first.prod(), 4)], [(last.cons(), 4)]).resolve_program()


def test_buffers_without_a_tile_have_one_worker() -> None:
    """A buffer that two workers use must be pinned."""
    kept = Buffer(kind(4), name="kept")
    Worker(None, [kept])
    with pytest.raises(DesignError, match="buffer kept is shared by workers: pin it"):
        Worker(None, [kept])
    pinned = Buffer(kind(4), tile=Tile(0, 2))
    Worker(None, [pinned])
    Worker(None, [pinned])


def test_initial_values_fit() -> None:
    """Values of a buffer or fifo are of its type, and a fifo has one for each object."""
    with pytest.raises(DesignError, match=r"buffer b of 4 int32: an initial value of \(3,\) int32"):
        Buffer(kind(4), np.zeros(3, np.int32), name="b")
    with pytest.raises(DesignError, match="give a type, an initial value or both"):
        Buffer()
    fifo = ObjectFifo(kind(4), name="f", init_values=[np.zeros(4, np.int32)])
    workers = [idle(fifo.prod(), tile=Tile(0, 2)), idle(fifo.cons(), tile=Tile(2, 2))]
    with pytest.raises(DesignError, match="fifo f: 1 init_values for a depth of 2"):
        Program(NPU1(), Runtime(lambda: None), workers).resolve_program()


def test_smaller_devices_have_fewer_columns() -> None:
    """A design for one column does not spread."""
    assert (NPU1Col1().cols, NPU1Col2().cols) == (1, 2)
    first, last = ObjectFifo(kind(4), name="in"), ObjectFifo(kind(4), name="out")
    design = program([copies(first.cons(), last.prod())], [(first.prod(), 4)], [(last.cons(), 4)], NPU1Col1())
    assert {end.place.col for plan in design.resolve_program().fifos for end in plan.ends} == {0}
