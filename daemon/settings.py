"""Trees of dataclasses filled from layers of settings: TOML files, the environment, the command line.

Pure. A key is written with dots, as in `stream.endpoint.silence_ms`.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from amanuensis.daemon.fields import is_utf8, nearest, show

Tree = TypeVar("Tree")
TRUE: Final = ("true", "yes", "on", "1")
FALSE: Final = ("false", "no", "off", "0")


class ConfigError(Exception):
    """A setting is wrong; the message names where it stands, its key, its value and what is allowed."""


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as one mapping from dotted keys to values; an empty table stands there as itself."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        key = f"{prefix}{name}"
        flat |= flatten(value, f"{key}.") if isinstance(value, dict) and value else {key: value}
    return flat


def leaf_types(tree: type[Any], prefix: str = "") -> dict[str, Any]:
    """Return the type of every setting of a dataclass tree by its dotted key."""
    leaves: dict[str, Any] = {}
    hints = get_type_hints(tree)
    for f in fields(tree):
        key, hint = f"{prefix}{f.name}", hints[f.name]
        leaves |= leaf_types(hint, f"{key}.") if is_dataclass(hint) and isinstance(hint, type) else {key: hint}
    return leaves


def check_keys(values: Mapping[str, Any], known: Mapping[str, Any], place: Callable[[str], str]) -> None:
    """Refuse keys that do not exist.

    Args:
        values: by dotted key; an empty table is one of the known sections.
        known: all that exist.
        place: says where a key stands.

    Raises:
        ConfigError: names the key and the known one most like it.

    """
    sections = {key[:at] for key in known for at in range(len(key)) if key[at] == "."}
    for key, value in values.items():
        if key not in (sections if value == {} else known):
            alike = nearest(key, known if "." in key else {*known, *sections})
            hint = alike or "; `amanuensis serve --check` prints all"
            raise ConfigError(f"{place(key)}: unknown setting {show(key)}{hint}")


def convert(value: Any, hint: Any, where: str) -> Any:
    """Return a value as the type of its setting; text from the environment or a flag is read as that type.

    Raises:
        ConfigError: the value does not fit.

    """
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _convert_optional(value, args, where)
    if origin is Literal:
        if value not in args:
            raise _wrong(value, where, "one of " + ", ".join(repr(arg) for arg in args))
        return value
    if origin is tuple:
        items = [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value
        if not isinstance(items, list):
            raise _wrong(value, where, "a list")
        return tuple(convert(item, args[0], where) for item in items)
    return _convert_scalar(value, hint, where)


def _convert_optional(value: Any, args: tuple[Any, ...], where: str) -> Any:
    if type(None) in args and (value is None or value == ""):
        return None
    hints = [arg for arg in args if arg is not type(None)]
    if len(hints) == 1:
        return convert(value, hints[0], where)
    single, several = hints  # a setting that may be one or a list
    is_list = isinstance(value, list) or (isinstance(value, str) and "," in value)
    if not is_list and not isinstance(value, str):
        raise _wrong(value, where, "text in quotes, or a list of such")
    return convert(value, several if is_list else single, where)


def _convert_scalar(value: Any, hint: Any, where: str) -> Any:
    if hint is bool:
        text = str(value).lower()
        if isinstance(value, bool | str) and text in TRUE + FALSE:
            return text in TRUE
        raise _wrong(value, where, "true or false")
    if hint in (int, float):
        number = _number(value, hint)
        if number is None:
            raise _wrong(value, where, "a whole number" if hint is int else "a number")
        return number
    if isinstance(value, str) and not is_utf8(value):
        raise _wrong(value, where, "text in UTF-8")
    if isinstance(value, str):
        return Path(value).expanduser() if hint is Path else value
    raise _wrong(value, where, "text in quotes")


def _number(value: Any, hint: type[int] | type[float]) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, float) and hint is int:
        return None
    try:
        return hint(value)
    except ValueError:
        return None


def _wrong(value: Any, where: str, allowed: str) -> ConfigError:
    return ConfigError(f"{where} is {show(value)}; it must be {allowed}")


def build(tree: type[Tree], values: Mapping[str, Any], places: Mapping[str, str], prefix: str = "") -> Tree:
    """Make a dataclass tree from converted values by dotted key; what is not given keeps its default.

    Args:
        tree: a dataclass whose fields are settings or such dataclasses.
        values: by dotted key.
        places: where each of them stands, for errors.
        prefix: of the keys of this tree.

    Raises:
        ConfigError: a dataclass refused its values with a ValueError.

    """
    hints = get_type_hints(tree)
    arguments: dict[str, Any] = {}
    for f in fields(tree):  # type: ignore[arg-type]  # Tree is always a dataclass here
        key = f"{prefix}{f.name}"
        if is_dataclass(hints[f.name]):
            arguments[f.name] = build(hints[f.name], values, places, f"{key}.")
        elif key in values:
            arguments[f.name] = values[key]
    try:
        return tree(**arguments)
    except ValueError as error:
        given = {places[key] for key in places if _is_named(key, prefix, str(error))}
        section = f"[{prefix.rstrip('.')}] " if prefix else ""
        where = f" (from {', '.join(sorted(given))})" if given else ""
        raise ConfigError(f"{section}{error}{where}") from None


def _is_named(key: str, prefix: str, message: str) -> bool:
    """Whether a message about the settings below `prefix` speaks of this one."""
    return key.startswith(prefix) and bool(re.search(rf"\b{re.escape(key.removeprefix(prefix))}\b", message))
