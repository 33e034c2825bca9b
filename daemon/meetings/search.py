"""Finding what was said: a phrase in all meetings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from amanuensis.daemon.fields import is_utf8
from amanuensis.daemon.meetings.model import MeetingError
from amanuensis.daemon.meetings.store import Store

MAX_HITS: Final = 1000
MAX_QUERY_CHARS: Final = 200
NEWEST_FIRST: Final = """
SELECT meetings.id, meetings.title, tracks.name, tracks.session, tracks.offset_ms, u.spk, u.text, u.words
FROM said JOIN utterances u ON u.id = said.rowid
JOIN tracks ON tracks.session = u.session JOIN meetings ON meetings.id = tracks.meeting
WHERE said MATCH ? ORDER BY said.rowid DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Hit:
    """An utterance in which the phrase is; `at_ms` is where it begins, on the clock of the meeting."""

    meeting: str
    title: str
    speaker: str
    track: str
    session: str
    at_ms: float
    text: str


def search(store: Store, phrase: str, limit: int = 50) -> list[Hit]:
    """Return where a phrase was said, what was stored last first; case and accents make no difference.

    Raises:
        MeetingError: there is nothing to look for.

    """
    has_words = any(char.isalnum() for char in phrase) and is_utf8(phrase)
    if not has_words or len(phrase) > MAX_QUERY_CHARS:
        raise MeetingError(f"{phrase[:40]!r} cannot be looked for: give words, at most {MAX_QUERY_CHARS} characters")
    quoted = '"' + phrase.replace('"', " ").replace("\0", " ") + '"'
    hits = []
    for row in store.query(NEWEST_FIRST, (quoted, min(limit, MAX_HITS))):
        meeting, title, track, session, offset_ms, spk, text, words = row
        at_ms = json.loads(words)[0][1] + offset_ms
        hits.append(Hit(meeting, title, store.speaker(meeting, track, spk), track, session, at_ms, text))
    return hits
