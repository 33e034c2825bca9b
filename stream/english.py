"""English text as Whisper's papers compare it: without case, fillers, punctuation and differences of spelling.

Follows the behaviour that OpenAI describes in appendix C of "Robust Speech Recognition via Large-Scale Weak
Supervision"; the implementation is our own.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from amanuensis.stream.english_numbers import normalise_numbers
from amanuensis.stream.english_spelling import american_spelling

__all__ = ["normalise_english"]

BRACKETS: Final = re.compile(r"[<\[][^>\]]*[>\]]|\([^)]+?\)")
FILLERS: Final = re.compile(r"\b(?:hmm|mm|mhm|mmm|uh|um)\b")
KEPT_SYMBOLS: Final = frozenset(".%$¢€£")
LETTERS: Final = str.maketrans(
    {"œ": "oe", "ø": "o", "æ": "ae", "ß": "ss", "đ": "d", "ð": "d", "þ": "th", "ł": "l"}
)  # letters that Unicode does not decompose
WHOLE_WORDS: Final = {
    "won't": "will not",
    "can't": "can not",
    "let's": "let us",
    "ain't": "aint",
    "y'all": "you all",
    "wanna": "want to",
    "gotta": "got to",
    "gonna": "going to",
    "i'ma": "i am going to",
    "imma": "i am going to",
    "woulda": "would have",
    "coulda": "could have",
    "shoulda": "should have",
    "ma'am": "madam",
    "mr": "mister",
    "mrs": "missus",
    "st": "saint",
    "dr": "doctor",
    "prof": "professor",
    "capt": "captain",
    "gov": "governor",
    "ald": "alderman",
    "gen": "general",
    "sen": "senator",
    "rep": "representative",
    "pres": "president",
    "rev": "reverend",
    "hon": "honorable",
    "asst": "assistant",
    "assoc": "associate",
    "lt": "lieutenant",
    "col": "colonel",
    "jr": "junior",
    "sr": "senior",
    "esq": "esquire",
}
WHOLE_WORD: Final = re.compile(rf"\b(?:{'|'.join(sorted(WHOLE_WORDS, key=len, reverse=True))})\b")
ENDINGS: Final = (  # in this order: the perfect tenses before the general forms
    (re.compile(r"'d (?=(?:been|gone|done)\b)"), " had "),
    (re.compile(r"'s (?=(?:been|gone|got)\b)"), " has "),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"'re\b"), " are"),
    (re.compile(r"'s\b"), " is"),
    (re.compile(r"'d\b"), " would"),
    (re.compile(r"'ll\b"), " will"),
    (re.compile(r"'t\b"), " not"),
    (re.compile(r"'ve\b"), " have"),
    (re.compile(r"'m\b"), " am"),
)


def normalise_english(text: str) -> str:
    """Return the words of a text as word errors compare them, one space between them."""
    text = FILLERS.sub("", BRACKETS.sub("", text.lower()))
    text = re.sub(r"\s+'", "'", text)
    text = WHOLE_WORD.sub(lambda match: WHOLE_WORDS[match[0]] + " ", text)
    for ending, words in ENDINGS:
        text = ending.sub(words, text)
    text = re.sub(r"(\d),(\d)", r"\1\2", text)
    text = re.sub(r"\.(\D|$)", r" \1", text)
    text = normalise_numbers(_without_symbols(text).lower())
    text = " ".join(american_spelling(word) for word in text.split())
    text = re.sub(r"[.$¢€£](\D)", r" \1", text)
    text = re.sub(r"(\D)%", r"\1 ", text)
    return " ".join(text.split())


def _without_symbols(text: str) -> str:
    """Put spaces for punctuation and symbols, and take marks off letters."""
    return "".join(_plain(char) for char in unicodedata.normalize("NFKD", text.translate(LETTERS)))


def _plain(char: str) -> str:
    if char in KEPT_SYMBOLS:
        return char
    category = unicodedata.category(char)
    if category == "Mn":
        return ""
    return " " if category[0] in "MSP" else char
