"""Access patterns: where in a tensor a shim transfer reads or writes, as sizes and strides in elements.

Names, parameters and rules follow mlir-aie `python/helpers/taplib/{tap,tas,utils}.py`
(commit in tests/data/iron/surface.json); what draws pictures is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.sim.errors import DesignError


def checked_dims(tensor_dims: Sequence[int], expected_dims: int | None = None) -> list[int]:
    """Return the sizes of a tensor; one size n becomes [1, n].

    Raises:
        DesignError: there are none, one is not positive, or there are not as many as expected.

    """
    dims = [int(n) for n in tensor_dims]
    if not dims or min(dims) < 1:
        raise DesignError(f"the sizes of a tensor must be at least 1, got {dims}")
    dims = [1, *dims] if len(dims) == 1 else dims
    if expected_dims is not None and len(dims) != expected_dims:
        raise DesignError(f"a tensor of {len(dims)} dimensions where {expected_dims} are expected: {dims}")
    return dims


def checked_pattern(sizes: Sequence[int], strides: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return sizes and strides, the strides of leading sizes of 1 made 0.

    Raises:
        DesignError: none, or not as many of both; a size below 1 or a negative stride.

    """
    wide, step = [int(n) for n in sizes], [int(n) for n in strides]
    if not wide or len(wide) != len(step):
        raise DesignError(f"a pattern has as many sizes as strides, got {wide} and {step}")
    if min(wide) < 1 or min(step) < 0:
        raise DesignError(f"sizes must be at least 1 and strides at least 0, got {wide} and {step}")
    for i in range(len(wide) - 1):
        if wide[i] > 1:
            break
        step[i] = 0
    return wide, step


class TensorAccessPattern:
    """One pattern over a tensor: offset, sizes and strides in elements, outermost first."""

    def __init__(self, tensor_dims: Sequence[int], offset: int, sizes: Sequence[int], strides: Sequence[int]) -> None:
        """Check and keep a pattern.

        Raises:
            DesignError: what `checked_dims` and `checked_pattern` refuse, or an offset outside the tensor.

        """
        self._tensor_dims = checked_dims(tensor_dims)
        if not 0 <= offset < prod(self._tensor_dims):
            raise DesignError(f"an offset of {offset} lies outside a tensor of {prod(self._tensor_dims)} elements")
        self._offset = int(offset)
        self._sizes, self._strides = checked_pattern(sizes, strides)

    @property
    def tensor_dims(self) -> Sequence[int]:
        """The sizes of the tensor."""
        return list(self._tensor_dims)

    @property
    def offset(self) -> int:
        """The first element."""
        return self._offset

    @property
    def sizes(self) -> Sequence[int]:
        """The sizes, outermost first."""
        return list(self._sizes)

    @property
    def strides(self) -> Sequence[int]:
        """The strides in elements, outermost first."""
        return list(self._strides)

    @property
    def transformation_dims(self) -> Sequence[tuple[int, int]]:
        """Pairs of size and stride, outermost first."""
        return list(zip(self._sizes, self._strides, strict=True))

    def access_generator(self) -> Iterator[int]:
        """Yield the elements in the order of access; past the end they begin anew, which no legal pattern needs."""
        total = prod(self._tensor_dims)
        for index in np.ndindex(*self._sizes):
            yield (self._offset + sum(i * s for i, s in zip(index, self._strides, strict=True))) % total

    def accesses(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return when each element is accessed last, -1 for never, and how often; both of the tensor's shape."""
        order = np.full(prod(self._tensor_dims), -1, np.int32)
        count = np.zeros_like(order)
        for at, element in enumerate(self.access_generator()):
            order[element] = at
            count[element] += 1
        return order.reshape(self._tensor_dims), count.reshape(self._tensor_dims)

    def access_order(self) -> NDArray[np.int32]:
        """Return when each element is accessed last."""
        return self.accesses()[0]

    def access_count(self) -> NDArray[np.int32]:
        """Return how often each element is accessed."""
        return self.accesses()[1]

    def compare_access_orders(self, other: TensorAccessPattern) -> bool:
        """Say whether two patterns access the same elements in the same order."""
        return list(self.access_generator()) == list(other.access_generator())

    def __str__(self) -> str:
        return f"offset {self._offset}, sizes {self._sizes}, strides {self._strides} of a tensor of {self._tensor_dims}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorAccessPattern) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self._offset, *self._sizes, *self._strides))


class TensorAccessSequence(Sequence[TensorAccessPattern]):
    """Patterns over one tensor, one after the other."""

    _taps: tuple[TensorAccessPattern, ...] = ()

    @classmethod
    def from_taps(cls, taps: Sequence[TensorAccessPattern]) -> TensorAccessSequence:
        """Return the sequence of the patterns; there is no other way to make one here."""
        made = cls()
        made._taps = tuple(taps)
        return made

    def __len__(self) -> int:
        return len(self._taps)

    def __getitem__(self, idx: Any) -> Any:
        return self._taps[idx]
