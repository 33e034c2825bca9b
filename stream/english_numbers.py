"""English number words to digits: "two hundred and five dollars" to "$205", "nineteen ninety" to "1990"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from typing import Final

__all__ = ["normalise_numbers"]

NUMERIC: Final = re.compile(r"\d+(?:\.\d+)?")
SIGNS: Final = {"minus": "-", "negative": "-", "plus": "+", "positive": "+"}
CURRENCIES: Final = {
    "pound": "£",
    "pounds": "£",
    "euro": "€",
    "euros": "€",
    "dollar": "$",
    "dollars": "$",
    "cent": "¢",
    "cents": "¢",
}
PREFIXES: Final = frozenset({*SIGNS.values(), *CURRENCIES.values()})
ZEROS: Final = frozenset({"o", "oh", "zero"})
ONES: Final = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
POWERS: Final = (
    "thousand million billion trillion quadrillion quintillion sextillion septillion octillion nonillion decillion"
)
IRREGULAR_ORDINALS: Final = {
    "first": (1, "st"),
    "second": (2, "nd"),
    "third": (3, "rd"),
    "fifth": (5, "th"),
    "eighth": (8, "th"),
    "ninth": (9, "th"),
    "twelfth": (12, "th"),
}
REPEATS: Final = {"double": 2, "triple": 3}
SPECIALS: Final = frozenset({"and", "point", *REPEATS})


class _Kind(Enum):
    ZERO = "zero"
    ONE = "one to nineteen"
    TEN = "twenty to ninety"
    MULTIPLIER = "hundred and up"


@dataclass(frozen=True, slots=True)
class _Numeral:
    """What a number word stands for; with a suffix ("st", "s") it ends the number."""

    kind: _Kind
    value: int
    suffix: str = ""


def _numerals() -> dict[str, _Numeral]:
    """Return all number words, with plurals and ordinals."""
    found = {word: _Numeral(_Kind.ZERO, 0) for word in ZEROS}
    plain = [(word, _Kind.ONE, k) for k, word in enumerate(ONES.split(), start=1)]
    plain += [(word, _Kind.TEN, 10 * k) for k, word in enumerate(TENS.split(), start=2)]
    plain += [("hundred", _Kind.MULTIPLIER, 100)]
    plain += [(word, _Kind.MULTIPLIER, 1000**k) for k, word in enumerate(POWERS.split(), start=1)]
    irregular = {value for value, _ in IRREGULAR_ORDINALS.values()}
    for word, kind, value in plain:
        stem = word[:-1] + "ie" if kind is _Kind.TEN else word
        found[word] = _Numeral(kind, value)
        found["sixes" if word == "six" else stem + "s"] = _Numeral(kind, value, "s")
        if value not in irregular:
            found[stem + "th"] = _Numeral(kind, value, "th")
    found |= {word: _Numeral(_Kind.ONE, value, suffix) for word, (value, suffix) in IRREGULAR_ORDINALS.items()}
    return found


NUMERALS: Final = _numerals()
NUMBER_WORDS: Final = frozenset({*NUMERALS, *SIGNS, *CURRENCIES, *SPECIALS, "per", "percent"})


def normalise_numbers(text: str) -> str:
    """Return the text with number words as digits, where signs and currencies stand before the number."""
    words = _separated(text).split()
    return _joined_cents(" ".join(_Reader().read(words)))


def _separated(text: str) -> str:
    """Spell halves as decimals, and part digits from letters, but for ordinals and plurals."""
    pieces = re.split(r"\band\s+a\s+half\b", text)
    halves = [piece + (" point five " if _ends_in_number(piece) else " and a half ") for piece in pieces[:-1]]
    text = "".join([*halves, pieces[-1]])
    text = re.sub(r"([a-z])([0-9])", r"\1 \2", text)
    text = re.sub(r"([0-9])([a-z])", r"\1 \2", text)
    return re.sub(r"([0-9])\s+(st|nd|rd|th|s)\b", r"\1\2", text)


def _ends_in_number(text: str) -> bool:
    numeral = NUMERALS.get(text.rsplit(maxsplit=1)[-1]) if text.split() else None
    return numeral is not None and not numeral.suffix


def _joined_cents(text: str) -> str:
    text = re.sub(r"([€£$])([0-9]+) (?:and )?¢([0-9]{1,2})\b", lambda m: f"{m[1]}{m[2]}.{int(m[3]):02d}", text)
    text = re.sub(r"[€£$]0.([0-9]{1,2})\b", lambda m: f"¢{int(m[1])}", text)
    return re.sub(r"\b1(s?)\b", r"one\1", text)


@dataclass(slots=True)
class _Reader:
    """Reads words and keeps the number that is being built.

    The number is an int while it is a sum ("two hundred five") and a str once digits were put side by side
    ("one oh five", "three point one").
    """

    number: int | str | None = None
    prefix: str = ""
    done: list[str] = field(default_factory=list)

    def read(self, words: Sequence[str]) -> list[str]:
        """Return the words with numbers as digits."""
        skip = False
        for before, word, after in _neighbours(words):
            skip = not skip and self._take(before, word, after)
        self._close()
        return self.done

    def _take(self, before: str | None, word: str, after: str | None) -> bool:
        """Read one word; return whether the next one was read with it."""
        bare = word[1:] if word[0] in PREFIXES else word
        if NUMERIC.fullmatch(bare):
            self._take_digits(word, bare)
        elif word in NUMERALS:
            self._take_numeral(before, NUMERALS[word])
        elif word in SIGNS and _may_be_number(after):
            self._close()
            self.prefix = SIGNS[word]
        elif word in CURRENCIES and self.number is not None:
            self.prefix = CURRENCIES[word]
            self._close()
        elif word in {"percent", "per"} and self.number is not None and (word == "percent" or after == "cent"):
            self._close("%")
            return word == "per"
        elif word in SPECIALS and _may_be_number(after):
            return self._take_special(before, word, after or "")
        else:
            self._close()
            self._put(word)
        return False

    def _take_digits(self, word: str, bare: str) -> None:
        if isinstance(self.number, str) and self.number.endswith("."):
            self.number += word
            return
        self._close()
        if bare != word:
            self.prefix = word[0]
        self.number = bare if "." in bare and Fraction(bare).denominator != 1 else int(Fraction(bare))

    def _take_numeral(self, before: str | None, numeral: _Numeral) -> None:
        previous = NUMERALS.get(before or "")
        if numeral.kind is _Kind.ZERO:
            self.number = f"{self.number or ''}0"
        elif numeral.kind is _Kind.MULTIPLIER:
            self._multiply(numeral.value)
        else:
            self._append(numeral, previous if previous and not previous.suffix else None)
        if numeral.suffix:
            self._close(numeral.suffix)

    def _append(self, numeral: _Numeral, previous: _Numeral | None) -> None:
        """Add to the sum where there is room for it ("twenty" + "one"), else put digits side by side."""
        room = 10 if numeral.value < 10 else 100
        side_by_side = isinstance(self.number, str) or (
            numeral.kind is _Kind.ONE and previous is not None and previous.kind is _Kind.ONE
        )
        if self.number is None:
            self.number = numeral.value
        elif side_by_side and room == 10 and previous is not None and previous.kind is _Kind.TEN:
            self.number = f"{str(self.number)[:-1]}{numeral.value}"
        elif side_by_side or (isinstance(self.number, int) and self.number % room):
            self.number = f"{self.number}{numeral.value}"
        else:
            self.number = int(self.number) + numeral.value

    def _multiply(self, multiplier: int) -> None:
        if self.number is None:
            self.number = multiplier
        elif isinstance(self.number, int) and self.number:
            thousands, rest = divmod(self.number, 1000)
            self.number = thousands * 1000 + rest * multiplier
        elif (product := _product(self.number, multiplier)) is not None:
            self.number = product
        else:
            self._close()
            self.number = multiplier

    def _take_special(self, before: str | None, word: str, after: str) -> bool:
        following = NUMERALS.get(after)
        if word == "and":
            previous = NUMERALS.get(before or "")
            if not (previous and previous.kind is _Kind.MULTIPLIER and not previous.suffix):
                self._close()
                self._put(word)
        elif word == "point":
            if NUMERIC.fullmatch(after) or (
                following and following.kind is not _Kind.MULTIPLIER and not following.suffix
            ):
                self.number = f"{self.number or ''}."
        elif following and following.kind in {_Kind.ZERO, _Kind.ONE} and not following.suffix:
            self.number = f"{self.number or ''}{str(following.value) * REPEATS[word]}"
            return True
        else:
            self._close()
            self._put(word)
        return False

    def _close(self, suffix: str = "") -> None:
        """Put the number out, if there is one."""
        if self.number is not None:
            self._put(f"{self.number}{suffix}")
        self.number = None

    def _put(self, word: str) -> None:
        self.done.append(self.prefix + word)
        self.prefix = ""


def _neighbours(words: Sequence[str]) -> Iterator[tuple[str | None, str, str | None]]:
    padded: list[str | None] = [None, *words, None]
    return zip(padded, words, padded[2:], strict=False)


def _may_be_number(word: str | None) -> bool:
    return word is not None and (word in NUMBER_WORDS or NUMERIC.fullmatch(word) is not None)


def _product(digits: int | str, multiplier: int) -> int | None:
    """Return digits times a multiplier if that is whole: "2.5" million, but not "1.2.3" million."""
    try:
        product = Fraction(digits) * multiplier
    except ValueError:
        return None
    return product.numerator if product.denominator == 1 else None
