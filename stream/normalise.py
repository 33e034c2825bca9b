"""Words as they are compared, in any language: what sounds the same is the same."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

__all__ = ["normalise_word"]

SPOKEN_MARKS: Final = frozenset("%&@#§")  # Unicode calls them punctuation, but they are read out


@lru_cache(maxsize=65_536)
def normalise_word(text: str) -> str:
    """Return a word without case, spaces and punctuation; "" for what is punctuation only.

    Compatibility forms are folded (full-width digits, ligatures), marks of scripts that need them are kept.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in folded if char in SPOKEN_MARKS or unicodedata.category(char)[0] in "LNMS")
