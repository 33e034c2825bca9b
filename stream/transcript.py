"""What was said so far, utterance by utterance."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from amanuensis.stream.events import Commit, Event, FinalReason, Word
from amanuensis.stream.events import Final as FinalEvent

__all__ = ["Transcript", "Utterance"]

KEPT_UTTERANCES: Final = 500


@dataclass(frozen=True, slots=True)
class Utterance:
    """A finished utterance."""

    utt: int
    reason: FinalReason
    text: str
    words: tuple[Word, ...]
    start_ms: float
    end_ms: float


class Transcript:
    """Keeps the newest finished utterances of a stream."""

    def __init__(self) -> None:
        self._finished: deque[Utterance] = deque(maxlen=KEPT_UTTERANCES)
        self._words: list[Word] = []  # of the open utterance

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """The finished utterances, oldest first."""
        return tuple(self._finished)

    def note(self, events: Iterable[Event]) -> None:
        """Write down commits and finals."""
        for event in events:
            if isinstance(event, Commit):
                self._words += event.words
            elif isinstance(event, FinalEvent):
                words, self._words = tuple(self._words), []
                self._finished.append(
                    Utterance(event.utt, event.reason, event.text, words, event.start_ms, event.end_ms)
                )
