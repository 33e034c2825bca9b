"""Dataclasses to plain values and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgpack
import pytest

from amanuensis.stream.plain import PlainError, from_plain, to_plain


@dataclass(frozen=True)
class Inner:
    """A part."""

    n: int
    name: str | int

    def __post_init__(self) -> None:
        if self.n == 13:
            raise ValueError("13 brings bad luck")


@dataclass(frozen=True)
class Outer:
    """A whole with one field of each kind."""

    share: float
    yes: bool
    blob: bytes
    kind: Literal["a", "b"] | None
    inner: Inner
    many: tuple[Inner, ...]
    nested: tuple[tuple[int, ...], ...]
    extra: Mapping[str, Any]


WHOLE = Outer(0.5, True, b"\x00", "a", Inner(1, "x"), (Inner(2, 3),), ((1, 2), ()), {"k": ("v", "w"), "n": None})


def test_there_and_back_through_msgpack() -> None:
    """What comes back is equal, its lists tuples again."""
    assert from_plain(Outer, msgpack.unpackb(msgpack.packb(to_plain(WHOLE))), "it") == WHOLE


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (0, "much", "it.share 'much' is not allowed: it must be a number"),
        (0, float("nan"), "it.share nan is not allowed: it must be a number"),
        (1, 1, "it.yes 1 is not allowed: it must be bool"),
        (2, "text", "it.blob 'text' is not allowed: it must be bytes"),
        (3, "c", "it.kind 'c' is not allowed: it must be 'a' or 'b'"),
        (4, [1], r"it.inner \[1\] is not allowed: it must be a list of 2 values"),
        (4, [True, "x"], "it.inner.n True is not allowed: it must be a whole number"),
        (4, [2**63, "x"], "it.inner.n 9223372036854775808 is not allowed"),
        (4, [1, 1.5], "it.inner.name 1.5 is not allowed: it must be str"),
        (4, [13, "x"], "it.inner: 13 brings bad luck"),
        (5, [[2, 3], [4, None]], r"it.many\[1\].name None is not allowed"),
        (6, [[1], 2], r"it.nested\[1\] 2 is not allowed: it must be a list"),
        (7, [], r"it.extra \[\] is not allowed: it must be a map"),
        (7, {1: 2}, "it.extra {1: 2} is not allowed: it must be a map"),
    ],
)
def test_what_does_not_fit_is_named(field: int, value: object, message: str) -> None:
    """The message says where, what is there and what should be."""
    plain = to_plain(WHOLE)
    plain[field] = value
    with pytest.raises(PlainError, match=message):
        from_plain(Outer, plain, "it")


def test_long_values_are_cut_in_messages() -> None:
    """A message stays one short line whatever the value is."""
    with pytest.raises(PlainError) as caught:
        from_plain(Inner, "x" * 10_000, "it")
    assert len(str(caught.value)) < 120
