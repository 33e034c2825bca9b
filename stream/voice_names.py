"""What voices without a name are called: A to Z, then AA, AB ..."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["is_letters", "letters", "letters_after"]

ALPHABET: Final = 26
LETTERS: Final = re.compile(r"[A-Z]{1,2}")


def letters(n: int) -> str:
    """Return the name of the n-th voice, from 0."""
    head = letters(n // ALPHABET - 1) if n >= ALPHABET else ""
    return head + chr(ord("A") + n % ALPHABET)


def letters_after(names: Iterable[str]) -> int:
    """Return the number of the first voice whose name lies behind all of these that are letters."""
    return max((_number(name) + 1 for name in names if is_letters(name)), default=0)


def _number(name: str) -> int:
    n = 0
    for letter in name:
        n = n * ALPHABET + ord(letter) - ord("A") + 1
    return n - 1


def is_letters(name: str) -> bool:
    """Whether a name is one of these, so that it says something only beside another."""
    return LETTERS.fullmatch(name) is not None
