"""What a voice that is enrolled may be called."""

from __future__ import annotations

import pytest

from amanuensis.daemon.voice_name import VoiceNameError, as_voice_name


@pytest.mark.parametrize(
    "text",
    ["", "  ", "A", "ZZ", " B ", "x" * 41, "a\x1b[0m", "a\u202eb", "a\u200bb", "\u0301a", "\udcff", "\ue000", "a\x00b"],
)
def test_names_that_are_none(text: str) -> None:
    """Letters are what voices without a name are called, and nothing may steer a terminal or turn a line round."""
    with pytest.raises(VoiceNameError, match="is not allowed: give 1 to 40 printable characters") as caught:
        as_voice_name(text)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (" Anna\t", "Anna"),
        ("Kim  \n Lee", "Kim Lee"),
        ("Bjo\u0308rn", "Bj\xf6rn"),
        ("\u674e\u3000\u5a1c", "\u674e \u5a1c"),
        ("../x", "../x"),  # names are no paths
        ("ABC", "ABC"),
        ("o\u0308" * 40, "\xf6" * 40),
    ],
)
def test_a_name_is_kept_in_one_way_of_writing(text: str, name: str) -> None:
    """Composed, with one space between words: who looks the same is the same."""
    assert as_voice_name(text) == as_voice_name(name) == name
