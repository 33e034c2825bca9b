"""The tables of docs/config.md, made from the dataclasses of the configuration.

`.venv/bin/python -m tests.helpers.configuration_table` writes them into the document.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from amanuensis.daemon.config import Config

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "config.md"
BEGIN, END = "<!-- tables: python -m tests.helpers.configuration_table -->", "<!-- end of tables -->"
UNITS = {"_s": "s", "_ms": "ms", "_bytes": "bytes", "_db": "dB", "_dbfs": "dBFS", "_per_s": "1/s"}
NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def tables() -> str:
    """Return one table for each section, in the order of `amanuensis serve --check`."""
    return "\n".join(line for section in sections(Config, "") for line in section)


def sections(tree: type[Any], name: str) -> Iterator[list[str]]:
    """Yield the lines of each section of a dataclass tree."""
    hints, meanings = get_type_hints(tree), attributes(tree)
    leaves = [f for f in fields(tree) if not is_dataclass(hints[f.name])]
    if leaves:
        head = [f"### `[{name}]`", "", "| key | default | unit or kind | meaning |", "|---|---|---|---|"]
        rows = [f"| `{f.name}` | {default(f)} | {kind(f.name, hints[f.name])} | {meanings[f.name]} |" for f in leaves]
        yield [*head, *rows, ""]
    for f in fields(tree):
        if is_dataclass(hints[f.name]):
            yield from sections(hints[f.name], f"{name}.{f.name}".lstrip("."))


def attributes(tree: type[Any]) -> dict[str, str]:
    """Return what the docstring says of each attribute."""
    _, _, text = inspect.cleandoc(tree.__doc__ or "").partition("Attributes:\n")
    found = re.findall(r"^    ([a-z][\w, ]*): (.*(?:\n {8}.*)*)", text.partition("\nRaises:")[0], re.MULTILINE)
    return {name: cell(meaning) for names, meaning in found for name in names.split(", ")}


def cell(meaning: str) -> str:
    """Return a meaning as one cell of a table."""
    return " ".join(meaning.split()).replace("|", "\\|").replace("None:", "not set:")


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


def main() -> None:
    """Write the tables into the document."""
    head, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    DOCUMENT.write_text(f"{head}{BEGIN}\n\n{tables()}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
