"""Fifos, handles and links are stated as IRON allows, and what is not simulated is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from amanuensis.kernels.sim.device import AIETileType
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.iron import (
    NPU1,
    AnyMemTile,
    Buffer,
    ObjectFifo,
    Program,
    Runtime,
    RuntimeData,
    Tile,
    Worker,
    WorkerRuntimeBarrier,
)
from amanuensis.kernels.sim.link import ObjectFifoLink
from tests.kernels.sim.small import copies, kind, program


def fifo(**options: Any) -> ObjectFifo:
    """Return a fifo of 4 int32."""
    return ObjectFifo(kind(4), name="f", **options)


@pytest.mark.parametrize(
    "options",
    [
        {"plio": True},
        {"aie_stream": (0, 0)},
        {"pad_dimensions": [(1, 1)]},
        {"pad_value": 1},
        {"delegate_tile": Tile(0, 1)},
        {"disable_synchronization": True},
    ],
)
def test_options_that_are_not_simulated(options: dict[str, Any]) -> None:
    """An option whose effect is not simulated is refused by name."""
    with pytest.raises(DesignError, match=f"fifo f: {next(iter(options))}=.* is not simulated"):
        fifo(**options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fifo(depth=0), "fifo f: a depth must be at least 1, got 0"),
        (lambda: fifo(depth=None).cons(), "fifo f: a depth of at least 1 must be given"),
        (lambda: fifo().cons(depth=0), "fifo f: a depth of at least 1 must be given"),
        (lambda: fifo().set_iter_count(257), "fifo f: an iter_count is 1 to 256, not 257"),
        (lambda: fifo().set_iter_count(0), "an iter_count is 1 to 256, not 0"),
        (lambda: fifo().prod().dims_from_stream, "fifo f: a producer has no dims_from_stream"),
        (lambda: fifo().tiles(), "fifo f: an end is missing"),
        (lambda: fifo().prod().split([0]), "fifo f: split\\(\\) and forward\\(\\) need a consumer handle"),
        (lambda: fifo().prod().forward(), "need a consumer handle"),
        (lambda: fifo().cons().join([0]), "fifo f: join\\(\\) needs a producer handle"),
        (lambda: fifo().cons().split([0, 2], depths=[1]), "fifo f: 1 depths for 2 offsets"),
        (lambda: fifo().prod().join([0], obj_types=[]), "fifo f: 0 obj_types for 1 offsets"),
        (lambda: fifo().cons().forward(pad_value=3), "fifo f: padding is not simulated"),
        (lambda: fifo().cons().fill(None), "fill\\(\\) needs a producer handle"),
    ],
)
def test_wrong_uses_are_named(call: Callable[[], Any], message: str) -> None:
    """The fifo and what is wrong about it are named."""
    with pytest.raises(DesignError, match=message):
        call()


def test_a_fifo_has_one_producer_and_any_number_of_consumers() -> None:
    """prod() gives the same handle again, cons() a new one; a pin cannot be changed."""
    made = fifo()
    handle = made.prod(channel=1, tile=Tile(2, 0))
    assert made.prod() is handle
    assert made.prod(tile=Tile(2, 0)) is handle
    assert made.cons() is not made.cons()
    with pytest.raises(DesignError, match="its producer is pinned to channel 1, not 0"):
        made.prod(channel=0)
    with pytest.raises(DesignError, match=r"its producer is pinned to Tile\(2, 0\), not Tile\(1, 0\)"):
        made.prod(tile=Tile(1, 0))


def test_fifos_and_handles_tell_what_they_are() -> None:
    """Type, depth and orders can be asked for as in IRON; the handle's own come first."""
    order = [(4, 1)]
    made = fifo(depth=3, dims_to_stream=order, dims_from_stream_per_cons=order)
    handle, other = made.prod(), made.cons(depth=5, dims_from_stream=[(2, 2), (2, 1)])
    assert (made.shape, made.dtype, made.depth, made.obj_type) == ((4,), np.int32, 3, kind(4))
    assert (made.dims_to_stream, made.dims_from_stream_per_cons) == (order, order)
    assert (handle.name, handle.handle_type, handle.depth, handle.channel) == ("f", "prod", 3, None)
    assert (handle.shape, handle.dtype, handle.obj_type) == ((4,), np.int32, kind(4))
    assert (other.handle_type, other.depth, other.dims_from_stream) == ("cons", 5, [(2, 2), (2, 1)])
    worker = Worker(None, [handle, other])
    assert handle.all_of_endpoints()[0] is worker
    assert made.tiles() == [worker.tile] * 2
    assert made.tiles(cons_only=True) == [worker.tile]
    assert made.cons().dims_from_stream == order


