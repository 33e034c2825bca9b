"""How streams of operators run on a device: as words that one program takes, or as compiled launches of several.

Both put instructions on the device and start dispatches in order; who dispatches need not know which it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.compile.lowering import Part, RoomsOf, rooms_up_to
from amanuensis.kernels.compile.patches import Words
from amanuensis.kernels.compile.work import covers_of, load_designs
from amanuensis.kernels.operators import Operator
from amanuensis.kernels.ops import encode
from amanuensis.npu.devices.xrt.chains import Chain, InputWords, Link, Linker, room_for, rooms_for
from amanuensis.npu.devices.xrt.dispatches import cut
from amanuensis.npu.devices.xrt.package import Package
from amanuensis.npu.devices.xrt.programs import PROGRAM
from amanuensis.npu.devices.xrt.runtime import LINE_BYTES, Buffer, Pending, XrtRuntime

Prepared: TypeAlias = tuple[Buffer, ...] | tuple[Link, ...]
MOST_INSTRUCTION_BYTES: Final = 32 << 20  # of patched streams on the device: half of its heap
SURPLUS_BYTES: Final = 1 << 17  # behind small buffers: launches read whole blocks, as the buffers of a model let them


class Runner(Protocol):
    """Runs streams.

    Attributes:
        whole_inputs: whether launches read all of an INPUT, and not only what a dispatch needs: none of it may then be
            what nobody wrote.

    """

    whole_inputs: bool

    def prepare(self, operators: Sequence[Operator], part: Part) -> Prepared:
        """Return a stream, ready to be started.

        Raises:
            ProgramError: the compiled programs cannot do it.
            DeviceError: the device has not the memory, or fails.

        """

    def start(self, prepared: Prepared, given: InputWords, buffers: Sequence[Buffer]) -> Pending | None:
        """Start a stream; return its last dispatch, None where it has none.

        Args:
            prepared: the stream.
            given: INPUT as it was written.
            buffers: weights, scratch, cache, input and output.

        """

    def room(self, index: int, size: int, limit: int) -> int:
        """Return how many of what a run-time size counts a stream computes, `size` at least; its answers lie so."""


class SequenceRunner:
    """Streams are the words of their operators, for one program; see `Runner`."""

    whole_inputs = False

    def __init__(self, runtime: XrtRuntime) -> None:
        self._runtime = runtime
        self._loaded = runtime.load(PROGRAM)

    def prepare(self, operators: Sequence[Operator], part: Part) -> tuple[Buffer, ...]:
        pieces = [operators] if part == "any" else cut(operators, self._runtime.architecture)
        return tuple(self._instructions(piece) for piece in pieces)

    def start(self, prepared: Prepared, given: InputWords, buffers: Sequence[Buffer]) -> Pending | None:  # noqa: ARG002
        pending: Pending | None = None
        for part in prepared:
            assert not isinstance(part, Link)
            pending = self._runtime.run(self._loaded, part, buffers)
        return pending

    def room(self, index: int, size: int, limit: int) -> int:  # noqa: ARG002
        return size

    def _instructions(self, operators: Sequence[Operator]) -> Buffer:
        words = encode(operators)
        buffer = self._runtime.allocate(self._loaded, words.nbytes, "instructions")
        self._runtime.write(buffer, words)
        return buffer


@dataclass(eq=False, slots=True)
class _Instance:
    """A chain's words on the device.

    Attributes:
        configuration: in whose context they run.
        instructions: the buffer.
        words: that are in it.
        values: that they were patched with.
        pending: the newest dispatch of it.

    """

    configuration: str
    instructions: Buffer
    words: Words
    values: tuple[int, ...]
    pending: Pending | None = None

    @property
    def is_free(self) -> bool:
        """Whether no dispatch is using it."""
        return self.pending is None or self.pending.done


class LaunchRunner:
    """Streams are chains of compiled launches, each configuration in a context of its own; see `Runner`.

    Instructions stay on the device. Where a dispatch needs other values in them, the words that differ are written; one
    that is still running keeps its own.
    """

    whole_inputs = True
    most_instances: Final = 2  # of one chain: one runs while the next is patched

    def __init__(self, runtime: XrtRuntime, package: Package, rooms: RoomsOf) -> None:
        self._runtime, self._rooms = runtime, rooms
        self._linker = Linker(covers_of(load_designs()), rooms, package, runtime.architecture)
        self._instances: dict[int, list[_Instance]] = {}  # by id of the chain, the one that was used longest ago first
        self._chains: dict[int, Chain] = {}  # holding them keeps their ids from being used again
        self._bytes = 0
        for name in package.manifest.configurations:
            runtime.load(name)

    def prepare(self, operators: Sequence[Operator], part: Part) -> tuple[Link, ...]:
        return self._linker.links(operators, part)

    def start(self, prepared: Prepared, given: InputWords, buffers: Sequence[Buffer]) -> Pending | None:
        pending: Pending | None = None
        for link in prepared:
            assert isinstance(link, Link)
            chain = link.chain(rooms_for(link.sizes, self._rooms, given))
            if chain is not None:
                instance = self._patched(link.configuration, chain, chain.values(given))
                loaded = self._runtime.load(link.configuration)
                pending = instance.pending = self._runtime.run(loaded, instance.instructions, buffers)
        return pending

    def room(self, index: int, size: int, limit: int) -> int:
        return room_for(size, rooms_up_to(self._rooms.get(index, ()), limit))

    def _patched(self, configuration: str, chain: Chain, values: tuple[int, ...]) -> _Instance:
        """Return the instructions of a chain with some values in them, on the device."""
        mine = self._instances.pop(id(chain), [])
        self._instances[id(chain)], self._chains[id(chain)] = mine, chain  # now the one used last
        free = [each for each in mine if each.is_free]
        same = next((each for each in free if each.values == values), None)
        if same is not None:
            return same
        words = chain.patched(values)
        if not free and len(mine) < self.most_instances:
            mine.append(self._new(configuration, words, values))
            return mine[-1]
        if not free:
            assert mine[0].pending is not None
            self._runtime.wait(mine[0].pending)
            free = mine
        self._rewrite(free[0], words, values)
        return free[0]

    def _new(self, configuration: str, words: Words, values: tuple[int, ...]) -> _Instance:
        self._make_room(words.nbytes)
        loaded = self._runtime.load(configuration)
        buffer = self._runtime.allocate(loaded, words.nbytes, "instructions")
        self._runtime.write(buffer, words)
        self._bytes += words.nbytes
        return _Instance(configuration, buffer, words, values)

    def _rewrite(self, instance: _Instance, words: Words, values: tuple[int, ...]) -> None:
        """Write the lines from the first word that differs to the last."""
        changed = np.flatnonzero(words != instance.words)
        if changed.size:
            line = LINE_BYTES // words.itemsize
            first, stop = changed[0] // line * line, changed[-1] + 1
            self._runtime.write(instance.instructions, words[first:stop], int(first) * words.itemsize)
        instance.words, instance.values = words, values

    def _make_room(self, n_bytes: int) -> None:
        """Let go of instructions that were used longest ago until there is room for so many bytes more."""
        for key in list(self._instances)[:-1]:  # the last one is that for which room is made
            if self._bytes + n_bytes <= MOST_INSTRUCTION_BYTES:
                return
            if all(each.is_free for each in self._instances[key]):
                for each in self._instances.pop(key):
                    self._runtime.forget(self._runtime.load(each.configuration), each.instructions)
                    self._bytes -= each.words.nbytes
                del self._chains[key]


def runner_of(runtime: XrtRuntime, rooms: RoomsOf | None = None) -> Runner:
    """Return what runs streams on a device.

    Args:
        runtime: of the device.
        rooms: for run-time sizes; none for streams that have no such sizes.

    Raises:
        ProgramError: the programs cannot be loaded.

    """
    if runtime.package is None:
        return SequenceRunner(runtime)
    return LaunchRunner(runtime, runtime.package, rooms or {})


def input_words(content: NDArray[np.uint8]) -> InputWords:
    """Return the bytes of an INPUT as the words that launches are patched from."""
    return content[: content.size // 4 * 4].view(np.int32)
