"""What Python does while a piece of the program runs: its calls, and what is done by some functions of interest."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final, Self

import amanuensis.benchmarks
import amanuensis.daemon
import amanuensis.kernels
import amanuensis.npu
import amanuensis.stream
from amanuensis.benchmarks.guard.array_tally import ArrayTally

_PARTS: Final = (amanuensis.daemon, amanuensis.kernels, amanuensis.npu, amanuensis.stream)
OURS: Final = tuple(f"{Path(place)}/" for part in _PARTS for place in part.__path__)
MEASURING: Final = tuple(f"{Path(place)}/" for place in amanuensis.benchmarks.__path__)

Watched = Callable[[Mapping[str, Any]], int]  # from the arguments of a call to an amount


@dataclass(slots=True)
class Work:
    """What was done: calls of Python functions that are ours or called by ours, of C functions by ours, arrays made."""

    entered: int = 0
    python_calls: int = 0
    c_calls: int = 0
    arrays: int = 0
    array_bytes: int = 0

    def add(self, now: Work, before: Work) -> None:
        """Count one more run, from the readings at its end and its beginning."""
        self.entered += 1
        self.python_calls += now.python_calls - before.python_calls
        self.c_calls += now.c_calls - before.c_calls
        self.arrays += now.arrays - before.arrays
        self.array_bytes += now.array_bytes - before.array_bytes


class Meter:
    """Counts while it is entered as a context.

    Args:
        sections: functions by the section of the program that they are; one that another of the same section called
            counts once.
        watched: by name, a function and what is counted of each call of it, from its arguments.
        c_functions: names of C functions whose calls are counted, whoever calls them.

    Attributes:
        sections: what was done in each, what it called included.
        amounts: of the watched functions and the C functions, by name.

    """

    def __init__(
        self,
        sections: Mapping[str, Iterable[Callable[..., Any]]],
        watched: Mapping[str, tuple[Callable[..., Any], Watched]],
        c_functions: Iterable[str],
    ) -> None:
        self.sections = {name: Work() for name in sections}
        self.amounts: Counter[str] = Counter(dict.fromkeys((*watched, *c_functions), 0))
        self._section_of = {_code(each): name for name, some in sections.items() for each in some}
        self._watched: dict[CodeType, list[tuple[str, Watched]]] = {}
        for name, (function, amount) in watched.items():
            self._watched.setdefault(_code(function), []).append((name, amount))
        self._c_functions = frozenset(c_functions)
        self._open: dict[str, tuple[FrameType, Work]] = {}  # by section: its outermost frame, readings at its start
        self._origins: dict[CodeType, str] = {}
        self._arrays = ArrayTally()
        self._python_calls = 0
        self._c_calls = 0

    def __enter__(self) -> Self:
        self._arrays.__enter__()
        sys.setprofile(self._see)
        return self

    def __exit__(self, *exception: object) -> None:
        sys.setprofile(None)
        self._arrays.__exit__(*exception)

    def _see(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "call":
            self._called(frame)
        elif event == "return":
            self._returned(frame)
        elif event == "c_call":
            self._c_calls += self._origin(frame.f_code) == "ours"
            name = getattr(arg, "__name__", "")
            if name in self._c_functions:
                self.amounts[name] += 1

    def _called(self, frame: FrameType) -> None:
        code, caller = frame.f_code, frame.f_back
        section = self._section_of.get(code)
        if section is not None and section not in self._open:
            self._open[section] = frame, self._readings()
        origin = self._origin(code)
        by_ours = caller is not None and self._origin(caller.f_code) == "ours"
        self._python_calls += origin == "ours" or (by_ours and origin == "other")
        for name, amount in self._watched.get(code, ()):
            self.amounts[name] += amount(frame.f_locals)

    def _returned(self, frame: FrameType) -> None:
        section = self._section_of.get(frame.f_code)
        if section is not None and self._open.get(section, (None,))[0] is frame:
            _, before = self._open.pop(section)
            self.sections[section].add(self._readings(), before)

    def _readings(self) -> Work:
        return Work(0, self._python_calls, self._c_calls, self._arrays.arrays, self._arrays.bytes)

    def _origin(self, code: CodeType) -> str:
        """Return whose a function is; what `dataclass` makes is "other", and counts where ours calls it."""
        origin = self._origins.get(code)
        if origin is None:
            file = code.co_filename
            origin = "ours" if file.startswith(OURS) else "measuring" if file.startswith(MEASURING) else "other"
            self._origins[code] = origin
        return origin


def _code(function: Callable[..., Any]) -> CodeType:
    code: CodeType = function.__code__
    return code
