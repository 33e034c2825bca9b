"""What every setting is: key, default, unit or kind and meaning, read from the dataclasses of the configuration.

The tables of docs/config.md and the manual page amanuensis(5) are made of it. Texts mark what is typed with backticks.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

UNITS: Final = {"_s": "s", "_ms": "ms", "_bytes": "bytes", "_db": "dB", "_dbfs": "dBFS", "_per_s": "1/s"}
NAMES: Final = {str: "text", int: "whole number", float: "number", bool: "true or false"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of a section."""

    key: str
    default: str  # as a file would have it
    kind: str  # the unit where the key has one, else what is written
    meaning: str


def sections(tree: type[Any], name: str = "") -> Iterator[tuple[str, list[Setting]]]:
    """Yield each section of a dataclass tree that has keys, in the order of `amanuensis serve --check`."""
    hints, meanings = get_type_hints(tree), attributes(tree)
    leaves = [f for f in fields(tree) if not is_dataclass(hints[f.name])]
    if leaves:
        yield name, [Setting(f.name, default(f), kind(f.name, hints[f.name]), meanings[f.name]) for f in leaves]
    for f in fields(tree):
        if is_dataclass(hints[f.name]):
            yield from sections(hints[f.name], f"{name}.{f.name}".lstrip("."))


def attributes(tree: type[Any]) -> dict[str, str]:
    """Return what the docstring says of each attribute."""
    _, _, text = inspect.cleandoc(tree.__doc__ or "").partition("Attributes:\n")
    found = re.findall(r"^    ([a-z][\w, ]*): (.*(?:\n {8}.*)*)", text.partition("\nRaises:")[0], re.MULTILINE)
    return {name: said(meaning) for names, meaning in found for name in names.split(", ")}


def said(meaning: str) -> str:
    """Return a meaning on one line, in the words of a file."""
    return " ".join(meaning.split()).replace("None:", "not set:")


def default(field: Field[Any]) -> str:
    """Return the default as the file would have it."""
    assert field.default is not MISSING, field.name
    return "not set" if field.default is None else f"`{json.dumps(field.default, ensure_ascii=False)}`"


def kind(name: str, hint: Any) -> str:
    """Return the unit where the name has one, else what is written."""
    for suffix in sorted(UNITS, key=len, reverse=True):
        if name.endswith(suffix):
            return UNITS[suffix]
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(kind(name, arg) for arg in get_args(hint) if arg is not type(None))
    if get_origin(hint) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(hint))
    if get_origin(hint) is tuple:
        return f"list of {NAMES[get_args(hint)[0]]}{'' if get_args(hint)[0] is str else 's'}"
    return NAMES[hint]
