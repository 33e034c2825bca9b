"""Overloads and conversions of arguments in the manner of pybind11, with which the real `pyxrt` is made.

A bound function tries its overloads in the order of their definition and raises TypeError when none takes the
arguments. Parameters without a name are positional only, as they are where the binding names none.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeVar

Kind = TypeVar("Kind", bound=type)


class CastError(Exception):
    """A value is not of the type that a parameter takes."""


class BoundEnum(Enum):
    """An enumeration as pybind11 makes one: converts to int, equals only its own kind."""

    def __int__(self) -> int:
        return int(self.value)

    __index__ = __int__


@dataclass(frozen=True, slots=True)
class Cast:
    """What a parameter takes: the name in the published source, and the conversion, which raises CastError."""

    name: str
    take: Callable[[object], Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an overload; its name is empty where it is positional only."""

    cast: Cast
    name: str = ""


def bound_as(name: str) -> Callable[[Kind], Kind]:
    """Give a class the name under which `pyxrt` has it."""

    def rename(kind: Kind) -> Kind:
        kind.__name__ = kind.__qualname__ = name
        return kind

    return rename


def instance_of(name: str, *kinds: type) -> Cast:
    """Return the cast to a bound class: nothing is converted."""

    def take(value: object) -> object:
        if not isinstance(value, kinds):
            raise CastError(name)
        return value

    return Cast(name, take)


def _integer(name: str, low: int, high: int) -> Cast:
    def take(value: object) -> int:
        if isinstance(value, (float, BoundEnum)):
            raise CastError(name)
        try:
            number = operator.index(value)  # type: ignore[arg-type]  # whatever is none raises
        except TypeError:
            raise CastError(name) from None
        if not low <= number <= high:
            raise CastError(name)
        return number

    return Cast(name, take)


def _never(_value: object) -> object:
    raise CastError("no conversion")


def _take_configuration(value: object) -> Mapping[str, int]:
    if not isinstance(value, dict):
        raise CastError("cfg_param_type")
    return {TEXT.take(key): UINT32.take(number) for key, number in value.items()}


INT32: Final = _integer("int", -(1 << 31), (1 << 31) - 1)
UINT32: Final = _integer("unsigned int", 0, (1 << 32) - 1)
SIZE: Final = _integer("size_t", 0, (1 << 64) - 1)
TEXT: Final = instance_of("std::string", str)
C_STRING: Final = instance_of("char *", str)
BYTES: Final = Cast("py::buffer", lambda value: value)  # the buffer protocol itself says what it does not take
CONFIGURATION: Final = Cast("cfg_param_type", _take_configuration)
# `pyxrt` includes neither pybind11/chrono.h nor pybind11/functional.h: such a parameter takes nothing at all.
MILLISECONDS: Final = Cast("std::chrono::milliseconds", _never)
CALLBACK: Final = Cast("std::function", _never)
POINTER: Final = Cast("void *", _never)


@dataclass(frozen=True, slots=True)
class Overload:
    """One signature and what it calls."""

    parameters: tuple[Parameter, ...]
    function: Callable[..., Any]

    def take(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> list[Any] | None:
        """Return the converted arguments in order, or None when this overload does not take them."""
        if len(args) + len(kwargs) != len(self.parameters):
            return None
        rest = [parameter.name for parameter in self.parameters[len(args) :]]
        if any(name not in kwargs for name in rest):
            return None
        values = [*args, *(kwargs[name] for name in rest)]
        try:
            return [parameter.cast.take(value) for parameter, value in zip(self.parameters, values, strict=True)]
        except CastError:
            return None

    @property
    def text(self) -> str:
        """The signature as it is shown to who misses it."""
        return ", ".join(": ".join(filter(None, (p.name, p.cast.name))) for p in self.parameters)


class Overloads:
    """A bound method; `add` defines one more overload of it, `bind` one that is a function elsewhere."""

    def __init__(self) -> None:
        self.name = ""
        self.overloads: list[Overload] = []

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def add(self, *parameters: Parameter) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Return a decorator that makes its function the next overload."""

        def define(function: Callable[..., Any]) -> Callable[..., Any]:
            self.overloads.append(Overload(parameters, function))
            return function

        return define

    def __get__(self, instance: object, owner: type) -> Callable[..., Any]:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, instance: object, /, *args: object, **kwargs: object) -> Any:
        for overload in self.overloads:
            values = overload.take(args, kwargs)
            if values is not None:
                return overload.function(instance, *values)
        kind = type(instance).__name__
        allowed = "; ".join(f"({overload.text})" for overload in self.overloads)
        given = ", ".join([*map(_describe, args), *(f"{name}={_describe(value)}" for name, value in kwargs.items())])
        raise TypeError(f"pyxrt.{kind}.{self.name}: incompatible arguments ({given}); supported are {allowed}")


def _describe(value: object) -> str:
    return str(value) if isinstance(value, (int, float, str)) else type(value).__name__
