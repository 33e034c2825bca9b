"""What a session has said: durable events by number in a bounded ring, and the committed words.

Pure. `seq` counts from 1 without holes and is the same for every client; what has left the ring is told as a snapshot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from amanuensis.stream.events import Commit, Event, Final, Partial, Snapshot, SpeakerRevised, Word


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as clients get it; `seq` is None for those that are not durable."""

    event: Event
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """How much of a session is kept."""

    events: int = 4096  # durable events for watchers that come back
    words: int = 100_000  # for exports: ten hours of speech at 160 words a minute
    snapshot_words: int = 2000  # told to a watcher that comes late


@dataclass(frozen=True, slots=True)
class JournalBase:
    """What a journal must know of the events before its first one.

    Attributes:
        seq: number of the newest of them.
        words: committed in them.
        next_index: of the next word of each utterance that is open there.

    """

    seq: int = 0
    words: int = 0
    next_index: Mapping[int, int] = field(default_factory=dict)


class Journal:
    """The durable events and words of one session.

    Args:
        limits: how much is kept.
        base: where it goes on after events that are not kept.

    Attributes:
        last_seq: number of the newest durable event, 0 before the first.
        words_dropped: committed words that are no longer kept.

    """

    def __init__(self, limits: JournalLimits, base: JournalBase = JournalBase()) -> None:
        self._limits = limits
        self._ring: deque[Entry] = deque(maxlen=limits.events)
        self._words: deque[tuple[int, int, Word]] = deque()  # utterance, index in it, word
        self._next_index: dict[int, int] = dict(base.next_index)  # of open utterances
        self._partial: Partial | None = None
        self.last_seq = base.seq
        self.words_dropped = base.words

    @property
    def limits(self) -> JournalLimits:
        """How much is kept."""
        return self._limits

    @property
    def base(self) -> JournalBase:
        """What a journal that goes on after this one must know."""
        return JournalBase(self.last_seq, self.words_dropped + len(self._words), dict(self._next_index))

    @property
    def oldest_needed(self) -> JournalBase:
        """Events up to `seq` have left the ring, and so many words have been dropped."""
        return JournalBase(self.last_seq - len(self._ring), self.words_dropped)

    def add(self, event: Event) -> Entry:
        """Number an event and remember what has to be remembered of it."""
        if not event.durable:
            self._partial = event if isinstance(event, Partial) else self._partial
            return Entry(event)
        self._remember(event)
        self.last_seq += 1
        entry = Entry(event, self.last_seq)
        self._ring.append(entry)
        return entry

    def _remember(self, event: Event) -> None:
        match event:
            case Commit(utt=utt, words=words):
                self._add_words(utt, words)
                self._drop_partial(utt)
            case Final(utt=utt):
                self._next_index.pop(utt, None)
                self._drop_partial(utt)
            case SpeakerRevised(words=revised):
                self._revise({(utt, index): spk for utt, index, spk in revised})

    def _add_words(self, utt: int, words: Iterable[Word]) -> None:
        index = self._next_index.get(utt, 0)
        for word in words:
            self._words.append((utt, index, word))
            index += 1
        self._next_index[utt] = index
        while len(self._words) > self._limits.words:
            self._words.popleft()
            self.words_dropped += 1

    def _revise(self, speakers: dict[tuple[int, int], str]) -> None:
        """Give words to other speakers; most are among the newest."""
        for k in range(len(self._words) - 1, -1, -1):
            if not speakers:
                return
            utt, index, word = self._words[k]
            if (spk := speakers.pop((utt, index), None)) is not None:
                self._words[k] = (utt, index, replace(word, spk=spk))

    def _drop_partial(self, utt: int) -> None:
        """Forget a partial whose words may have been committed; the next one says what is left."""
        if self._partial is not None and self._partial.utt <= utt:
            self._partial = None

    def said(self) -> Iterator[tuple[int, int, Word]]:
        """Yield the committed words that are kept, oldest first: utterance, index in it, word."""
        yield from self._words

    def utterances(self) -> list[list[Word]]:
        """Return the committed words that are kept, by utterance, oldest first."""
        grouped: dict[int, list[Word]] = {}
        for utt, _, word in self._words:
            grouped.setdefault(utt, []).append(word)
        return list(grouped.values())

    def replay(self, after_seq: int | None) -> list[Entry]:
        """Return what a watcher needs before it follows live.

        Args:
            after_seq: the newest durable event that it has; None when it has none.

        Returns:
            The durable events after it when the ring still has them, else a snapshot; then the newest partial.

        """
        first_kept = self.last_seq - len(self._ring) + 1
        known = after_seq is not None and first_kept <= after_seq + 1 <= self.last_seq + 1
        if known and after_seq is not None:
            entries = list(islice(self._ring, after_seq + 1 - first_kept, None))
        else:
            entries = [Entry(self.snapshot())]
        return entries if self._partial is None else [*entries, Entry(self._partial)]

    def snapshot(self) -> Snapshot:
        """Return the newest committed words as one event."""
        start = max(0, len(self._words) - self._limits.snapshot_words)
        newest = list(islice(self._words, start, None))
        words = tuple(word for _, _, word in newest)
        text = "".join(word.text for word in words).strip()
        return Snapshot(self.last_seq, text, words, self.words_dropped + start, _places(newest))


def _places(said: Iterable[tuple[int, int, Word]]) -> tuple[tuple[int, int, int], ...]:
    """Return words as runs: utterance, index of the first, how many follow one another."""
    runs: list[tuple[int, int, int]] = []
    for utt, index, _ in said:
        if runs and runs[-1][0] == utt and runs[-1][1] + runs[-1][2] == index:
            runs[-1] = (utt, runs[-1][1], runs[-1][2] + 1)
        else:
            runs.append((utt, index, 1))
    return tuple(runs)
