"""What is spoken and written: sentences, their normal form, and which of them are held out for tests."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from amanuensis.training.narrow import narrow_sentence, narrow_word
from amanuensis.training.talk import talk_sentence

HELD_OUT_ONE_IN = 200  # 0.5 % of all sentences, chosen by their content
MAX_WORDS = 24
TEST_FILES = "*_test.txt"
GENERAL_FILE = "general.txt"
MARKS = ".,?!;:"  # that are written behind words

_ABBREVIATIONS = {"mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint"}
_END_MARKS = (".", "?", "!")
_SPEAKABLE = re.compile(r"[A-Za-z' ,.?!;:-]+")
_NOT_SPOKEN = re.compile(r"[^a-z' ]+")


@dataclass(frozen=True)
class Sentence:
    """A sentence as a synthesiser reads it, as the model writes it, and in normal form; each of as many words."""

    spoken: str
    written: str  # with case and marks, a mark at the end
    text: str  # lower-case words and apostrophes
    domain: str  # "narrow" or "general"


def sentence(line: str, domain: str) -> Sentence | None:
    """Return a sentence made from a line of text, or None if synthesisers would not read it word for word."""
    line = line.replace("-", " ")
    if not _SPEAKABLE.fullmatch(line):
        return None
    spoken, written = [], []
    for word in line.split():
        core = word.strip(f"'{MARKS}")
        if not re.fullmatch(r"[A-Za-z]+('[A-Za-z]+)*", core):
            return None
        if core.isupper() and len(core) > 1:
            return None  # spelled or not? nobody knows
        mark = word[word.index(core) + len(core) :].strip("'")[:1]
        full = _ABBREVIATIONS.get(core.lower()) if mark in (".", "") else None
        spoken.append(full or core + mark)
        written.append(f"{core.capitalize()}." if full else core + mark)
    if not 0 < len(spoken) <= MAX_WORDS:
        return None
    text = " ".join(spoken)
    return Sentence(text, _as_sentence(" ".join(written)), normal_form(text), domain)


def _as_sentence(words: str) -> str:
    """Return the words with a capital at the beginning and a mark at the end."""
    ended = words if words.endswith(_END_MARKS) else f"{words.rstrip(',;:')}."
    return ended[0].upper() + ended[1:]


def normal_form(spoken: str) -> str:
    """Return lower-case words with their apostrophes and single spaces, nothing else."""
    return " ".join(_NOT_SPOKEN.sub(" ", spoken.lower().replace("-", " ")).split())


def spoken_words(text: str) -> list[str]:
    """Return the words of a text as word errors compare them: in normal form, "mr" as "mister"."""
    return [_ABBREVIATIONS.get(word, word) for word in normal_form(text).split()]


def is_held_out(text: str) -> bool:
    """Return whether a sentence in normal form belongs to the tests, by a hash of its content."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % HELD_OUT_ONE_IN == 0


def read_general(folder: Path | None) -> tuple[list[Sentence], list[Sentence]]:
    """Return (training, test) sentences of a text folder; both empty without one.

    Sentences of any `*_test.txt` in it are tests, whatever their hash.

    Raises:
        FileNotFoundError: if the folder has no `general.txt`.

    """
    if folder is None:
        return [], []
    path = folder / GENERAL_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path} not found: the text folder needs a {GENERAL_FILE} with one sentence a line")
    listed = listed_tests(folder)
    train: dict[str, Sentence] = {}
    test: dict[str, Sentence] = {}
    for line in [*path.read_text().splitlines(), *_lines(folder / "general_test.txt")]:
        made = sentence(line, "general")
        if made is not None:
            (test if made.text in listed or is_held_out(made.text) else train)[made.text] = made
    return list(train.values()), list(test.values())


@cache
def listed_tests(folder: Path | None) -> frozenset[str]:
    """Return the sentences, in normal form, that a text folder keeps for tests."""
    files = folder.glob(TEST_FILES) if folder else ()
    return frozenset(normal_form(line) for file in files for line in file.read_text().splitlines())


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.is_file() else []


def narrow_sentences(seed: int, held_out: bool, exclude: frozenset[str] = frozenset()) -> Iterator[Sentence]:
    """Yield sentences of the narrow domain without end: only held-out ones, or only the others.

    `exclude` names sentences, in normal form, that must not be trained on either.
    """
    return _generated(narrow_sentence, "narrow", seed, held_out, exclude)


def narrow_words(seed: int, held_out: bool, exclude: frozenset[str] = frozenset()) -> Iterator[Sentence]:
    """Yield single words of the narrow domain without end, as `narrow_sentences` does."""
    return _generated(narrow_word, "narrow", seed, held_out, exclude)


def talk_sentences(seed: int, held_out: bool, exclude: frozenset[str] = frozenset()) -> Iterator[Sentence]:
    """Yield general sentences of generated talk without end, as `narrow_sentences` does."""
    return _generated(talk_sentence, "general", seed, held_out, exclude)


def _generated(
    kind: Callable[[random.Random], str], domain: str, seed: int, held_out: bool, exclude: frozenset[str]
) -> Iterator[Sentence]:
    rng = random.Random(seed)
    while True:
        made = sentence(kind(rng), domain)
        if made is not None and (is_held_out(made.text) or made.text in exclude) == held_out:
            yield made
