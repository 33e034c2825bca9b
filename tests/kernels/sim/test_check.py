"""Every limit of the device: a design just inside it passes, one just outside is refused by name, value and limit."""

from __future__ import annotations

from typing import Any

import pytest

from amanuensis.kernels.sim.check import check
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.iron import (
    Buffer,
    ExternalFunction,
    Kernel,
    NPU1Col1,
    ObjectFifo,
    ObjectFifoHandle,
    Program,
    Tile,
    Worker,
    WorkerRuntimeBarrier,
)
from amanuensis.kernels.sim.plan import Place
from tests.kernels.sim.small import copies, copying, held, kind, program, through, through_memory_tile


def test_memory_of_a_core() -> None:
    """L1: stack, objects as often as the lowering makes them, and buffers make up at most 64 KiB."""
    free = 65536 - 1024 - 2 * 16  # the stack and the two objects of `out`
    held(
        copying(free // 8),
        lambda: copying(free // 8 + 1),
        r"core\(0, 2\): 65544 B of memory .*in at core.*limit is 65536",
    )


def test_buffers_and_stack_count_as_memory_of_a_core() -> None:
    """A buffer or a larger stack takes what objects could have had."""

    def design(stack: int, buffer: int) -> Program:
        last = ObjectFifo(kind(4), name="out")
        kept = Buffer(kind(buffer))

        def core(b: ObjectFifoHandle, buffer: Buffer) -> None:
            b.acquire(1)[0] = buffer[0]
            b.release(1)

        return program([Worker(core, [last.prod(), kept], stack_size=stack)], [], [(last.cons(), 4)])

    most = (65536 - 2048 - 32) // 4
    held(design(2048, most), lambda: design(2048, most + 1), "65540 B of memory .stack 2048 B")
    held(design(2048, most), lambda: design(2052, most), "65540 B of memory .stack 2052 B")


def test_memory_of_a_memory_tile() -> None:
    """L2: objects times depth make up at most 512 KiB; placement finds no tile beyond it."""

    def design(elements: int) -> Program:
        first = ObjectFifo(kind(elements), name="in")
        return program([], [(first.prod(), elements)], [(first.cons().forward().cons(), elements)])

    held(
        design(65536),
        lambda: design(65540),
        "link of fifo in: no memory tile of NPU1 .* has 1 S2MM and 1 MM2S channels and 524320 B left",
    )


def test_memory_of_a_pinned_memory_tile() -> None:
    """Two links that a design pins to one memory tile share its memory."""

    def design(elements: int) -> Program:
        ends = []
        workers = []
        for name in "ab":
            first, last = ObjectFifo(kind(elements), name=f"in_{name}"), ObjectFifo(kind(8), name=f"out_{name}")
            halves = first.cons().split([0, elements - 8], tile=Tile(1, 1), obj_types=[kind(elements - 8), kind(8)])
            workers.append(copies(halves[1].cons(), last.prod()))
            ends.append((first, halves[0], last))
        sink = Worker(lambda *_: None, [halves.cons() for _, halves, _ in ends], while_true=False)
        inputs = [(first.prod(), elements) for first, _, _ in ends]
        return program([*workers, sink], inputs, [(last.cons(), 8) for _, _, last in ends])

    with pytest.raises(DesignError, match=r"no memory tile of NPU1 \(asked for: MemTile\(1, 1\)\)"):
        design(32776).resolve_program()
    design(32768).resolve_program()


def test_locks_of_a_core() -> None:
    """A core has 16 locks: two for each pool of objects and one for each barrier."""

    def design(barriers: int) -> Program:
        first, last = ObjectFifo(kind(4), name="in"), ObjectFifo(kind(4), name="out")
        gates = [WorkerRuntimeBarrier() for _ in range(barriers)]

        def core(a: ObjectFifoHandle, b: ObjectFifoHandle, *_: Any) -> None:
            a.acquire(1)
            b.acquire(1)
            a.release(1)
            b.release(1)

        return program([Worker(core, [first.cons(), last.prod(), *gates])], [(first.prod(), 4)], [(last.cons(), 4)])

    held(design(12), lambda: design(13), r"core\(0, 2\): 17 locks; the limit is 16")


def test_locks_count_to_63() -> None:
    """A lock has 6 bits: the depth of a fifo times its repetition is at most 63."""
    held(
        through_memory_tile(8, 8, depth=1, repeat_count=63)[0],
        lambda: through_memory_tile(8, 8, depth=1, repeat_count=64)[0],
        r"mem\(0, 1\): the locks of in at mem\(0, 1\) count to 64; the limit is 63",
    )


def test_descriptors_of_a_core() -> None:
    """A core has 16 buffer descriptors: one for each object of each end that a DMA serves."""

    def design(depth: int) -> Program:
        first, last = ObjectFifo(kind(4), name="in", depth=depth), ObjectFifo(kind(4), name="out")

        def core(a: ObjectFifoHandle, b: ObjectFifoHandle) -> None:
            a.acquire(depth - 1)
            b.acquire(1)
            a.release(depth - 1)
            b.release(1)

        return program([Worker(core, [first.cons(), last.prod()])], [(first.prod(), 4)], [(last.cons(), 4)])

    held(design(14), lambda: design(15), r"core\(0, 2\): 17 descriptors \(in 15, out 2\); the limit is 16")


def test_descriptors_of_a_memory_tile() -> None:
    """Channels of even number reach 24 descriptors of a memory tile, those of odd number the other 24."""
    held(
        through_memory_tile(8, 8, depth=12)[0],
        lambda: through_memory_tile(8, 8, depth=5, repeat_count=5)[0],
        r"mem\(0, 1\): 30 descriptors on its even channels; the limit is 24",
    )


def test_channels_of_a_core() -> None:
    """A core takes in two fifos by DMA."""

    def design(inputs: int) -> Program:
        firsts = [ObjectFifo(kind(4), name=f"in{i}") for i in range(inputs)]
        last = ObjectFifo(kind(4), name="out")

        def core(b: ObjectFifoHandle, *ends: ObjectFifoHandle) -> None:
            for end in (b, *ends):
                end.acquire(1)
                end.release(1)

        worker = Worker(core, [last.prod(), *(first.cons() for first in firsts)])
        return program([worker], [(first.prod(), 4) for first in firsts], [(last.cons(), 4)])

    held(design(2), lambda: design(3), r"core\(0, 2\): no S2MM channel for fifo in2: it has 2")


def test_channels_of_a_memory_tile() -> None:
    """A memory tile has six channels each way."""

    def design(parts: int) -> Program:
        first = ObjectFifo(kind(4 * parts), name="in")
        downs = first.cons().split([4 * i for i in range(parts)], obj_types=[kind(4)] * parts)
        lasts = [ObjectFifo(kind(4), name=f"out{i}") for i in range(parts)]
        workers = [copies(a.cons(), b.prod()) for a, b in zip(downs, lasts, strict=True)]
        return program(workers, [(first.prod(), 4 * parts)], [(last.cons(), 4) for last in lasts])

    held(design(6), lambda: design(7), "no memory tile of NPU1 .* has 1 S2MM and 7 MM2S channels")


def test_channels_of_the_shim() -> None:
    """A shim tile has two channels each way; one column fills two fifos."""

    def design(inputs: int) -> Program:
        firsts = [ObjectFifo(kind(4), name=f"in{i}") for i in range(inputs)]
        lasts = [ObjectFifo(kind(4), name=f"out{i}") for i in range(inputs)]
        workers = [copies(a.cons(), b.prod()) for a, b in zip(firsts, lasts, strict=True)]
        inputs_, outputs = [(f.prod(), 4) for f in firsts], [(f.cons(), 4) for f in lasts]
        return program(workers, inputs_, outputs, NPU1Col1())

    held(design(2), lambda: design(3), "fifo in2: no shim tile of NPU1Col1 .* has a MM2S channel left; each has 2")


def test_pinned_channels() -> None:
    """A channel that is pinned must exist and be free."""

    def design(one: int | None, other: int | None) -> Program:
        firsts = [ObjectFifo(kind(4), name=f"in{i}") for i in range(2)]
        last = ObjectFifo(kind(4), name="out")

        def core(*ends: ObjectFifoHandle) -> None:
            for end in ends:
                end.acquire(1)
                end.release(1)

        ends = [firsts[0].cons(channel=one), firsts[1].cons(channel=other), last.prod()]
        return program([Worker(core, ends)], [(f.prod(), 4) for f in firsts], [(last.cons(), 4)])

    held(design(1, 0), lambda: design(1, 1), "for fifo in1: channel 1 is taken")
    held(design(None, None), lambda: design(2, None), "for fifo in0: it has 2")


@pytest.mark.parametrize(
    ("offsets", "sizes", "message"),
    [
        ([0, 4], [4, 8], None),
        ([0, 5], [4, 8], "fifo in_split1 begins at element 5 of an object of in; the one before ends at 4"),
        ([0, 4], [4, 4], "the parts linked to fifo in make up 8 elements of its object's 12"),
        ([4, 0], [8, 4], "fifo in_split0 begins at element 4"),
    ],
)
def test_links_tile_the_larger_object(offsets: list[int], sizes: list[int], message: str | None) -> None:
    """Parts follow one another without a gap or overlap and make up the whole object."""
    first = ObjectFifo(kind(12), name="in")
    downs = first.cons().split(offsets, obj_types=[kind(size) for size in sizes])
    lasts = [ObjectFifo(kind(size), name=f"out{i}") for i, size in enumerate(sizes)]
    workers = [copies(a.cons(), b.prod()) for a, b in zip(downs, lasts, strict=True)]
    design = program(
        workers, [(first.prod(), 12)], [(last.cons(), size) for last, size in zip(lasts, sizes, strict=True)]
    )
    if message is None:
        check(design.resolve_program())
    else:
        with pytest.raises(DesignError, match=message):
            design.resolve_program()


def test_orders_and_repeats_do_not_belong_at_the_shim() -> None:
    """There the order is that of the transfer."""
    for option, value in (("dims_to_stream", [(4, 1)]), ("repeat_count", 2)):
        held(copying(), lambda o=option, v=value: copying(**{o: v}), f"fifo in: {option} at shim")  # type: ignore[misc]


def test_fifos_of_a_split_repeat_alike() -> None:
    """The fifos split from one share a repeat_count."""
    first = ObjectFifo(kind(8), name="in")
    downs = first.cons().split([0, 4], obj_types=[kind(4)] * 2, repeat_counts=[1, 2])
    lasts = [ObjectFifo(kind(4), name=f"out{i}") for i in range(2)]
    workers = [copies(a.cons(), b.prod()) for a, b in zip(downs, lasts, strict=True)]
    design = program(workers, [(first.prod(), 8)], [(lasts[0].cons(), 4), (lasts[1].cons(), 8)])
    with pytest.raises(DesignError, match="link of fifo in: the fifos split from it share one repeat_count"):
        check(design.resolve_program())


SOURCE = """
#include <cstdint>
extern "C" void pair(const int32_t *a, int32_t *b) {{
  volatile int32_t large[{words}];
  for (int i = 0; i < {words}; ++i) large[i] = a[0];
  b[0] = large[{words} - 1];
}}
"""


def compiled(words: int, stack: int | None = None, prefix: str = "") -> Program:
    """Return a program whose kernel has an array of so many words on its stack."""
    first, last = ObjectFifo(kind(4), name="in"), ObjectFifo(kind(4), name="out")
    source = prefix + SOURCE.format(words=words)
    pair = ExternalFunction("pair", source_string=source, arg_types=[kind(4), kind(4)])

    def core(a: ObjectFifoHandle, b: ObjectFifoHandle, function: Kernel) -> None:
        function(a.acquire(1), b.acquire(1))
        a.release(1)
        b.release(1)

    worker = Worker(core, [first.cons(), last.prod(), pair], stack_size=stack)
    return program([worker], [(first.prod(), 4)], [(last.cons(), 4)])


def test_stack_of_a_worker() -> None:
    """A kernel's stack, as the compiler reports it, fits the worker's, which is 1024 bytes unless stated."""
    message = r"worker 0 \(core\) on core\(0, 2\): kernel pair takes \d+ B of stack.*stack_size is 1024"
    held(compiled(200), lambda: compiled(256), message)
    check(compiled(256, stack=2048).resolve_program())


def test_program_memory() -> None:
    """The stand-in for a core's program is held to 16 KiB."""
    long = "".join(
        f'extern "C" int f{i}(int x) {{ volatile int y = x; return y * {i} + y / 7; }}\n' for i in range(500)
    )
    held(compiled(8), lambda: compiled(8, prefix=long), r"core\(0, 2\): about \d+ B of program; the limit is 16384")


def test_tables_of_kernels_count_as_memory() -> None:
    """A constant table of a kernel lies in the core's data memory."""
    table = 'extern "C" const unsigned char table[5000] = {1};\n'
    plain, larger = (check(compiled(8, prefix=p).resolve_program()).tiles[Place(0, 2)] for p in ("", table))
    assert larger.memory_bytes - plain.memory_bytes == 5000


def test_buffers_lie_where_their_workers_reach() -> None:
    """A core reaches the memory of its neighbours north, south and west, and its own."""

    def design(col: int, row: int) -> Program:
        last = ObjectFifo(kind(4), name="out")
        kept = Buffer(kind(4), name="kept", tile=Tile(col, row))

        def core(b: ObjectFifoHandle, buffer: Buffer) -> None:
            b.acquire(1)[0] = buffer[0]
            b.release(1)

        return program([Worker(core, [last.prod(), kept], tile=Tile(1, 3))], [], [(last.cons(), 4)])

    for place in ((1, 3), (1, 2), (1, 4), (0, 3)):
        check(design(*place).resolve_program())
    with pytest.raises(DesignError, match=r"buffer kept lies on core\(2, 3\), which core\(1, 3\) does not reach"):
        check(design(2, 3).resolve_program())


def test_all_problems_are_told_at_once() -> None:
    """A design that is wrong in two ways is told both, a line each."""
    with pytest.raises(DesignError) as caught:
        check(through([(8, 12), (4, 1)], 64).resolve_program())
    assert len(str(caught.value).splitlines()) == 2


def test_high_water_marks() -> None:
    """The report says what each tile has to hold, and the most over the tiles of a kind."""
    report = check(through_memory_tile(24, 8)[0].resolve_program())
    assert [str(place) for place in report.tiles] == ["shim(0, 0)", "mem(0, 1)", "core(0, 2)"]
    core, mem, shim = (report.most(name) for name in ("core", "mem", "shim"))
    assert (core.memory_bytes, core.stack_bytes, core.locks, core.descriptors) == (1024 + 4 * 32, 1024, 4, 4)
    assert (mem.memory_bytes, mem.locks, mem.descriptors, mem.mm2s, mem.s2mm) == (64, 2, 4, 1, 1)
    assert (shim.descriptors, shim.mm2s, shim.s2mm) == (2, 1, 1)
