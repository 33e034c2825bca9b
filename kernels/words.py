"""Writing values as 32-bit words and reading them back, led by the type hints of dataclasses.

A bool, an int (signed), a float (float32) and the place of a Literal's value take one word, an Offset two (low word
first), a tuple of ints its length and its ints, a union the place of the member's type and the member, a dataclass its
fields in order.
"""

from __future__ import annotations

import dataclasses
import functools
import struct
import types
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

Offset: TypeAlias = Annotated[int, "two words"]

MAX_TUPLE: Final = 256
_WORD: Final = 1 << 32
_SIGNED: Final = range(-(1 << 31), 1 << 31)
_OFFSETS: Final = range(1 << 63)


class OpError(ValueError):
    """An operator or a stream of words that no machine can take."""


@functools.cache
def fields_of(kind: type) -> tuple[tuple[str, Any], ...]:
    """Return the names and the type hints of a dataclass, in order."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple((field.name, hints[field.name]) for field in dataclasses.fields(kind))


def write(words: list[int], hint: Any, value: Any, name: str) -> None:
    """Append a value of the hinted type; `name` is for the OpError of a value out of range."""
    origin = get_origin(hint)
    if hint is Offset:
        _check_range(value, _OFFSETS, name)
        words += [value % _WORD, value >> 32]
    elif hint is bool or hint is int:
        _check_range(value, _SIGNED, name)
        words.append(int(value) % _WORD)
    elif hint is float:
        words.append(_float_bits(value, name))
    elif origin is Literal:
        words.append(get_args(hint).index(value))
    elif origin is tuple:
        _write_tuple(words, value, name)
    elif origin in (Union, types.UnionType):
        place = _member(get_args(hint), value, name)
        words.append(place)
        write(words, get_args(hint)[place], value, name)
    elif hint is not type(None):
        for field, field_hint in fields_of(hint):
            write(words, field_hint, getattr(value, field), f"{name}.{field}")


def _check_range(value: int, allowed: range, name: str) -> None:
    if int(value) not in allowed:  # int(): a range looks through all its numbers for an IntEnum
        raise OpError(f"{name} is {value}; a stream holds {allowed.start} to {allowed.stop - 1}")


def _float_bits(value: float, name: str) -> int:
    try:
        return int.from_bytes(struct.pack("<f", value), "little")
    except OverflowError:
        raise OpError(f"{name} is {value}, which is beyond float32") from None


def _write_tuple(words: list[int], values: Sequence[int], name: str) -> None:
    if len(values) > MAX_TUPLE:
        raise OpError(f"{name} has {len(values)} values; at most {MAX_TUPLE} are allowed")
    words.append(len(values))
    for value in values:
        write(words, int, value, name)


def _member(members: tuple[Any, ...], value: Any, name: str) -> int:
    for place, member in enumerate(members):
        if type(value) is (get_origin(member) or member):
            return place
    raise OpError(f"{name} is {value!r}; allowed: {', '.join(getattr(m, '__name__', str(m)) for m in members)}")


class WordReader:
    """Reads values from words, in the order in which `write` wrote them."""

    def __init__(self, words: Sequence[int]) -> None:
        self._words = words
        self.place = 0

    def next(self, name: str) -> int:
        """Return the next word; OpError at the end."""
        if self.place >= len(self._words):
            raise OpError(f"{name} lies beyond the last of {len(self._words)} words")
        self.place += 1
        return self._words[self.place - 1]

    def read(self, hint: Any, name: str) -> Any:
        """Return a value of the hinted type; OpError when the words cannot be one."""
        if hint in (Offset, bool, int, float):
            return self._scalar(hint, name)
        origin, members = get_origin(hint), get_args(hint)
        if origin is tuple:
            return tuple(self.read(int, name) for _ in range(self._below(MAX_TUPLE + 1, name)))
        if origin is Literal:
            return members[self._below(len(members), name)]
        if origin in (Union, types.UnionType):
            return self.read(members[self._below(len(members), name)], name)
        if hint is type(None):
            return None
        return hint(*(self.read(field_hint, f"{name}.{field}") for field, field_hint in fields_of(hint)))

    def _scalar(self, hint: Any, name: str) -> int | float | bool:
        if hint is bool:
            return bool(self._below(2, name))
        word = self.next(name)
        if hint is Offset:
            return word | self.next(name) << 32
        if hint is float:
            return float(struct.unpack("<f", word.to_bytes(4, "little"))[0])
        return word - _WORD if word >= _WORD >> 1 else word

    def _below(self, limit: int, name: str) -> int:
        word = self.next(name)
        if word >= limit:
            raise OpError(f"{name} is the word {word}; allowed are 0 to {limit - 1}")
        return word
