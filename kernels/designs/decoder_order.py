"""What a launch on the configuration `decoder` asks of the array: runs of columns, and how a sequence issues them."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from math import prod
from typing import Any, Final, Literal

from amanuensis.kernels.designs._iron import RuntimeData, Task, TensorAccessPattern
from amanuensis.kernels.designs.decoder_array import FIELDS, Column, Configuration, Word
from amanuensis.kernels.designs.launch import LaunchError
from amanuensis.kernels.operands import Buffer

QUEUED: Final = 4  # tasks that a shim channel takes; four channels make 16, as many as a shim tile has descriptors
STEP_WORDS: Final = (1 << 20) - 1  # largest stride of a shim descriptor: mlir-aie AIETargetModel.h, 20 bits
ITERATIONS: Final = 64  # of a task
WRAP: Final = 1023  # largest size of the inner dimensions

Stream = Literal["loads", "blocks", "given", "scales"]
_GIVES: Final = frozenset({"given", "scales"})


@dataclass(frozen=True, slots=True)
class Move:
    """A transfer between a buffer of the dispatch and a stream of a column.

    Attributes:
        stream: of the column.
        buffer: number of the buffer.
        start: word of the buffer.
        dims: (size, stride in words) of up to four dimensions, outermost first.

    """

    stream: Stream
    buffer: int
    start: int
    dims: tuple[tuple[int, int], ...]

    @property
    def words(self) -> int:
        """How many words it moves."""
        return prod(size for size, _ in self.dims)

    @property
    def end(self) -> int:
        """The word after the last one that it touches."""
        return self.start + sum((size - 1) * stride for size, stride in self.dims) + 1

    def cut(self) -> Iterator[Move]:
        """Yield transfers that do the same, each within what one task can do."""
        sizes = [d for d in self.dims if d[0] > 1] or [(1, 1)]
        size, stride = sizes[0]
        run = len(sizes) == 1 and stride == 1  # of any length
        if run or (len(sizes) <= 3 and size <= WRAP and 0 < stride <= STEP_WORDS):
            yield Move(self.stream, self.buffer, self.start, tuple(sizes))
        elif len(sizes) <= 4 and size <= ITERATIONS and stride <= STEP_WORDS:
            missing = 4 - len(sizes)
            dims = (sizes[0], *((1, 0),) * missing, *sizes[1:])
            yield Move(self.stream, self.buffer, self.start, dims)
        else:
            inner = tuple(sizes[1:]) or ((1, 1),)
            step = ITERATIONS if len(sizes) <= 4 and stride <= STEP_WORDS else 1
            for i in range(0, size, step):
                dims = ((min(step, size - i), stride), *inner)
                yield from Move(self.stream, self.buffer, self.start + i * stride, dims).cut()


@dataclass(slots=True)
class Run:
    """What one column does.

    Attributes:
        order: words of the order, for all cores; others are 0, or not read.
        tiles: transfers in an order in which they can go on: of each tile what it gives, then what it takes.

    """

    order: dict[Word, int]
    tiles: list[list[Move]] = field(default_factory=list)


Phase = Mapping[int, Run]  # of columns; all of it has ended before the next phase begins


class OrderedSequence:
    """Issues phases: orders, barriers, and tasks with at most four under way in each channel."""

    def __init__(self, configuration: Configuration, phases: Sequence[Phase]) -> None:
        self._configuration, self._phases = configuration, phases

    @property
    def handles(self) -> list[Any]:
        """The ends of the fifos that the sequence holds."""
        return [[c.loads, c.blocks, c.given, c.scales] for c in self._configuration.columns]

    def __call__(self, *arguments: Any) -> None:
        data: Sequence[RuntimeData] = arguments[:-1]
        written: dict[tuple[int, int], int] = {}
        issuer = _Issuer(self._configuration.columns, data, self._phases)
        for at, phase in enumerate(self._phases):
            for number, run in phase.items():
                self._order(number, run, written)
            issuer.run(at)

    def _order(self, number: int, run: Run, written: dict[tuple[int, int], int]) -> None:
        """Write those words of the order that are not in the column yet, and start it."""
        column = self._configuration.columns[number]
        for word, value in packed(run.order).items():
            if written.get((number, word)) != value:
                written[number, word] = value
                for order in column.orders:
                    order[word] = value
        column.start.set(1)


class _Issuer:
    """Issues the transfers of phases; weights come ahead of the phase that they are for.

    A transfer is awaited only if a channel is full without it, or as the last that a column gives: then all that it was
    made of has come.
    """

    def __init__(self, columns: Sequence[Column], data: Sequence[RuntimeData], phases: Sequence[Phase]) -> None:
        self._columns, self._data = columns, data
        self._parts = [[(number, part) for number, move in _in_turn(phase) for part in move.cut()] for phase in phases]
        self._left = [Counter((number, part.stream) for number, part in parts) for parts in self._parts]
        self._first = [_first_blocks(parts) for parts in self._parts]
        self._early: set[tuple[int, int]] = set()  # phase and place in it
        self._under_way: dict[tuple[int, Stream], deque[tuple[int, Task, bool]]] = defaultdict(deque)
        given = (part for parts in self._parts for _, part in parts if part.stream in _GIVES)
        self._constant = all(part.buffer != Buffer.WEIGHTS for part in given)

    def run(self, at: int) -> None:
        """Issue a phase and wait until it has ended."""
        for place, (number, part) in enumerate(self._parts[at]):
            if (at, place) not in self._early:
                self._issue(at, number, part)
        if self._constant:
            for number in range(len(self._columns)):
                self._ahead(at, number)
        channels = sorted(self._under_way.items(), key=lambda item: item[0][1] not in _GIVES)
        for channel, tasks in channels:
            for phase, task, waits in reversed(tasks):  # what comes last is awaited, and with it all before
                if phase == at:
                    _end(task, waits)
            self._under_way[channel] = deque(entry for entry in tasks if entry[0] != at)

    def _ahead(self, at: int, number: int) -> None:
        """Let the first weights that a column takes after this phase come while it works."""
        later = next((i for i in range(at + 1, len(self._parts)) if number in self._first[i]), None)
        if later is None or len(self._under_way[number, "blocks"]) == QUEUED:
            return
        place = self._first[later][number]
        part = self._parts[later][place][1]
        if part.buffer == Buffer.WEIGHTS and (later, place) not in self._early:
            self._early.add((later, place))
            self._issue(later, number, part)

    def _issue(self, phase: int, number: int, part: Move) -> None:
        channel = number, part.stream
        tasks, left = self._under_way[channel], self._left[phase]
        if len(tasks) == QUEUED:
            _end(*tasks.popleft()[1:])
        left[channel] -= 1
        waits = left[channel] >= QUEUED or (left[channel] == 0 and part.stream in _GIVES)
        tasks.append((phase, _start(self._columns[number], part, self._data[part.buffer], waits), waits))


def _first_blocks(parts: Sequence[tuple[int, Move]]) -> dict[int, int]:
    """Return for each column where the first of its blocks stands."""
    found: dict[int, int] = {}
    for place, (number, part) in enumerate(parts):
        if part.stream == "blocks":
            found.setdefault(number, place)
    return found


def packed(order: Mapping[Word, int]) -> dict[int, int]:
    """Return the words that the sequence writes for an order, by place; those that nothing reads are left out.

    Raises:
        LaunchError: a value that does not fit its bits.

    """
    words: dict[int, int] = {}
    for word, value in order.items():
        place, shift, bits = FIELDS[word]
        if not 0 <= value < 1 << bits:
            raise LaunchError(f"{word.name} of an order is {value}; the decoder takes 0 to {(1 << bits) - 1}")
        words[place] = words.get(place, 0) | value << shift
    return words


def _in_turn(phase: Phase) -> Iterator[tuple[int, Move]]:
    """Yield the moves of all columns, a tile of each at a time."""
    for tiles in zip_longest(*(run.tiles for run in phase.values()), fillvalue=[]):
        for number, moves in zip(phase, tiles, strict=True):
            yield from ((number, move) for move in moves)


def _start(column: Column, move: Move, data: RuntimeData, waits: bool) -> Task:
    sizes, strides = [size for size, _ in move.dims], [stride for _, stride in move.dims]
    tap = TensorAccessPattern((1, data.shape[0]), move.start, sizes, strides)
    handle = getattr(column, move.stream)
    start = handle.drain if move.stream in _GIVES else handle.fill
    task: Task = start(data, tap=tap, wait=waits, managed=False)
    return task


def _end(task: Task, waits: bool) -> None:
    if waits:
        task.await_()
    task.free()


def checked(operator: object, moves: Iterable[Move], sizes: Sequence[int]) -> None:
    """Refuse moves that leave their buffers.

    Args:
        operator: for the message.
        moves: of the operator.
        sizes: bytes of the buffers.

    Raises:
        LaunchError: names the operator, the word and the limit.

    """
    for move in moves:
        if move.start < 0 or move.end > sizes[move.buffer] // 4:
            raise LaunchError(
                f"{type(operator).__name__}: whole objects of {move.stream} take words {move.start} to {move.end} of "
                f"buffer {move.buffer}, which has {sizes[move.buffer] // 4}"
            )
