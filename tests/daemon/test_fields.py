"""Strict reading of one message's fields."""

from __future__ import annotations

from typing import Any

import pytest

from amanuensis.daemon.fields import FieldError, Fields, nearest, show


def test_known_fields_are_read() -> None:
    """Each kind of field gives its value; null is as good as left out."""
    fields = Fields(
        "m", {"a": "x", "n": 3, "w": ["p", "q"], "l": ["v"], "d": b"z", "o": {}, "u": None}, tuple("anwldou")
    )
    assert fields.text("a", 5) == "x"
    assert fields.secret("a", 5) == "x"
    assert fields.choice("a", ("y", "x")) == "x"
    assert fields.integer("n", 0, 3) == 3
    assert (fields.label("a", 5), fields.label("n", 5)) == ("x", 3)
    assert fields.texts("w", 2, 1) == ("p", "q")
    assert fields.choices("l", ("v", "w")) == {"v"}
    assert fields.data("d") == b"z"
    assert fields.mapping("o") == {}
    assert "a" in fields
    assert "u" not in fields


@pytest.mark.parametrize(
    ("read", "value", "words"),
    [
        (lambda f: f.text("x", 3), "long", "a string of at most 3 characters"),
        (lambda f: f.text("x", 3), "\ud800", "a string of at most 3 characters"),
        (lambda f: f.choice("x", ("a", "b")), 1, "one of a, b"),
        (lambda f: f.integer("x", 1, 5), 6, "a whole number from 1 to 5"),
        (lambda f: f.integer("x", 0, 5), True, "a whole number from 0 to 5"),
        (lambda f: f.integer("x", 0, 5), 2.0, "a whole number from 0 to 5"),
        (lambda f: f.label("x", 3), [], "or a whole number below 2^53"),
        (lambda f: f.texts("x", 1, 3), ["a", "b"], "a list of at most 1 strings"),
        (lambda f: f.choices("x", ("a",)), ["b"], "a list of a"),
        (lambda f: f.data("x"), "text", "never a list of numbers"),
        (lambda f: f.mapping("x"), [], "an object"),
        (lambda f: f.text("x", 3), None, "x is missing"),
    ],
)
def test_wrong_fields_are_named(read: Any, value: object, words: str) -> None:
    """The error says the message, the field, the value and what is allowed."""
    with pytest.raises(FieldError) as caught:
        read(Fields("hello", {"x": value}, ("x",)))
    assert str(caught.value).startswith("hello: x is ")
    assert words in str(caught.value)


def test_secret_is_not_repeated() -> None:
    """A secret of a wrong kind is named without its value."""
    with pytest.raises(FieldError) as caught:
        Fields("hello", {"auth": "geheim"}, ("auth",)).secret("auth", 3)
    assert str(caught.value) == "hello: auth must be a string of at most 3 characters"


def test_unknown_field_suggests_the_nearest() -> None:
    """An unknown field is refused with what was probably meant, and everything that is allowed."""
    with pytest.raises(FieldError, match=r"m: unknown field 'langs' \(did you mean 'lang'\?\); allowed: lang, task"):
        Fields("m", {"langs": 1}, ("lang", "task"))


def test_long_values_are_shortened() -> None:
    """However long a value is, its error is short."""
    assert len(show("x" * 1000)) < 70
    assert nearest("zzz", ["listen"]) == ""
