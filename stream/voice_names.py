"""What voices without a name are called: A to Z, then AA, AB ..."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["is_letters", "letters"]

ALPHABET: Final = 26
LETTERS: Final = re.compile(r"[A-Z]{1,2}")


def letters(n: int) -> str:
    """Return the name of the n-th voice, from 0."""
    head = letters(n // ALPHABET - 1) if n >= ALPHABET else ""
    return head + chr(ord("A") + n % ALPHABET)


def is_letters(name: str) -> bool:
    """Whether a name is one of these, so that it says something only beside another."""
    return LETTERS.fullmatch(name) is not None
