"""A terminal for pictures: it understands the few sequences that `amanuensis listen` writes, and refuses any other."""

from __future__ import annotations

import fcntl
import html
import os
import pty
import re
import signal
import struct
import termios
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

COLUMNS, ROWS = 92, 14
GREY: Final = "90"
PIECES: Final = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")
STYLE: Final = (
    "body { margin: 0; background: #14161b; color: #f1f3f6; font: 15px/1.35 'DejaVu Sans Mono', monospace; }"
    "pre { margin: 14px 18px; font: inherit; white-space: pre-wrap; overflow-wrap: anywhere; }"
    ".grey { color: #8b93a1; } .prompt { color: #7fd69a; }"
)


class Screen:
    """Lines of cells, each a character and its colour; the newest lines are at the end."""

    def __init__(self) -> None:
        self._lines: list[list[tuple[str, str]]] = [[]]
        self._row = 0
        self._column = 0
        self._colour = ""

    def write(self, data: str) -> None:
        """Take output; ValueError for a sequence that is not known."""
        for match in PIECES.finditer(data):
            numbers, command, control, text = match.groups()
            if command:
                self._obey(command, numbers)
            elif control:
                self._column = 0
                self._row += control == "\n"
                while self._row >= len(self._lines):
                    self._lines.append([])
            else:
                self._put(text)

    def _obey(self, command: str, numbers: str) -> None:
        match command:
            case "m":
                self._colour = GREY if numbers == GREY else ""
            case "A":
                self._row = max(0, self._row - int(numbers or 1))
            case "K":
                self._lines[self._row] = [] if numbers == "2" else self._lines[self._row][: self._column]
            case "l" | "h":
                pass
            case _:
                raise ValueError(f"the terminal does not know CSI {numbers}{command}")

    def _put(self, text: str) -> None:
        line = self._lines[self._row]
        line += [(" ", "")] * (self._column - len(line))
        line[self._column : self._column + len(text)] = [(char, self._colour) for char in text]
        self._column += len(text)

    @property
    def text(self) -> str:
        """What stands there."""
        return "\n".join("".join(char for char, _ in line) for line in self._lines)

    @property
    def has_grey(self) -> bool:
        """Whether words that may still change stand behind committed ones."""
        return any(line and line[0][1] != GREY and line[-1][1] == GREY for line in self._lines)

    def html(self, prompt: str) -> str:
        """Return a page that looks like it, the newest lines below a prompt."""
        lines = "\n".join("".join(_cell(*cell) for cell in line) for line in self._lines[-ROWS:])
        return (
            f"<!doctype html><style>{STYLE}</style><pre><span class=prompt>{html.escape(prompt)}</span>\n{lines}</pre>"
        )


def _cell(char: str, colour: str) -> str:
    return f"<span class=grey>{html.escape(char)}</span>" if colour == GREY else html.escape(char)


def run_in_terminal(command: Sequence[str], folder: Path, until: Callable[[Screen], bool]) -> Screen:
    """Run a command in a terminal of its own until its screen is as wanted; return the screen then."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.execve(command[0], list(command), os.environ | {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS)})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    screen, data = Screen(), b""
    try:
        while not until(screen):
            data += os.read(terminal, 65536)
            end = max(data.rfind(b"\n"), data.rfind(b"m"), data.rfind(b"K")) + 1  # sequences are whole up to here
            screen.write(data[:end].decode())
            data = data[end:]
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(terminal)
    return screen
