"""Layers of settings into trees of dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from amanuensis.daemon.settings import ConfigError, build, check_keys, convert, flatten, leaf_types, read_toml


@dataclass(frozen=True)
class Inner:
    """A table of its own."""

    size: int = 1

    def __post_init__(self) -> None:
        if self.size > 9:
            raise ValueError(f"size {self.size} is not allowed: it must be at most 9")


@dataclass(frozen=True)
class Outer:
    """A tree."""

    name: str = "x"
    inner: Inner = field(default_factory=Inner)


def test_tables_become_dotted_keys() -> None:
    """Nested tables are one mapping."""
    assert flatten({"a": {"b": 1, "c": {"d": [2]}}, "e": 3}) == {"a.b": 1, "a.c.d": [2], "e": 3}


def test_leaves_of_a_tree() -> None:
    """Every setting of a tree is known by its dotted key and type."""
    assert leaf_types(Outer) == {"name": str, "inner.size": int}


def test_unknown_key_suggests_the_nearest() -> None:
    """A typing error is named with what was probably meant."""
    with pytest.raises(ConfigError, match=r"^here: unknown setting 'inner\.sise' \(did you mean 'inner\.size'\?\)$"):
        check_keys({"inner.sise": 1}, leaf_types(Outer), "here")


@pytest.mark.parametrize(
    ("value", "hint", "result"),
    [
        ("7", int, 7),
        (7, float, 7.0),
        ("0.5", float, 0.5),
        (True, bool, True),
        ("no", bool, False),
        ("a, b,", tuple[str, ...], ("a", "b")),
        ([0, 0.2], tuple[float, ...], (0.0, 0.2)),
        ("", int | None, None),
        ("4", int | None, 4),
        ("cpu", Literal["cpu", "npu"], "cpu"),
        ("/x", Path, Path("/x")),
    ],
)
def test_values_are_converted(value: Any, hint: Any, result: Any) -> None:
    """TOML values, and text of the environment, become the setting's type."""
    converted = convert(value, hint, "k")
    assert (converted, type(converted)) == (result, type(result))


@pytest.mark.parametrize(
    ("value", "hint", "allowed"),
    [
        ("seven", int, "a whole number"),
        (7.5, int, "a whole number"),
        (True, int, "a whole number"),
        ("1e", float, "a number"),
        (3, bool, "true or false"),
        ("perhaps", bool, "true or false"),
        (5, str, "text in quotes"),
        ("gpu", Literal["cpu", "npu"], "one of 'cpu', 'npu'"),
        (5, tuple[str, ...], "a list"),
        ([], int | None, "a whole number"),
    ],
)
def test_wrong_values_are_named(value: Any, hint: Any, allowed: str) -> None:
    """A value of another type is refused with what is allowed."""
    with pytest.raises(ConfigError, match="it must be") as caught:
        convert(value, hint, "file: key")
    assert str(caught.value) == f"file: key is {value!r}; it must be {allowed}"


def test_refused_values_name_their_layer() -> None:
    """A dataclass that refuses its value is told with the layer that gave it."""
    with pytest.raises(
        ConfigError, match=r"^\[inner\] size 10 is not allowed: it must be at most 9 \(from the file\)$"
    ):
        build(Outer, {"inner.size": 10}, {"inner.size": "the file"})


def test_missing_file_is_empty(tmp_path: Path) -> None:
    """A configuration file need not exist."""
    assert read_toml(tmp_path / "none.toml") == {}


@pytest.mark.parametrize("content", [b"a = ", b"\xff\xfe", b"[a]\n[a]\n"])
def test_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    """A file that is not TOML is refused by its path."""
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.toml: not a TOML file"):
        read_toml(path)


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    """A path that cannot be read is refused with the reason."""
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_toml(tmp_path)
