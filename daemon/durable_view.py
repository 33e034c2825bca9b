"""What a client knows of a session for good, from the events of however many connections.

Pure. Events that come again change nothing; a snapshot is joined to the words that are known.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, TypeAlias

Event: TypeAlias = dict[str, Any]
MAX_WORDS: Final = 100_000  # ten hours of speech; older ones are forgotten


class ViewError(Exception):
    """The server has left something out; the message says what."""


class DurableView:
    """The durable events and committed words of one session.

    Args:
        seq: number of the newest durable event that is known before the first one is taken.

    Attributes:
        seq: number of the newest durable event.
        committed: words that were committed, those that are not kept or were never told included.
        untold: of these, words that a snapshot had no room for.

    """

    def __init__(self, seq: int = 0) -> None:
        self.seq = seq
        self.committed = 0
        self.untold = 0
        self._words: deque[Event] = deque(maxlen=MAX_WORDS)
        self._places: deque[tuple[int, int]] = deque(maxlen=MAX_WORDS)  # utterance, index in it
        self._counts: dict[int, int] = {}  # words of the newest utterances

    def take(self, event: Event) -> bool:
        """Take any event; False for a durable one that came before.

        Raises:
            ViewError: durable events are missing before it, or the server has forgotten some.

        """
        if event["type"] == "snapshot":
            self._join(event)
            return True
        seq = event.get("seq")
        if seq is None:
            return True
        if seq <= self.seq:
            return False
        if seq > self.seq + 1:
            raise ViewError(f"event {seq} came after event {self.seq}: the server has left {seq - self.seq - 1} out")
        self.seq = seq
        if event["type"] == "commit":
            self._commit(event)
        if event["type"] == "speaker_revised":
            self._revise({(word["utt"], word["i"]): word["spk"] for word in event["words"]})
        return True

    def _commit(self, commit: Event) -> None:
        utt = commit["utt"]
        first = self._counts.get(utt, 0)
        self._words.extend(commit["words"])
        self._places.extend((utt, first + k) for k in range(len(commit["words"])))
        self.committed += len(commit["words"])
        self._counts = {known: n for known, n in self._counts.items() if known >= utt - 1}
        self._counts[utt] = first + len(commit["words"])

    def _revise(self, speakers: dict[tuple[int, int], str]) -> None:
        """Give words to other speakers; most are among the newest."""
        for k in range(len(self._places) - 1, -1, -1):
            if not speakers:
                return
            if (spk := speakers.pop(self._places[k], None)) is not None:
                self._words[k] = self._words[k] | {"spk": spk}

    def _join(self, snapshot: Event) -> None:
        """Take the words of a snapshot; those that are known already may have another speaker now."""
        if snapshot["seq"] < self.seq:
            raise ViewError(f"the server knows events up to {snapshot['seq']}; it had told event {self.seq}")
        self.seq = snapshot["seq"]
        first = int(snapshot.get("first", 0))
        self.untold += max(0, first - self.committed)
        words = snapshot["words"]
        places = [(run["utt"], run["i"] + k) for run in snapshot["places"] for k in range(run["n"])]
        n_known = max(0, self.committed - first)
        self._revise(
            {place: word["spk"] for place, word in zip(places[:n_known], words, strict=False) if "spk" in word}
        )
        self._words.extend(words[n_known:])
        self._places.extend(places[n_known:])
        self._counts = {run["utt"]: run["i"] + run["n"] for run in snapshot["places"][-2:]}
        self.committed = first + len(words)

    @property
    def words(self) -> list[Event]:
        """The committed words that are kept, as they came."""
        return list(self._words)

    @property
    def text(self) -> str:
        """The committed words that are kept, as one line."""
        return "".join(word["text"] for word in self._words).strip()
