"""Finding what was said: a phrase in all meetings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from amanuensis.daemon.fields import is_utf8
from amanuensis.daemon.meetings.model import MeetingError
from amanuensis.daemon.meetings.phrase import (
    REACH,
    Phrase,
    is_run,
    pairs,
    placed_words,
    read_phrase,
    said_again,
)
from amanuensis.daemon.meetings.store import Store

MAX_HITS: Final = 1000
MAX_QUERY_CHARS: Final = 200
NEWEST_FIRST: Final = """
SELECT u.id, u.session, u.spk, u.words FROM {index} JOIN utterances u ON u.id = {index}.rowid
WHERE {index} MATCH ? ORDER BY {index}.rowid DESC
"""
PLACE: Final = """
SELECT meetings.id, meetings.title, tracks.name, tracks.offset_ms
FROM tracks JOIN meetings ON meetings.id = tracks.meeting WHERE tracks.session = ?
"""
GOES_ON: Final = "SELECT words FROM utterances WHERE session = ? AND id > ? ORDER BY id LIMIT ?"


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a phrase was said.

    Attributes:
        at_ms: where it begins, on the clock of the meeting.
        text: of the utterances that it touches.

    """

    meeting: str
    title: str
    speaker: str
    track: str
    session: str
    at_ms: float
    text: str


class _Passage:
    """Utterances of a session in a row; a phrase is looked for that begins in the first."""

    def __init__(self, packed: str) -> None:
        self._pieces: list[str] = []  # words with their spaces
        self._starts_ms: list[float] = []
        self._ends: list[int] = []  # numbers of the pieces after each utterance
        self.add(packed)

    def add(self, packed: str) -> int:
        """Add the next utterance, as the index has its words; return how many there are."""
        words = json.loads(packed)
        self._pieces += [f" {text}" if at == 0 else text for at, (text, *_) in enumerate(words)]
        self._starts_ms += [start_ms for _, start_ms, *_ in words]
        self._ends.append(len(self._pieces))
        return len(words)

    def find(self, phrase: Phrase) -> tuple[float, str] | None:
        """Return when the phrase begins, and the text of the utterances that it touches; None: it is not here."""
        placed = placed_words(self._pieces)
        words, n_words = [word for word, _ in placed], len(phrase.words)
        for at, (_, piece) in enumerate(placed):
            if piece >= self._ends[0]:
                break
            if phrase.is_at(words[at : at + n_words]):
                _, last = placed[at + n_words - 1]
                end = next(end for end in self._ends if end > last)
                return self._starts_ms[piece], " ".join("".join(self._pieces[:end]).split())
        return None


def search(store: Store, text: str, limit: int = 50) -> list[Hit]:
    """Return where a phrase was said, what was stored last first; case, accents and punctuation make no difference.

    Raises:
        MeetingError: there is nothing to look for.

    """
    phrase = read_phrase(text) if is_utf8(text) and len(text) <= MAX_QUERY_CHARS else None
    if phrase is None:
        raise MeetingError(f"{text[:40]!r} cannot be looked for: give words, at most {MAX_QUERY_CHARS} characters")
    hits: list[Hit] = []
    for found in _found(store, phrase):
        hits.append(found)
        if len(hits) == min(limit, MAX_HITS):
            break
    return hits


def _found(store: Store, phrase: Phrase) -> Iterator[Hit]:
    index = "said_words" if len(phrase.words) == 1 else "said_pairs"
    for number, session, spk, packed in store.rows(NEWEST_FIRST.format(index=index), (_question(phrase),)):
        passage = _Passage(packed)
        found = passage.find(phrase) or _find_further(store, phrase, passage, (session, number))
        if found is not None:
            ((meeting, title, track, offset_ms),) = store.query(PLACE, (session,))
            speaker, (at_ms, text) = store.speaker(meeting, track, spk), found
            yield Hit(meeting, title, speaker, track, session, at_ms + offset_ms, text)


def _find_further(
    store: Store, phrase: Phrase, passage: _Passage, utterance: tuple[str, int]
) -> tuple[float, str] | None:
    """Look for a phrase that begins in an utterance and goes on in those after it."""
    if (n_words := len(phrase.words)) == 1:
        return None
    missing = 2 * n_words  # some of what counts as a word has no letter
    for (packed,) in store.rows(GOES_ON, (*utterance, n_words + REACH)):
        missing -= passage.add(packed)
        if missing <= 0:
            break
    return passage.find(phrase)


def _question(phrase: Phrase) -> str:
    """Return what the index is asked: the words of a long phrase that come first say enough, the rest is read."""
    if is_run(phrase.words) and (len(phrase.words) > REACH + 1 or not phrase.is_open):
        return f'"{said_again(phrase.words[0])}"'
    words, is_open = phrase.words[: REACH + 1], phrase.is_open and len(phrase.words) <= REACH + 1
    if len(words) > 1:
        words = tuple(pairs(words))
    return f'"{" ".join(words)}"' + ("*" if is_open else "")
