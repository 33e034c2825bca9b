"""Words as agreement compares them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.stream.normalise import normalise_word


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" Hello,", "hello"),
        ("HELLO", "hello"),
        ("“quoted”", "quoted"),
        (" don't", "dont"),
        (" -", ""),
        ("...", ""),
        ("50%", "50%"),
        ("$5", "$5"),
        ("５", "5"),  # noqa: RUF001 - a full-width digit
        ("Straße", "strasse"),
        ("日本。", "日本"),
        ("हिन्दी", "हिन्दी"),
    ],
)
def test_words(text: str, expected: str) -> None:
    """Case and punctuation go, what is read out stays."""
    assert normalise_word(text) == expected


@given(st.text(max_size=20))
def test_it_is_stable(text: str) -> None:
    """A normalised word has no spaces and no punctuation."""
    found = normalise_word(text)
    assert not any(char.isspace() for char in found)
    assert found == normalise_word(f" {text}, ")
