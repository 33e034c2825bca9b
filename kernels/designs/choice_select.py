"""The choice of tokens on the configuration `choice`: which rows go to which column, and where they lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

import numpy as np

from amanuensis.kernels.designs._iron import RuntimeData
from amanuensis.kernels.designs.choice_array import (
    CORES,
    MAX_MASKS,
    MAX_VOCABULARY,
    RULES_WORDS,
    SCORES_WORDS,
    TILE,
    Column,
    Configuration,
    Plan,
)
from amanuensis.kernels.designs.choice_moves import WORD_BYTES, Channel, Move, Place
from amanuensis.kernels.designs.launch import LaunchError
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operands import Region
from amanuensis.kernels.operators import Select
from amanuensis.kernels.records import RULES, SCORES

_RUN: Final = TILE // 2  # words: a size of a descriptor is at most 1023


@dataclass(frozen=True, slots=True)
class Choice:
    """A Select whose rows and places are known.

    Attributes:
        operator: the Select.
        rows: how many.
        logits: from the first row's to the last row's last one that counts.
        masks: the suppress bitmaps, and what is left of their last word.
        rules: of all rows.
        answers: of all rows.

    """

    operator: Select
    rows: int
    logits: Place
    masks: Place
    rules: Place
    answers: Place

    @property
    def tiles(self) -> int:
        """Tiles of logits that each core takes of a row."""
        return -(-self.operator.vocabulary // (CORES * TILE))

    @property
    def mask_bytes(self) -> int:
        """Bytes of a suppress bitmap."""
        return -(-self.operator.vocabulary // 8)


def choice(operator: Select, memory: Memory) -> Choice:
    """Return a Select over memory.

    Raises:
        LaunchError: too large a vocabulary, too many bitmaps, or answers that lie on operands.
        OperandError: an operand that is not there.

    """
    if operator.vocabulary > MAX_VOCABULARY:
        raise LaunchError(f"Select.vocabulary is {operator.vocabulary}; choice takes up to {MAX_VOCABULARY}")
    if operator.n_masks > MAX_MASKS:
        raise LaunchError(f"Select.n_masks is {operator.n_masks}; choice takes up to {MAX_MASKS}")
    rows, mask_bytes = memory.count(operator.rows, "rows"), -(-operator.vocabulary // 8)

    def place(region: Region, dtype: Any, shape: tuple[int, ...], name: str, words: int, pitch: int = 0) -> Place:
        memory.read(region, dtype, shape, name, pitch=pitch)  # holds it to its buffer
        return Place(region.buffer, memory.start(region, name) // WORD_BYTES, words)

    logits = (rows - 1) * operator.pitch + operator.vocabulary
    masks = -(-operator.n_masks * mask_bytes // WORD_BYTES)
    made = Choice(
        operator,
        rows,
        place(operator.logits, np.float32, (rows, operator.vocabulary), "logits", logits, WORD_BYTES * operator.pitch),
        place(operator.masks, np.uint8, (operator.n_masks, mask_bytes), "masks", masks),
        place(operator.rules, RULES, (rows,), "rules", rows * RULES_WORDS),
        place(operator.answers, SCORES, (rows,), "answers", rows * SCORES_WORDS),
    )
    for name in ("logits", "masks", "rules"):
        if rows and made.answers.overlaps(getattr(made, name)):
            raise LaunchError(f"Select.answers overlaps {name}; choice writes a row while it reads others")
    return made


def masks_moves(work: Choice) -> Iterator[Move]:
    """Yield the moves of all bitmaps, each in quarters from the word on that holds the first bit of a core."""
    quarter = work.tiles * TILE // 8 // WORD_BYTES
    for number in range(work.operator.n_masks):
        first = number * work.mask_bytes // WORD_BYTES
        if first + (CORES - 1) * quarter + RULES_WORDS <= work.masks.words:
            start = work.masks.start + first
            yield Move(work.masks.buffer, start, (CORES, 1, 1, RULES_WORDS), (quarter, 0, 0, 1))
            continue
        for core in range(CORES):
            yield from work.masks.whole(first + core * quarter, RULES_WORDS)


def logits_moves(work: Choice, row: int) -> Iterator[Move]:
    """Yield the moves of a row: a tile for each core, then the next of each."""
    share, start = work.tiles * TILE, row * work.operator.pitch
    there = Place(work.logits.buffer, work.logits.start + start, work.operator.vocabulary)
    whole = max(0, (there.words - (CORES - 1) * share) // TILE)  # tiles that the last core has, too
    if whole:
        yield Move(there.buffer, there.start, (whole, CORES, TILE // _RUN, _RUN), (TILE, share, _RUN, 1))
    for number in range(whole, work.tiles):
        for core in range(CORES):
            yield from there.whole(core * share + number * TILE, TILE)


@dataclass(frozen=True, slots=True)
class _Share:
    """What one column does: the rows that it answers, and its channels."""

    rows: range
    logits: Channel
    rules: Channel
    answers: Channel


class ChoiceSequence:
    """Each column takes a run of rows; all bitmaps come before them."""

    def __init__(self, work: Choice, graph: Configuration) -> None:
        self._work = work
        columns = len(graph.columns)
        shares = [range(work.rows * c // columns, work.rows * (c + 1) // columns) for c in range(columns)]
        self._shares = [(column, rows) for column, rows in zip(graph.columns, shares, strict=True) if rows]

    def __call__(self, *arguments: Any) -> None:
        data, work = arguments[:-1], self._work
        shares = [self._started(column, rows, data) for column, rows in self._shares]
        for move in masks_moves(work):
            for share in shares:
                share.rules.issue(move)
        for share in shares:
            share.rules.issue(work.rules.run(share.rows.start * RULES_WORDS, len(share.rows) * RULES_WORDS))
        for rows in zip_longest(*(share.rows for share in shares)):
            for share, row in zip(shares, rows, strict=True):
                for move in logits_moves(work, row) if row is not None else ():
                    share.logits.issue(move)
        for share in shares:
            for channel in (share.logits, share.rules, share.answers):
                channel.finish()

    def _started(self, column: Column, rows: range, data: Sequence[RuntimeData]) -> _Share:
        """Write the plans of a column, let its cores begin, and queue what takes their answers."""
        work, share = self._work, self._work.tiles * TILE
        for core, plan in enumerate(column.plans):
            plan[Plan.SIZE] = work.operator.vocabulary
            plan[Plan.TIMESTAMP_BEGIN] = work.operator.timestamp_begin
            plan[Plan.EOT] = work.operator.eot
            plan[Plan.NO_SPEECH] = work.operator.no_speech
            plan[Plan.SLOT] = RULES_WORDS * WORD_BYTES
            plan[Plan.SKEW] = work.mask_bytes
            plan[Plan.MOVES] = 0
            plan[Plan.FIRST] = plan[Plan.BITS] = core * share
            plan[Plan.MASKS] = work.operator.n_masks
            plan[Plan.ROWS] = len(rows)
            plan[Plan.TILES] = work.tiles
        column.start.set(1)
        answers = Channel(column.scores, data, drains=True)
        answers.issue(work.answers.run(rows.start * SCORES_WORDS, len(rows) * SCORES_WORDS))
        return _Share(rows, Channel(column.logits, data), Channel(column.rules, data), answers)
