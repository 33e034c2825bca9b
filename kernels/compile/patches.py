"""What varies in the words of a launch: found by making it at several settings, and put in by the host.

Every word must be affine in the variables, modulo 2**32: words[at] = constant + sum of coefficients times values. A
launch for which that does not hold is refused when it is built.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.compile.errors import CompileError
from amanuensis.kernels.compile.template import FIRST_BYTES, Kind, Template, Variable

Words = NDArray[np.uint32]
HEADER_WORDS: Final = 4  # of a transaction stream: version, tiles, operations, bytes (mlir-aie AIETargetNPU.cpp)
OPERATIONS, BYTES = 2, 3
CHECKS: Final = 1  # settings of all variables at once, beside those that tell them apart
_BASE_STEP: Final = 64 * 1013  # bytes by which a base is moved; nothing else moves a word by that
_SEED: Final = 20
_TRIES: Final = 64


class PatchError(ValueError):
    """Words that cannot be patched: damaged, or a value that the launch was not made for."""


@dataclass(frozen=True)
class Patches:
    """Which words depend on which variable.

    Attributes:
        at: places of words, int32 [n].
        variables: int32 [n].
        coefficients: int32 [n].

    """

    at: NDArray[np.int32]
    variables: NDArray[np.int32]
    coefficients: NDArray[np.int32]

    def to_bytes(self) -> bytes:
        """Return the file: rows of place, variable and coefficient, little-endian int32."""
        return np.stack([self.at, self.variables, self.coefficients], axis=1).astype("<i4").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes, n_words: int, n_variables: int) -> Patches:
        """Return the patches of a file; PatchError when they are not of so many words and variables."""
        if len(data) % 12:
            raise PatchError(f"patches of {len(data)} bytes; a multiple of 12 is needed")
        at, variables, coefficients = np.frombuffer(data, "<i4").reshape(-1, 3).T
        for what, numbers, count in (("word", at, n_words), ("variable", variables, n_variables)):
            if numbers.size and not (numbers.min() >= 0 and numbers.max() < count):
                raise PatchError(f"a patch of {what} {numbers.max()} or {numbers.min()}; the launch has {count}")
        return cls(at, variables, coefficients)

    @classmethod
    def joined(cls, parts: Sequence[Patches]) -> Patches:
        """Return all patches of several."""
        return cls(
            np.concatenate([part.at for part in parts]),
            np.concatenate([part.variables for part in parts]),
            np.concatenate([part.coefficients for part in parts]),
        )

    def apply(self, words: Words, values: Sequence[int] | NDArray[np.int64]) -> Words:
        """Return words with the values of all variables put in."""
        made = words.astype(np.int64)
        np.add.at(made, self.at, self.coefficients.astype(np.int64) * np.asarray(values, np.int64)[self.variables])
        return (made & 0xFFFFFFFF).astype(np.uint32)


def settings_of(template: Template) -> list[tuple[int, ...]]:
    """Return the settings at which a launch is made, so that what each word depends on can be told apart.

    The first; all bases moved, each by another power of two of a step; all ids one more, then each by another number;
    every other variable alone; then all at once, as a check.
    """
    variables = template.variables
    first = tuple(_first(variable) for variable in variables)
    found = [first, tuple(_moved_base(*pair) for pair in zip(variables, first, strict=True))]
    if _of_kind(template, "id"):
        found.append(tuple(_id(*pair, 0) for pair in zip(variables, first, strict=True)))
        found.append(tuple(_id(*pair, pair[0].index) for pair in zip(variables, first, strict=True)))
    found += [(*first[:i], variables[i].most, *first[i + 1 :]) for i in _alone(template)]
    draw = random.Random(_SEED)
    return [*found, *(_drawn(variables, draw) for _ in range(CHECKS))]


def _of_kind(template: Template, kind: Kind) -> list[int]:
    return [i for i, variable in enumerate(template.variables) if variable.kind == kind]


def _alone(template: Template) -> list[int]:
    """Return the variables that are moved one at a time."""
    return [*_of_kind(template, "parameter"), *_of_kind(template, "tap")]


def _first(variable: Variable) -> int:
    """Return a setting that is small; parameters have unlike ones, since nothing is copied onto itself."""
    if variable.kind == "base":
        return FIRST_BYTES
    return min(variable.least + variable.index, variable.most) if variable.kind == "parameter" else variable.least


def _moved_base(variable: Variable, first: int) -> int:
    return first + (_BASE_STEP << variable.index) if variable.kind == "base" else first


def _id(variable: Variable, first: int, more: int) -> int:
    return min(1 + more, variable.most) if variable.kind == "id" else first


def _drawn(variables: Sequence[Variable], draw: random.Random) -> tuple[int, ...]:
    drawn: list[int] = []
    taken: set[int] = set()  # by parameters
    for variable in variables:
        if variable.kind == "base":
            drawn.append(FIRST_BYTES + variable.multiple * draw.randrange(1 << 10))
            continue
        tries = (draw.randint(variable.least, variable.most) for _ in range(_TRIES))
        drawn.append(next((each for each in tries if each not in taken), variable.least))
        taken |= {drawn[-1]} if variable.kind == "parameter" else set()
    return tuple(drawn)


def derived(template: Template, streams: Sequence[Words]) -> tuple[Words, Patches]:
    """Return the constants of the words, and the patches, from the streams at the settings of `settings_of`.

    Raises:
        CompileError: a stream has another length, or a word is not affine in the variables.

    """
    if any(stream.size != streams[0].size for stream in streams):
        raise CompileError(f"{template} on {template.configuration}: {_lengths(template, streams)}")
    settings = settings_of(template)
    values = np.array([_values(template, each) for each in settings], np.int64).reshape(len(settings), -1)
    found = _Coefficients(template, streams, values).all()
    n = len(template.variables)
    at = np.concatenate([np.flatnonzero(each) for each in found] or [np.zeros(0, np.int64)])
    which = np.repeat(np.arange(n), [np.count_nonzero(each) for each in found])
    patches = Patches(at.astype(np.int32), which.astype(np.int32), _nonzero(found).astype(np.int32))
    constants = patches.apply(streams[0], -values[0])
    for setting, value, stream in zip(settings, values, streams, strict=True):
        wrong = np.flatnonzero(patches.apply(constants, value) != stream)
        if wrong.size:
            raise CompileError(f"{template} on {template.configuration}: word {wrong[0]} is not affine at {setting}")
    return constants, patches


def _values(template: Template, setting: Sequence[int]) -> list[int]:
    return [template.value(variable, each) for variable, each in zip(template.variables, setting, strict=True)]


def _nonzero(found: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([each[each != 0] for each in found] or [np.zeros(0, np.int64)])


class _Coefficients:
    """By how much each word changes for one more of each variable."""

    def __init__(self, template: Template, streams: Sequence[Words], values: NDArray[np.int64]) -> None:
        self._template, self._values = template, values
        first = streams[0].astype(np.int64)
        self._changes = [_signed(stream.astype(np.int64) - first) for stream in streams]
        self._found = [np.zeros_like(first) for _ in template.variables]

    def all(self) -> list[NDArray[np.int64]]:
        """Return them, int64 [words] each; CompileError where a word changes by no whole multiple."""
        self._bases(self._changes[1])
        ids = _of_kind(self._template, "id")
        if ids:
            self._ids(ids, self._changes[2], self._changes[3])
        for number, i in enumerate(_alone(self._template), 2 + 2 * bool(ids)):
            step = int(self._values[number, i] - self._values[0, i])
            self._found[i] = self._divided(self._changes[number], step, str(self._template.variables[i]))
        return self._found

    def _bases(self, change: NDArray[np.int64]) -> None:
        moved = self._divided(change, _BASE_STEP, "the bases")
        for i in _of_kind(self._template, "base"):
            self._found[i] = moved >> self._template.variables[i].index & 1

    def _ids(self, ids: Sequence[int], alike: NDArray[np.int64], apart: NDArray[np.int64]) -> None:
        """Tell by how much one more of any id changes a word, and whose word it is by how far that id was moved."""
        for i in ids:
            steps = self._values[3, i] - self._values[0, i]
            self._found[i] = np.where((alike != 0) & (apart == alike * steps), alike, 0)

    def _divided(self, change: NDArray[np.int64], step: int, what: str) -> NDArray[np.int64]:
        wrong = np.flatnonzero(change % step if step else change)
        if wrong.size:
            name = f"{self._template} on {self._template.configuration}"
            raise CompileError(f"{name}: word {wrong[0]} is not affine in {what}")
        return np.asarray(change // (step or 1))


def _signed(change: NDArray[np.int64]) -> NDArray[np.int64]:
    return (change + (1 << 31)) % (1 << 32) - (1 << 31)


def _lengths(template: Template, streams: Sequence[Words]) -> str:
    settings = settings_of(template)
    at = next(i for i, stream in enumerate(streams) if stream.size != streams[0].size)
    return f"{streams[at].size} words at {settings[at]}, and {streams[0].size} at {settings[0]}"


def chained(streams: Sequence[Words]) -> Words:
    """Return one stream that does what several of the same configuration do, one after another.

    Raises:
        PatchError: a stream is truncated, or they are of different kinds.

    """
    for stream in streams:
        if stream.size < HEADER_WORDS or int(stream[BYTES]) != stream.nbytes:
            raise PatchError(f"instructions of {stream.nbytes} bytes say that they have {_said(stream)}")
        if (stream[:OPERATIONS] != streams[0][:OPERATIONS]).any():
            raise PatchError("instructions of two kinds of device in one stream")
    joined = np.concatenate([streams[0][:HEADER_WORDS], *(stream[HEADER_WORDS:] for stream in streams)])
    joined[OPERATIONS] = sum(int(stream[OPERATIONS]) for stream in streams)
    joined[BYTES] = joined.nbytes
    return joined


def _said(stream: Words) -> str:
    return f"{int(stream[BYTES])}" if stream.size > BYTES else "no header"
