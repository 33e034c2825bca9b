"""How long a speaker's pauses are, learnt while the speaker talks: whether a silence is likely to be the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["ENDED", "MAX_PAUSES", "PauseMemory"]

MAX_PAUSES: Final = 16  # silences that are remembered
ENDED: Final = 0  # in the place of a length: nothing more was said before the endpoint
MOST_GO_ON: Final = 1 / 3  # of the silences that last so long, at most so many may be pauses
PRESUMED_ENDS: Final = 2  # silences that count as ends before any was heard
SPREAD: Final = 960  # samples, 60 ms: the next pause may be longer by so much


class PauseMemory:
    """The newest silences inside and after utterances, lengths in 16 kHz samples."""

    def __init__(self, lengths: Sequence[int] = ()) -> None:
        """Begin with silences that are known; of one that ended an utterance, ENDED."""
        self._lengths = list(lengths[-MAX_PAUSES:])

    @property
    def lengths(self) -> tuple[int, ...]:
        """What another memory needs to go on from here, the newest last."""
        return tuple(self._lengths)

    def add(self, length: int) -> None:
        """Take note of a silence after which speech went on, or ENDED."""
        self._lengths = [*self._lengths, length][-MAX_PAUSES:]

    def hold(self, shortest: int, longest: int) -> int:
        """Return the silence, within these bounds, from which on most silences of this speaker are ends."""
        pauses = sorted(length for length in self._lengths if length > shortest)
        n_ends = PRESUMED_ENDS + self._lengths.count(ENDED)
        for n_shorter, hold in enumerate([shortest, *(length + SPREAD for length in pauses)]):
            n_longer = len(pauses) - n_shorter
            if n_longer <= MOST_GO_ON * (n_longer + n_ends):
                return min(hold, max(shortest, longest))
        raise AssertionError("no pause is longer than the longest")
