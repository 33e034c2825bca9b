"""Loops and branches of the hardware, after mlir-aie `python/iron/controlflow.py` and `python/helpers/dialects/scf.py`.

The real compiler runs a core function once: the index of a loop and what is compared with it are values that only the
core knows. They are numbers here, but deciding with them in Python raises, as it would silently go wrong there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, NoReturn

import numpy as np

from amanuensis.kernels.sim import context
from amanuensis.kernels.sim.errors import DesignError


class Condition:
    """A truth that only the core knows; `if_` takes it."""

    __slots__ = ("_value",)

    def __init__(self, value: bool) -> None:
        self._value = bool(value)

    def __bool__(self) -> NoReturn:
        raise DesignError("Python cannot decide by the index of a range_ loop: use if_, or range, which is unrolled")


class Index(int):
    """The index of a `range_` loop."""

    def _same(self, value: object) -> Any:
        return Index(value) if type(value) is int else value

    def __add__(self, other: Any) -> Any:
        return self._same(int.__add__(self, other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._same(int.__sub__(self, other))

    def __rsub__(self, other: Any) -> Any:
        return self._same(int.__rsub__(self, other))

    def __mul__(self, other: Any) -> Any:
        return self._same(int.__mul__(self, other))

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        return self._same(int.__floordiv__(self, other))

    def __mod__(self, other: Any) -> Any:
        return self._same(int.__mod__(self, other))

    def __eq__(self, other: object) -> Any:
        return Condition(bool(int.__eq__(self, other)))

    def __ne__(self, other: object) -> Any:
        return Condition(bool(int.__ne__(self, other)))

    def __lt__(self, other: int) -> Any:
        return Condition(int.__lt__(self, other))

    def __le__(self, other: int) -> Any:
        return Condition(int.__le__(self, other))

    def __gt__(self, other: int) -> Any:
        return Condition(int.__gt__(self, other))

    def __ge__(self, other: int) -> Any:
        return Condition(int.__ge__(self, other))

    def __bool__(self) -> NoReturn:
        raise DesignError("Python cannot decide by the index of a range_ loop: use if_, or range, which is unrolled")

    __hash__ = int.__hash__


def range_(*args: Any, iter_args: Any = None, insert_yield: bool = True, **kwargs: Any) -> Iterator[int]:
    """Loop on the core, or in the sequence; arguments as of `range`.

    Raises:
        DesignError: values carried from one round to the next (iter_args), which are not simulated, or no integers.

    """
    if iter_args is not None or not insert_yield or kwargs:
        raise DesignError("range_ with iter_args, insert_yield=False or other arguments is not simulated")
    if not 1 <= len(args) <= 3 or not all(isinstance(arg, int | np.integer) for arg in args):
        raise DesignError(f"range_ takes one to three integers, not {args}")
    indices = range(*(int(arg) for arg in args))
    core = context.core_or_none()
    yield from map(Index, indices) if core is None else core.loop(indices)


class _Skipped(BaseException):
    """Leaves the body of a branch that is not taken."""


class _Branch:
    """A body that may be left out. Python runs the body of every `with`, so that a line trace has to leave it."""

    def __init__(self, taken: bool, other: bool) -> None:
        self._taken, self.other = taken, other
        self._traces: tuple[Any, Any, FrameType] | None = None

    def __enter__(self) -> _Branch:
        if not self._taken:
            frame = sys._getframe(1)
            self._traces = sys.gettrace(), frame.f_trace, frame
            sys.settrace(lambda *_: None)
            frame.f_trace = _skip
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        if self._traces is not None:
            outer, inner, frame = self._traces
            sys.settrace(outer)
            frame.f_trace = inner
        return kind is _Skipped


def _skip(frame: FrameType, event: str, arg: Any) -> NoReturn:
    raise _Skipped


def if_(cond: Any, hasElse: bool = True, insert_yield: bool = True, loc: Any = None, ip: Any = None) -> _Branch:  # noqa: N803
    """Return the context of a body that the core runs if the condition holds; `else_` takes it for the other side.

    Raises:
        DesignError: not in a core function, or yields of one's own, which are not simulated.

    """
    if not insert_yield or loc is not None or ip is not None:
        raise DesignError("if_ with insert_yield=False, loc or ip is not simulated")
    value = cond._value if isinstance(cond, Condition) else bool(cond)
    taken, other = context.core("if_").condition(value)
    return _Branch(taken, other and hasElse)


def else_(if_op: _Branch, insert_yield: bool = True) -> _Branch:
    """Return the context of the other side of a branch."""
    if not insert_yield:
        raise DesignError("else_ with insert_yield=False is not simulated")
    return _Branch(if_op.other, False)
