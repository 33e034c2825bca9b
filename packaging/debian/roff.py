"""Text as a manual page has it, by the macros of man(7): escaped, wrapped, one macro a line."""

from __future__ import annotations

import re
import textwrap

WIDTH = 78  # of the source: mandoc warns of lines beyond 80
EXACT = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}
FLAG = re.compile(r"(?<![\w\\])-(?=[\w-])|(?<=-)-")  # a hyphen that is typed, in words that are read


def exact(text: str) -> str:
    """Return what is typed: every character stays itself, in a terminal too."""
    return "".join(EXACT.get(character, character) for character in text)


def bold(text: str) -> str:
    """Return what is typed, bold."""
    return f"\\fB{exact(text)}\\fR"


def italic(text: str) -> str:
    """Return what stands for something, in italics."""
    return f"\\fI{exact(text)}\\fR"


def prose(text: str) -> str:
    """Return words that are read, in which backticks mark what is typed; wrapped, without a line that is a macro."""
    pieces = re.split(r"`([^`]*)`", text)
    marked = "".join(bold(piece) if i % 2 else worded(piece) for i, piece in enumerate(pieces))
    return wrapped(marked)


def wrapped(marked: str) -> str:
    """Return a text that is marked up already, wrapped."""
    return "\n".join(map(line, textwrap.wrap(marked, WIDTH, break_long_words=False, break_on_hyphens=False)))


def worded(text: str) -> str:
    """Return words with the hyphens of flags in them; the others may be broken at."""
    return FLAG.sub(lambda _: r"\-", text.replace("\\", r"\e").replace("~", r"\(ti").replace("^", r"\(ha"))


def line(text: str) -> str:
    """Return a line of text that no reader takes for a macro."""
    return rf"\&{text}" if text.startswith((".", "'")) else text


def quoted(text: str) -> str:
    """Return one argument of a macro."""
    return '"{}"'.format(text.replace('"', r"\(dq"))


def entry(head: str, text: str) -> str:
    """Return an entry of a list: what it is, already marked up, and what is said of it."""
    return f".TP\n{line(head)}\n{prose(text)}"
