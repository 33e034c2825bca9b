"""Tilings of a matrix as access patterns, after mlir-aie `python/helpers/taplib/tensortiler2d.py`."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.tap import TensorAccessPattern, TensorAccessSequence, checked_dims, checked_pattern


class TensorTiler2D:
    """Makes sequences of patterns over a matrix [height, width]; it has no instances."""

    def __init__(self) -> None:
        raise DesignError("TensorTiler2D has no instances: call simple_tiler, group_tiler or step_tiler")

    @classmethod
    def simple_tiler(
        cls,
        tensor_dims: Sequence[int],
        tile_dims: Sequence[int] | None = None,
        tile_col_major: bool = False,
        iter_col_major: bool = False,
        pattern_repeat: int = 1,
        prune_step: bool = True,
    ) -> TensorAccessSequence:
        """Return one pattern a tile; without tile_dims, one over the whole matrix."""
        return cls.step_tiler(
            tensor_dims,
            tensor_dims if tile_dims is None else tile_dims,
            (1, 1),
            tile_col_major=tile_col_major,
            iter_col_major=iter_col_major,
            pattern_repeat=pattern_repeat,
            prune_step=prune_step,
        )

    @classmethod
    def group_tiler(
        cls,
        tensor_dims: Sequence[int],
        tile_dims: Sequence[int],
        tile_group_dims: Sequence[int] | None = None,
        tile_col_major: bool = False,
        tile_group_col_major: bool = False,
        iter_col_major: bool = False,
        pattern_repeat: int = 1,
        allow_partial: bool = False,
        prune_step: bool = True,
    ) -> TensorAccessSequence:
        """Return one pattern a group of neighbouring tiles."""
        return cls.step_tiler(
            tensor_dims,
            tile_dims,
            (1, 1) if tile_group_dims is None else tile_group_dims,
            tile_col_major=tile_col_major,
            tile_group_col_major=tile_group_col_major,
            iter_col_major=iter_col_major,
            allow_partial=allow_partial,
            pattern_repeat=pattern_repeat,
            prune_step=prune_step,
        )

    @classmethod
    def step_tiler(
        cls,
        tensor_dims: Sequence[int],
        tile_dims: Sequence[int],
        tile_group_repeats: Sequence[int],
        tile_group_steps: Sequence[int] | None = None,
        tile_col_major: bool = False,
        tile_group_col_major: bool = False,
        iter_col_major: bool = False,
        allow_partial: bool = False,
        pattern_repeat: int = 1,
        prune_step: bool = True,
    ) -> TensorAccessSequence:
        """Return one pattern a group of tiles that lie tile_group_steps tiles apart.

        Raises:
            DesignError: tiles that do not divide the matrix, groups that do not divide the tiles (unless partial ones
                are allowed), or a repetition that finds no dimension left.

        """
        tensor = checked_dims(tensor_dims, 2)
        tile = checked_dims(tile_dims, 2)
        repeats = checked_dims(tile_group_repeats, 2)
        steps = checked_dims((1, 1) if tile_group_steps is None else tile_group_steps, 2)
        _check_division(tensor, tile, repeats, steps, allow_partial)
        if pattern_repeat < 1:
            raise DesignError(f"a pattern is repeated at least once, not {pattern_repeat} times")
        tiles = [n // t for n, t in zip(tensor, tile, strict=True)]
        repeats = [min(r, -(-n // s)) for r, n, s in zip(repeats, tiles, steps, strict=True)]
        steps = [s if s <= n else 1 for s, n in zip(steps, tiles, strict=True)]
        counts = [_patterns_along(n, s, r) for n, s, r in zip(tiles, steps, repeats, strict=True)]
        taps = []
        for number in range(prod(counts)):
            first = _first_tile(number, counts, steps, repeats, iter_col_major)
            sizes, strides = _pattern(
                tensor, tile, repeats, steps, first, tile_col_major, tile_group_col_major, prune_step
            )
            sizes = _repeated(sizes, strides, pattern_repeat)
            offset = first[0] * tile[0] * tensor[1] + first[1] * tile[1]
            taps.append(TensorAccessPattern(tensor, offset, sizes, strides))
        return TensorAccessSequence.from_taps(taps)


def _check_division(tensor: list[int], tile: list[int], repeats: list[int], steps: list[int], partial: bool) -> None:
    for axis, (size, part) in enumerate(zip(tensor, tile, strict=True)):
        if size % part:
            raise DesignError(f"tensor dimension {axis} of {size} is not divisible by the tile's {part}")
        group = part * repeats[axis] * steps[axis]
        if not partial and size % group:
            raise DesignError(
                f"tensor dimension {axis} of {size} is not divisible by groups of {part} x {repeats[axis]} x "
                f"{steps[axis]} = {group}; allow_partial allows it"
            )


def _patterns_along(tiles: int, step: int, repeat: int) -> int:
    """Return how many patterns cover an axis: whole blocks of step x repeat tiles, then one smaller block."""
    whole, left = divmod(tiles, step * repeat)
    smaller = left // step * step
    return whole * step + (left // smaller * step if smaller else left)


def _first_tile(
    number: int, counts: list[int], steps: list[int], repeats: list[int], col_major: bool
) -> tuple[int, int]:
    """Return the first tile [row, column] of a pattern."""
    column, row = divmod(number, counts[0]) if col_major else divmod(number, counts[1])[::-1]

    def along(axis: int, at: int) -> int:
        block, within = divmod(at, steps[axis])
        return block * steps[axis] * repeats[axis] + within

    return along(0, row), along(1, column)


def _pattern(
    tensor: list[int],
    tile: list[int],
    repeats: list[int],
    steps: list[int],
    first: tuple[int, int],
    tile_col_major: bool,
    group_col_major: bool,
    prune: bool,
) -> tuple[list[int], list[int]]:
    """Return four sizes and strides of one group of tiles."""
    left = [tensor[i] // tile[i] - first[i] for i in (0, 1)]
    down, across = (min(repeats[i], -(-left[i] // steps[i])) for i in (0, 1))
    step_down, step_across = (steps[i] if steps[i] <= left[i] else 1 for i in (0, 1))
    height, width = tile
    if prune and group_col_major and step_down == 1 and down > 1 and not tile_col_major:
        height, down = height * down, 1
    elif prune and not group_col_major and step_across == 1 and across > 1 and tile_col_major:
        width, across = width * across, 1
    inner = [(width, 1), (height, tensor[1])] if tile_col_major else [(height, tensor[1]), (width, 1)]
    vertical, horizontal = (down, tensor[1] * height * step_down), (across, width * step_across)
    groups = [pair for pair in (vertical, horizontal) if pair[0] > 1]
    if len(groups) == 2 and group_col_major:
        groups.reverse()
    pairs = [(1, 0)] * (2 - len(groups)) + groups + inner
    return checked_pattern([size for size, _ in pairs], [stride for _, stride in pairs])


def _repeated(sizes: list[int], strides: list[int], times: int) -> list[int]:
    """Return the sizes with the repetition in the outermost one: only there may a stride be 0."""
    if times == 1:
        return sizes
    if sizes[0] != 1 or strides[0] != 0:
        raise DesignError(f"no dimension is left to repeat sizes {sizes} with strides {strides} {times} times")
    return [times, *sizes[1:]]
