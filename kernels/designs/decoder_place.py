"""Where operands lie, in words, and what every operator of the configuration `decoder` refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from amanuensis.kernels.designs.decoder_order import WRAP, Move, Stream
from amanuensis.kernels.designs.launch import LaunchError
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operands import PARAMETERS_BYTES, Buffer, Region

WORD_BYTES: Final = 4
PADDING_WORDS: Final = PARAMETERS_BYTES // WORD_BYTES  # the parameters are there in every dispatch


@dataclass(frozen=True, slots=True)
class Place:
    """The start of an operand: a buffer, and a word of it."""

    buffer: int
    start: int

    def move(self, stream: Stream, skip: int, *dims: tuple[int, int]) -> Move:
        """Return a move that begins `skip` words after the start; dims are (size, stride in words)."""
        return Move(stream, self.buffer, self.start + skip, dims)


def place(memory: Memory, region: Region, name: str) -> Place:
    """Return where an operand begins; OperandError when it is not aligned or outside its buffer."""
    return Place(region.buffer, memory.start(region, name) // WORD_BYTES)


def padding(stream: Stream, words: int) -> list[Move]:
    """Return moves of so many words that nobody looks at."""
    whole, rest = divmod(words, PADDING_WORDS)
    source = Place(Buffer.INPUT, 0)
    moves = [source.move(stream, 0, (whole, 0), (PADDING_WORDS, 1))] if whole else []
    return [*moves, source.move(stream, 0, (rest, 1))] if rest else moves


def free_behind(memory: Memory, at: Place, end: int, words: int, written: Place, written_words: int) -> bool:
    """Say whether whole objects may read past an operand: inside its buffer, and not what the operator writes.

    Args:
        memory: with the buffers.
        at: the operand.
        end: its first word that is not its own, from its start.
        words: how many more would be read.
        written: where the operator writes.
        written_words: how much.

    """
    first, last = at.start + end, at.start + end + words
    if last > memory.sizes[at.buffer] // WORD_BYTES:
        return False
    return at.buffer != written.buffer or last <= written.start or first >= written.start + written_words


def run_of(words: int) -> tuple[tuple[int, int], ...]:
    """Return the dims of a run of words: one, or two where a size would be too large for a descriptor."""
    if words <= WRAP:
        return ((words, 1),)
    inner = next(size for size in range(WRAP, 0, -1) if words % size == 0)
    return (words // inner, inner), (inner, 1)


def within(operator: object, name: str, value: int, least: int, most: int) -> None:
    """Refuse a value out of a range.

    Raises:
        LaunchError: names the operator, the value and the range.

    """
    if not least <= value <= most:
        raise LaunchError(f"{type(operator).__name__}.{name} is {value}; the decoder takes {least} to {most}")


def multiple(operator: object, name: str, value: int, of: int) -> None:
    """Refuse a value that is no multiple; LaunchError as for `within`."""
    if value % of:
        raise LaunchError(f"{type(operator).__name__}.{name} is {value}; the decoder takes multiples of {of}")
