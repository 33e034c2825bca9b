"""Layers of settings into trees of dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from amanuensis.daemon.settings import ConfigError, build, check_keys, convert, flatten, leaf_types


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
    assert flatten({"a": {"b": 1, "c": {"d": [2]}}, "e": 3, "f": {}}) == {"a.b": 1, "a.c.d": [2], "e": 3, "f": {}}


def test_leaves_of_a_tree() -> None:
    """Every setting of a tree is known by its dotted key and type."""
    assert leaf_types(Outer) == {"name": str, "inner.size": int}


def test_unknown_key_suggests_the_nearest() -> None:
    """A typing error is named with what was probably meant."""
    with pytest.raises(ConfigError, match=r"^here: unknown setting 'inner\.sise' \(did you mean 'inner\.size'\?\)$"):
        check_keys({"inner.sise": 1}, leaf_types(Outer), lambda _: "here")


@pytest.mark.parametrize(
    ("values", "wrong"), [({"inner": {}}, None), ({"iner": {}}, "iner"), ({"inner": [{}]}, "inner")]
)
def test_tables_without_settings_are_looked_at_too(values: dict[str, Any], wrong: str | None) -> None:
    """An empty section that exists is well; one that does not, and a list of tables, are refused."""
    if wrong is None:
        check_keys(values, leaf_types(Outer), lambda _: "here")
    else:
        with pytest.raises(ConfigError, match=f"here: unknown setting '{wrong}'"):
            check_keys(values, leaf_types(Outer), lambda _: "here")


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
        ("a", str | tuple[str, ...], "a"),
        ("a, b", str | tuple[str, ...], ("a", "b")),
        (["a"], str | tuple[str, ...], ("a",)),
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
        (5, str | tuple[str, ...], "text in quotes, or a list of such"),
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


def test_a_message_names_the_layers_of_the_settings_it_speaks_of() -> None:
    """A setting whose name is a part of another's is not mistaken for it."""

    @dataclass(frozen=True)
    class Two:
        """Settings with like names."""

        token: str = ""
        tokens: str = ""

        def __post_init__(self) -> None:
            raise ValueError("tokens are not allowed")

    with pytest.raises(ConfigError, match=r"^tokens are not allowed \(from b\)$"):
        build(Two, {}, {"token": "a", "tokens": "b"})
