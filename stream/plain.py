"""Frozen dataclasses to plain values that msgpack and JSON can carry, and back, validated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

__all__ = ["PlainError", "from_plain", "to_plain"]

T = TypeVar("T")
MAX_INTEGER: Final = 2**62  # msgpack ends at 64 bits; no count of samples comes near
SCALARS: Final = (bool, int, float, str, bytes)


class PlainError(ValueError):
    """A plain value is not what it should be; the message says where, what it is and what is expected."""


def to_plain(value: Any) -> Any:
    """Return a dataclass as the list of its fields' values, a tuple as a list, all the way down."""
    if is_dataclass(value) and not isinstance(value, type):
        return [to_plain(getattr(value, name)) for name in _types(type(value))]
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    return value


def from_plain(kind: type[T], plain: Any, where: str) -> T:
    """Return what `to_plain` made of a value of type `kind`.

    Args:
        kind: a dataclass whose fields are scalars, `Literal`s, tuples of one type, unions of these, mappings of names
            to scalars, and such dataclasses.
        plain: the plain value.
        where: its name in messages.

    Raises:
        PlainError: it is something else.

    """
    types = _types(cast("Any", kind))
    if not isinstance(plain, list | tuple) or len(plain) != len(types):
        raise PlainError(f"{where} {_short(plain)} is not allowed: it must be a list of {len(types)} values")
    values = {
        name: _value(hint, item, f"{where}.{name}") for (name, hint), item in zip(types.items(), plain, strict=True)
    }
    try:
        return kind(**values)
    except PlainError:
        raise
    except ValueError as error:
        raise PlainError(f"{where}: {error}") from error


def _value(hint: Any, plain: Any, where: str) -> Any:
    origin = get_origin(hint)
    if origin in {Union, UnionType}:
        return _of_union(get_args(hint), plain, where)
    if origin is Literal:
        return _checked(plain in get_args(hint), plain, where, " or ".join(map(repr, get_args(hint))))
    if origin is tuple:
        _checked(isinstance(plain, list | tuple), plain, where, "a list")
        return tuple(_value(get_args(hint)[0], item, f"{where}[{k}]") for k, item in enumerate(plain))
    if is_dataclass(hint):
        return from_plain(cast("type[Any]", hint), plain, where)
    if origin is not None and issubclass(origin, Mapping):
        _checked(isinstance(plain, Mapping) and all(isinstance(key, str) for key in plain), plain, where, "a map")
        return {key: tuple(item) if isinstance(item, list) else item for key, item in plain.items()}
    return _scalar(hint, plain, where)


def _of_union(hints: tuple[Any, ...], plain: Any, where: str) -> Any:
    if plain is None and NoneType in hints:
        return None
    for hint in hints:
        if hint in SCALARS and type(plain) is hint:
            return _scalar(hint, plain, where)
    return _value(next(hint for hint in hints if hint is not NoneType), plain, where)


def _scalar(hint: Any, plain: Any, where: str) -> Any:
    if hint is float and type(plain) is int:
        return float(plain)
    sane = type(plain) is hint
    if sane and hint is int:
        sane = abs(plain) <= MAX_INTEGER
    if sane and hint is float:
        sane = math.isfinite(plain)
    return _checked(sane, plain, where, {int: "a whole number", float: "a number"}.get(hint, hint.__name__))


def _checked(allowed: bool, plain: Any, where: str, expected: str) -> Any:
    if not allowed:
        raise PlainError(f"{where} {_short(plain)} is not allowed: it must be {expected}")
    return plain


def _short(plain: Any) -> str:
    text = repr(plain)
    return text if len(text) <= 40 else f"{text[:37]}..."


@cache
def _types(kind: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}