@pytest.mark.parametrize(
    ("sources", "destinations", "offsets", "message"),
    [
        (2, 2, ([], []), "from one fifo to several or from several to one, not 2:2"),
        (0, 1, ([], []), "not 0:1"),
        (2, 1, ([0], []), "a link of 2:1 fifos with 1:0 offsets"),
    ],
)
def test_links_join_or_split(sources: int, destinations: int, offsets: Any, message: str) -> None:
    """A link is many to one, one to many or one to one, with an offset for each of the many."""
    ends = [ObjectFifo(kind(4)).cons() for _ in range(sources)]
    others = [ObjectFifo(kind(4)).prod() for _ in range(destinations)]
    with pytest.raises(DesignError, match=message):
        ObjectFifoLink(ends, others, None, *offsets)


def test_a_fifo_is_linked_once() -> None:
    """A fifo between two memory tiles would be in two links."""
    first, last = ObjectFifo(kind(4), name="in"), ObjectFifo(kind(4), name="out")
    onward = first.cons().forward(name="one").cons().forward(name="two")
    design = program([copies(onward.cons(), last.prod())], [(first.prod(), 4)], [(last.cons(), 4)])
    with pytest.raises(DesignError, match="fifo one is in more than one link"):
        design.resolve_program()


def test_elements_of_linked_fifos_are_alike() -> None:
    """A link copies bytes: both sides have one element type."""
    first, last = ObjectFifo(kind(8, dtype=np.int8), name="in"), ObjectFifo(kind(2), name="out")
    middle = first.cons().forward(name="middle", obj_type=kind(2))
    runtime = Runtime(lambda *_: None, [first.prod(), last.cons()])
    with pytest.raises(DesignError, match="fifo middle has int32 elements, in of its link int8"):
        Program(NPU1(), runtime, [copies(middle.cons(), last.prod())]).resolve_program()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Runtime(lambda: None, [np.int32]), "argument of type int32 is not simulated; give its value"),
        (lambda: RuntimeData(kind(2, 2, 2)).default_tap(), "a tensor of 3 dimensions where 2 are expected"),
        (lambda: WorkerRuntimeBarrier(1), "a barrier begins at 0 whatever is asked for, here 1"),
        (lambda: WorkerRuntimeBarrier().set(64), "a barrier's value is 0 to 63, not 64"),
        (lambda: Program(None, Runtime(lambda: None)), "a program needs a device"),
        (lambda: AnyMemTile.with_type(AIETileType.CoreTile), "is no CoreTile"),
        (lambda: Buffer(kind(4), name="b").__setitem__(0, 1), "belongs in the function given to Runtime"),
    ],
)
def test_other_parts_are_stated_rightly(call: Callable[[], Any], message: str) -> None:
    """What the real API would take and do otherwise, or refuse, is refused."""
    with pytest.raises(DesignError, match=message):
        call()


def test_the_sequence_writes_only_buffers_made_for_it() -> None:
    """A buffer without use_write_rtp is out of the sequence's reach."""
    kept = Buffer(kind(4), name="kept")

    def sequence() -> None:
        kept[0] = 1

    with pytest.raises(DesignError, match="buffer kept: the sequence writes only buffers with use_write_rtp=True"):
        Program(NPU1(), Runtime(sequence), [Worker(None, [kept])]).resolve_program()
