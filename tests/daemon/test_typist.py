"""Typing: stand-in tools that write down what they get; commands/test_dictate.py types into a real window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.daemon.typist import TypingError, in_order, open_typist, typed_text

WAYLAND, X11 = {"XDG_SESSION_TYPE": "wayland"}, {"DISPLAY": ":0"}
Install: TypeAlias = Callable[[str, str], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put stand-in tools into the PATH, shell scripts; what one writes down is in the file that is returned."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
    for name in ("wtype", "ydotool", "xdotool"):
        failing(folder / name)

    def write(name: str, script: str) -> Path:
        typed = tmp_path / f"{name}.txt"
        (folder / name).write_text(f"#!/bin/sh\ntyped={typed}\n{script}\n")
        return typed

    return write


def failing(tool: Path) -> None:
    """A stand-in for a tool that cannot type here, as most cannot."""
    tool.write_text("#!/bin/sh\necho 'Error: no display' >&2\nexit 1\n")
    tool.chmod(0o755)


def commit(*words: str) -> Mapping[str, Any]:
    """Words that stay."""
    return {"type": "commit", "utt": 0, "words": [{"text": word} for word in words]}


@pytest.mark.parametrize(
    ("env", "first"),
    [
        (WAYLAND, "wtype"),
        ({"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}, "wtype"),
        (X11, "xdotool"),
        ({"XDG_SESSION_TYPE": "x11"}, "xdotool"),
        ({"XDG_SESSION_TYPE": "tty"}, "ydotool"),
        ({}, "ydotool"),
    ],
)
def test_the_session_says_what_is_tried_first(env: dict[str, str], first: str) -> None:
    """Wayland, X11 or neither; all three are tried."""
    tools = in_order(env)
    assert tools[0].name == first
    assert len(set(tools)) == 3


async def test_committed_words_are_typed_as_they_come(install: Install) -> None:
    """Their arguments and text: nothing but commits, no space at the very beginning, no command line with the text."""
    typed = install("xdotool", 'echo "$@" >>$typed.argv; cat >>$typed')
    typist, tool = await open_typist(None, X11, lambda line: None)
    for event in (commit(" Hello"), {"type": "partial", "text": " no"}, commit(" you,", " there"), commit(" again")):
        await typist.take(event)
    assert tool.name == "xdotool"
    assert typed.read_text() == "Hello you, there again"
    assert set(Path(f"{typed}.argv").read_text().splitlines()) == {"type --clearmodifiers --file -"}


async def test_a_tool_that_cannot_type_here_is_passed_over(install: Install) -> None:
    """A compositor without the protocol of wtype: the next tool does."""
    install("wtype", "echo 'Compositor does not support the virtual keyboard protocol' >&2; exit 1")
    typed = install("ydotool", "cat >>$typed")
    typist, tool = await open_typist(None, WAYLAND, lambda line: None)
    await typist.take(commit(" Hello"))
    assert (tool.name, typed.read_text()) == ("ydotool", "Hello")


async def test_a_tool_that_fails_later_is_replaced_and_nothing_is_lost(install: Install) -> None:
    """The words that it did not type are typed by the next one, and a person is told."""
    said: list[str] = []
    install("wtype", '[ -e $typed ] && { echo "Wayland connection failed" >&2; exit 1; }; : >$typed')
    typed = install("ydotool", "cat >>$typed")
    typist, tool = await open_typist(None, WAYLAND, said.append)
    await typist.take(commit(" Hello"))
    assert (tool.name, typed.read_text()) == ("wtype", "Hello")
    assert said == ["wtype: Wayland connection failed; trying ydotool"]


async def test_when_nothing_types_each_reason_is_named(install: Install) -> None:
    """One line with every tool, what it said, and what to install."""
    with pytest.raises(
        TypingError, match=r"wtype: no display; ydotool: no display; xdotool: no display: install wtype"
    ):
        await open_typist(None, WAYLAND, lambda line: None)
    with pytest.raises(TypingError, match=r"^cannot type here: ydotool: no display: install"):
        await open_typist("ydotool", WAYLAND, lambda line: None)


async def test_a_missing_tool_is_named(install: Install, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A tool that is not there at all is told apart from one that fails."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TypingError, match="wtype: not installed"):
        await open_typist("wtype", WAYLAND, lambda line: None)


async def test_letters_that_a_tool_lacks_are_told_once(install: Install) -> None:
    """Ydotool knows the keys of an American keyboard only."""
    said: list[str] = []
    typed = install("ydotool", "cat >>$typed")
    typist, _ = await open_typist("ydotool", X11, said.append)
    for _ in range(2):
        await typist.take(commit(" naïve"))
    assert typed.read_text() == "nave nave"
    assert said == ["ydotool types ASCII only: ï is left out"]


@given(words=st.lists(st.text(max_size=8), max_size=6))
def test_no_key_that_does_something_is_typed(words: list[str]) -> None:
    """Property: neither Enter, Tab, Escape nor any other control character, and no two spaces in a row."""
    text = typed_text(commit(*words))
    assert all(letter.isprintable() or not letter.isascii() for letter in text)
    assert "  " not in text
