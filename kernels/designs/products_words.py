"""The words with which a sequence tells the cores of `products` what to do, as kernels/aie2/products.h reads them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final, TypeAlias

Words: TypeAlias = tuple[int, int, int, int]


class Kind(IntEnum):
    """What a part of a launch computes."""

    INT8 = 1
    BF16 = 2
    REQUANTISE = 3
    NORM = 4
    QUANTISE = 5
    ADD = 6
    COPY = 7
    NARROW = 8


class Flag(IntFlag):
    """How a tile ends, or what rows are multiplied by."""

    GELU = 1
    RESIDUAL = 2
    BIAS = 4
    F32 = 8
    SMOOTH = 16


PLAIN: Final = Flag(0)


class Loop(IntEnum):
    """Places in a core's state: the counts of its loops."""

    B_KEPT = 0
    A_KEPT = 1
    GROUPS = 2
    ACTIVE = 3
    IDLE = 4
    STEPS = 5
    RESIDUALS = 6
    OUTS = 7
    ROUNDS = 8
    CHUNKS = 9
    GIVES = 10
    EXTRAS = 11


@dataclass(frozen=True, slots=True)
class TileWords:
    """What a core does for a product.

    Attributes:
        kind: INT8, BF16 or REQUANTISE.
        flags: how a tile ends.
        active: tiles of columns that its column makes of each group of rows.
        idle: those that other columns make beyond.
        groups: of 256 rows.
        steps: objects of k a tile.
        last_k: blocks of 8 of k in the last of them.
        last_outs: objects of results in the last group.
        last_rows: rows of the last group that are the core's.
        last_quad: rows of the last quad of the matrix, 1 to 4.
        last_row: the last row of the matrix within the last object of results of the column.
        shift: of a requantisation.

    """

    kind: Kind
    flags: Flag
    active: int
    idle: int
    groups: int
    steps: int
    last_k: int
    last_outs: int
    last_rows: int
    last_quad: int
    last_row: int
    shift: int = 0

    def words(self) -> Words:
        """Return the words."""
        return (
            self.kind | self.flags << 8 | self.active << 16 | self.idle << 24,
            self.steps | self.groups << 16 | self.last_k << 24,
            self.last_outs | self.last_rows << 8 | self.last_quad << 16 | self.last_row << 24,
            self.shift,
        )


@dataclass(frozen=True, slots=True)
class RowWords:
    """What a core does with rows.

    Attributes:
        kind: NORM, QUANTISE, ADD, COPY or NARROW.
        flags: SMOOTH or nothing.
        extras: objects of scales at the end, or of zeros.
        rounds: how often it takes rows.
        chunks: objects a round.
        rows: of a round.
        last_quad: rows of each quad that are quantised; the others are zero.
        gives: objects of results a round.
        width: elements of a row that is held; of a copy, words.
        scale_words: scales of rows to give at the end.

    """

    kind: Kind
    rounds: int
    chunks: int
    rows: int
    gives: int
    width: int
    flags: Flag = PLAIN
    extras: int = 0
    last_quad: int = 4
    scale_words: int = 0

    def words(self) -> Words:
        """Return the words."""
        return (
            self.kind | self.flags << 8 | self.extras << 16,
            self.rounds | self.chunks << 16,
            self.rows | self.last_quad << 8 | self.gives << 16,
            self.width | self.scale_words << 16,
        )
