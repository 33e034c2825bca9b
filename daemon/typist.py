"""Typing into the focused window, as a keyboard does: by wtype, ydotool or xdotool, never through the clipboard.

The text goes to the tool's standard input: command lines can be read by every user of the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from amanuensis.daemon.console import printable
from amanuensis.daemon.sources.base import SourceError
from amanuensis.daemon.sources.process import end, start

TYPE_S: Final = 30.0  # for one commit; tools take 12 ms a character
INSTALL: Final = "install wtype (Wayland), xdotool (X11) or ydotool (any; needs its daemon and /dev/uinput)"


class TypingError(Exception):
    """Nothing types here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that types what comes on its standard input.

    Attributes:
        command: its words.
        ascii_only: it knows the keys of an American keyboard only.

    """

    command: tuple[str, ...]
    ascii_only: bool = False

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.command[0]


# A compositor drops the first keys of a keyboard that has just come and the last of one that goes: wtype is one for as
# long as it runs, so it waits (ms) before and after the text. Measured with sway 1.7.
WTYPE: Final = Tool(("wtype", "-s", "100", "-d", "2", "-", "-s", "100"))
YDOTOOL: Final = Tool(("ydotool", "type", "--file", "-"), ascii_only=True)
XDOTOOL: Final = Tool(("xdotool", "type", "--clearmodifiers", "--file", "-"))
TOOLS: Final = {tool.name: tool for tool in (WTYPE, YDOTOOL, XDOTOOL)}


def in_order(env: Mapping[str, str]) -> tuple[Tool, ...]:
    """Return the tools in the order in which they should be tried in this session.

    On Wayland xdotool reaches only windows of X11 programs; on X11 wtype reaches none.
    """
    if env.get("XDG_SESSION_TYPE") == "wayland" or env.get("WAYLAND_DISPLAY"):
        return WTYPE, YDOTOOL, XDOTOOL
    if env.get("XDG_SESSION_TYPE") == "x11" or env.get("DISPLAY"):
        return XDOTOOL, YDOTOOL, WTYPE
    return YDOTOOL, WTYPE, XDOTOOL


class Typist:
    """Types with the first tool that works, and with the next when it works no more; made by `open_typist`.

    Args:
        tools: to try, in order.
        say: told what a person should know.

    """

    def __init__(self, tools: tuple[Tool, ...], say: Callable[[str], None]) -> None:
        self._tools = list(tools)
        self._say = say
        self._problems: list[str] = []
        self._begun = False
        self._left_out: set[str] = set()

    async def find(self) -> Tool:
        """Return the first tool that works: it types nothing, and does not fail.

        Raises:
            TypingError: none does.

        """
        return await self._type("")

    async def take(self, event: Mapping[str, Any]) -> None:
        """Type the words of a commit; other events say nothing that stays.

        Raises:
            TypingError: no tool works any more.

        """
        text = typed_text(event)
        if not self._begun:
            text = text.lstrip()
        if text:
            self._begun = True
            await self._type(text)

    async def _type(self, text: str) -> Tool:
        while self._tools:
            tool = self._tools[0]
            problem = await typed(tool, self._for(tool, text))
            if problem is None:
                return tool
            self._problems.append(f"{tool.name}: {problem}")
            self._tools.pop(0)
            if text and self._tools:
                self._say(f"{self._problems[-1]}; trying {self._tools[0].name}")
        raise TypingError(f"cannot type here: {'; '.join(self._problems)}: {INSTALL}")

    def _for(self, tool: Tool, text: str) -> str:
        """Return what a tool can type; characters that it lacks are told once."""
        if not tool.ascii_only or text.isascii():
            return text
        missing = {letter for letter in text if not letter.isascii()} - self._left_out
        if missing:
            self._left_out |= missing
            self._say(f"{tool.name} types ASCII only: {' '.join(sorted(missing))} is left out")
        return "".join(letter for letter in text if letter.isascii())


async def open_typist(wanted: str | None, env: Mapping[str, str], say: Callable[[str], None]) -> tuple[Typist, Tool]:
    """Return a typist and the tool that works.

    Args:
        wanted: name of the one tool to use; None: the first that works in this session.
        env: environment, which says what session this is.
        say: told what a person should know.

    Raises:
        TypingError: none works.

    """
    typist = Typist(in_order(env) if wanted is None else (TOOLS[wanted],), say)
    return typist, await typist.find()


def typed_text(event: Mapping[str, Any]) -> str:
    """Return what an event adds to the text: single spaces, and no key that does something, such as Enter."""
    if event["type"] != "commit":
        return ""
    text = printable("".join(word["text"] for word in event["words"]).replace("\n", " ").replace("\t", " "))
    words = " ".join(text.split())
    return f" {words}" if words and text[0].isspace() else words


async def typed(tool: Tool, text: str) -> str | None:
    """Type a text; returns why it could not be done, None where it was."""
    if shutil.which(tool.name) is None:
        return "not installed"
    try:
        process = await start(tool.command)
    except SourceError as error:
        return str(error)
    try:
        async with asyncio.timeout(TYPE_S):
            _, err = await process.communicate(text.encode())
    except TimeoutError:
        return f"did not type within {TYPE_S:.0f} s"
    finally:
        with contextlib.suppress(ProcessLookupError):
            await end(process)
    return None if process.returncode == 0 else complaint(err) or f"exit status {process.returncode}"


def complaint(err: bytes) -> str:
    """Return the first line that tells of an error, of what a tool wrote to its standard error."""
    lines = [" ".join(line.split()) for line in printable_lines(err)]
    telling = [line for line in lines if any(word in line.lower() for word in ("error", "fail", "not ", "can't"))]
    return (telling or lines or [""])[0].removeprefix("Error: ").rstrip(".")


def printable_lines(err: bytes) -> list[str]:
    """Return the lines of a program's complaint without control characters."""
    return [line for text in err.decode(errors="replace").splitlines() if (line := printable(text).strip())]
