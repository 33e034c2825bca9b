"""Commits held until their speakers are settled, for dialects that cannot put a speaker right later. Pure.

Only the label waits: the words that are held are shown at once, as what may still change.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from amanuensis.stream.events import Commit, Event, Marked, Partial, SpeakerRevised, Word
from amanuensis.stream.events import Final as FinalEvent

__all__ = ["SettledLabels"]


@dataclass(slots=True)
class _Held:
    """An event that waits; of a commit, the index of its first word in the utterance."""

    event: Event
    first: int = 0


class SettledLabels:
    """Holds the events of one session."""

    def __init__(self) -> None:
        self._waiting: deque[_Held] = deque()
        self._counts: dict[int, int] = {}  # committed words of the newest utterances
        self._partial: Partial | None = None

    def __len__(self) -> int:
        """How many events wait."""
        return len(self._waiting)

    def take(self, events: Sequence[Event], settled_ms: float) -> list[Event]:
        """Return what can be told now, in order; a mark is answered without delay, with the labels as they are.

        Args:
            events: of the session.
            settled_ms: words that are said before it get no other speaker.

        """
        shows = False
        for event in events:
            match event:
                case SpeakerRevised(words=revised):
                    self._revise({(utt, index): spk for utt, index, spk in revised})
                case Partial():
                    self._partial, shows = event, True
                case _:
                    if isinstance(event, Commit | FinalEvent):
                        self._partial = None
                    self._hold(event)
        told = self._release(settled_ms)
        words = self._words()
        if words and (shows or events or told):
            told.append(_with_held(words, self._partial))
        elif shows and self._partial is not None:
            told.append(self._partial)
        return told

    def _hold(self, event: Event) -> None:
        held = _Held(event)
        if isinstance(event, Commit):
            held.first = self._counts.get(event.utt, 0)
            self._counts = {utt: n for utt, n in self._counts.items() if utt >= event.utt - 1}
            self._counts[event.utt] = held.first + len(event.words)
        self._waiting.append(held)

    def _revise(self, speakers: dict[tuple[int, int], str]) -> None:
        for held in self._waiting:
            if isinstance(held.event, Commit):
                utt = held.event.utt
                words = enumerate(held.event.words, held.first)
                revised = tuple(replace(word, spk=speakers.get((utt, i), word.spk)) for i, word in words)
                held.event = replace(held.event, words=revised)

    def _release(self, settled_ms: float) -> list[Event]:
        n_marked = max((k + 1 for k, held in enumerate(self._waiting) if isinstance(held.event, Marked)), default=0)
        told: list[Event] = []
        while self._waiting and (len(told) < n_marked or _is_settled(self._waiting[0].event, settled_ms)):
            told.append(self._waiting.popleft().event)
        return told

    def _words(self) -> list[Word]:
        return [word for held in self._waiting if isinstance(held.event, Commit) for word in held.event.words]


def _is_settled(event: Event, settled_ms: float) -> bool:
    words: Iterable[Word] = event.words if isinstance(event, Commit) else ()
    return all((word.start_ms + word.end_ms) / 2 < settled_ms for word in words)


def _with_held(words: Sequence[Word], partial: Partial | None) -> Partial:
    """Return a partial with the words that are held before its own."""
    text = "".join(word.text for word in words)
    if partial is None:
        return Partial(0, 0, text, words[0].start_ms, words[-1].end_ms)
    return replace(partial, text=text + partial.text, start_ms=words[0].start_ms)
