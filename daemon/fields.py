"""Strict reading of one message's fields: every error names the field, its value and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeGuard, TypeVar

Choice = TypeVar("Choice", bound=str)
SHOWN_CHARS = 60  # of a wrong value, so that an error cannot be made as long as a message


class FieldError(ValueError):
    """A field is missing, unknown, of the wrong type or out of its bounds."""


def show(value: object) -> str:
    """Return a short `repr` for an error message."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "..."


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean X?)` for the known name most like `name`, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def is_utf8(text: str) -> bool:
    """Whether UTF-8 can carry all characters: JSON and arguments of commands may have others."""
    return not any("\ud800" <= c <= "\udfff" for c in text)


def _is_text(value: object, max_chars: int) -> TypeGuard[str]:
    """Whether it is a string of at most so many characters, all of which UTF-8 can carry."""
    return isinstance(value, str) and len(value) <= max_chars and is_utf8(value)


class Fields:
    """The fields of one message, read by name with a type and bounds.

    Args:
        what: the message's name for errors, such as `hello.audio`.
        values: what came.
        known: the names of all fields that the message may have.

    Raises:
        FieldError: there is a field that is not known.

    """

    def __init__(self, what: str, values: Mapping[object, object], known: tuple[str, ...]) -> None:
        self._what = what
        self._values = values
        for name in values:
            if name not in known:
                hint = nearest(str(name), known)
                allowed = ", ".join(known) or "none"
                raise FieldError(f"{what}: unknown field {show(name)}{hint}; allowed: {allowed}")

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def wrong(self, name: str, allowed: str) -> FieldError:
        """Return the error for a field whose value is not allowed."""
        if name not in self:
            return FieldError(f"{self._what}: {name} is missing; it must be {allowed}")
        return FieldError(f"{self._what}: {name} is {show(self._values[name])}; it must be {allowed}")

    def text(self, name: str, max_chars: int) -> str:
        value = self._values.get(name)
        if not _is_text(value, max_chars):
            raise self.wrong(name, f"a string of at most {max_chars} characters")
        return value

    def secret(self, name: str, max_chars: int) -> str:
        """Read a string that no message may repeat."""
        value = self._values.get(name)
        if not _is_text(value, max_chars):
            raise FieldError(f"{self._what}: {name} must be a string of at most {max_chars} characters")
        return value

    def choice(self, name: str, allowed: tuple[Choice, ...]) -> Choice:
        value = self._values.get(name)
        for item in allowed:
            if item == value:
                return item
        raise self.wrong(name, "one of " + ", ".join(allowed))

    def integer(self, name: str, low: int, high: int) -> int:
        value = self._values.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(name, f"a whole number from {low} to {high}")
        return value

    def number(self, name: str, low: float, high: float) -> float:
        value = self._values.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(name, f"a number from {low:.16g} to {high:.16g}")
        return float(value)

    def flag(self, name: str) -> bool:
        value = self._values.get(name)
        if not isinstance(value, bool):
            raise self.wrong(name, "true or false")
        return value

    def label(self, name: str, max_chars: int) -> str | int:
        """Read an identifier of the client's own: a short string or a whole number."""
        value = self._values.get(name)
        if _is_text(value, max_chars):
            return value
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
            return value
        raise self.wrong(name, f"a string of at most {max_chars} characters or a whole number below 2^53")

    def texts(self, name: str, max_items: int, max_chars: int) -> tuple[str, ...]:
        value = self._values.get(name)
        if isinstance(value, list) and len(value) <= max_items:
            items = tuple(item for item in value if _is_text(item, max_chars))
            if len(items) == len(value):
                return items
        raise self.wrong(name, f"a list of at most {max_items} strings of at most {max_chars} characters each")

    def choices(self, name: str, allowed: tuple[str, ...]) -> frozenset[str]:
        value = self._values.get(name)
        if isinstance(value, list) and all(isinstance(item, str) and item in allowed for item in value):
            return frozenset(value)
        raise self.wrong(name, "a list of " + ", ".join(allowed))

    def data(self, name: str) -> bytes:
        value = self._values.get(name)
        if not isinstance(value, bytes):
            raise self.wrong(name, "binary data (msgpack `bin`), never a list of numbers")
        return value

    def mapping(self, name: str) -> Mapping[object, object]:
        value = self._values.get(name)
        if not isinstance(value, dict):
            raise self.wrong(name, "an object")
        return value
