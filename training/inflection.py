"""Forms of English words: plurals, articles, and what verbs become."""

from __future__ import annotations

import re
from collections.abc import Callable

from amanuensis.training.words import listed

_PLURALS = {
    "child": "children", "foot": "feet", "goose": "geese", "half": "halves", "knife": "knives", "leaf": "leaves",
    "loaf": "loaves", "man": "men", "mouse": "mice", "shelf": "shelves", "thief": "thieves", "tooth": "teeth",
    "wife": "wives", "wolf": "wolves", "woman": "women", "calf": "calves", "scarf": "scarves", "time": "times",
    "axis": "axes", "thesis": "theses", "hypothesis": "hypotheses", "diagnosis": "diagnoses", "crisis": "crises",
    "matrix": "matrices", "index": "indexes", "phenomenon": "phenomena", "bacterium": "bacteria", "echo": "echoes",
    "potato": "potatoes", "tomato": "tomatoes", "virus": "viruses", "hero": "heroes", "volcano": "volcanoes",
    "salesman": "salesmen", "stomach": "stomachs", "sheep": "sheep", "deer": "deer", "moose": "moose",
    "species": "species",
}  # fmt: skip
_PAST = {  # past, participle
    "be": "was been", "become": "became become", "begin": "began begun", "bite": "bit bitten", "break": "broke broken",
    "bring": "brought brought", "build": "built built", "buy": "bought bought", "catch": "caught caught",
    "choose": "chose chosen", "come": "came come", "cut": "cut cut", "do": "did done", "draw": "drew drawn",
    "drink": "drank drunk", "drive": "drove driven", "eat": "ate eaten", "fall": "fell fallen", "feed": "fed fed",
    "feel": "felt felt", "find": "found found", "fly": "flew flown", "forget": "forgot forgotten",
    "freeze": "froze frozen", "get": "got gotten", "give": "gave given", "go": "went gone", "hand": "handed handed",
    "have": "had had", "hear": "heard heard", "hide": "hid hidden", "hit": "hit hit", "hold": "held held",
    "hurt": "hurt hurt", "keep": "kept kept", "know": "knew known", "leave": "left left", "lend": "lent lent",
    "light": "lit lit", "lose": "lost lost", "make": "made made", "mean": "meant meant", "meet": "met met",
    "put": "put put", "reset": "reset reset", "rewrite": "rewrote rewritten", "ring": "rang rung", "run": "ran run",
    "say": "said said",
    "see": "saw seen", "sell": "sold sold", "send": "sent sent", "sew": "sewed sewn", "show": "showed shown",
    "sing": "sang sung", "sit": "sat sat", "sleep": "slept slept", "speak": "spoke spoken", "spend": "spent spent",
    "stand": "stood stood", "steal": "stole stolen", "swim": "swam swum", "take": "took taken",
    "teach": "taught taught", "tell": "told told", "think": "thought thought", "throw": "threw thrown",
    "understand": "understood understood", "wake": "woke woken", "wear": "wore worn", "win": "won won",
    "write": "wrote written",
}  # fmt: skip
_DOUBLED = listed(
    "forget, begin, prefer, refer, admit, commit, permit, control, submit, transfer, occur, debug, reset, unplug"
)
_SHORT_VERB = re.compile(r"[^aeiou]*(qu)?[aeiou][bdgklmnprt]")
_AN = re.compile(r"(?!uni(?!n|m)|unan|use|usu|eur|one\b)[aeiou]|hour|honest|heir|honor")


def with_article(phrase: str) -> str:
    """Return the phrase after "a" or "an"."""
    return f"{'an' if _AN.match(phrase.lower()) else 'a'} {phrase}"


def plural(noun: str) -> str:
    """Return the plural of a noun, or of the last one of several words."""
    before, space, last = noun.rpartition(" ")
    return before + space + (_PLURALS.get(last) or _with_s(last))


def third_person(verb: str) -> str:
    """Return what he, she or it does; the rest of a phrase follows unchanged."""
    return _first(verb, lambda word: {"be": "is", "have": "has", "do": "does", "go": "goes"}.get(word) or _with_s(word))


def past(verb: str) -> str:
    """Return what was done once."""
    return _first(verb, lambda word: _PAST[word].split()[0] if word in _PAST else _with_ed(word))


def participle(verb: str) -> str:
    """Return what has been done."""
    return _first(verb, lambda word: _PAST[word].split()[1] if word in _PAST else _with_ed(word))


def progressive(verb: str) -> str:
    """Return what is being done."""
    return _first(verb, _with_ing)


def _first(phrase: str, change: Callable[[str], str]) -> str:
    word, space, rest = phrase.partition(" ")
    return change(word) + space + rest


def _with_s(word: str) -> str:
    if re.search(r"([sxz]|[cs]h)$", word):
        return f"{word}es"
    return f"{word[:-1]}ies" if re.search(r"[^aeiou]y$", word) else f"{word}s"


def _with_ed(word: str) -> str:
    if word.endswith("e"):
        return f"{word}d"
    return f"{word[:-1]}ied" if re.search(r"[^aeiou]y$", word) else f"{_stem(word)}ed"


def _with_ing(word: str) -> str:
    if word.endswith("ie"):
        return f"{word[:-2]}ying"
    return f"{word[:-1]}ing" if re.search(r"[^eoy]e$", word) and word != "be" else f"{_stem(word)}ing"


def _stem(word: str) -> str:
    """Return the verb with its last consonant doubled where a short stressed vowel stands before it."""
    return word + word[-1] if _SHORT_VERB.fullmatch(word) or word in _DOUBLED else word
