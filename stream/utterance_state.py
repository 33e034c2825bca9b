"""An utterance put down: all that its transcriber needs to go on, but the sound."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from amanuensis.stream.events import FinalReason
from amanuensis.stream.words import TimedWord, WordTokenizer

__all__ = ["UtteranceState"]


@dataclass(frozen=True, slots=True)
class UtteranceState:
    """An utterance that is not final; positions are 16 kHz samples. A job that was outstanding is due again.

    Attributes:
        start: where it begins.
        window_start: where its window begins; sound before it is not needed.
        decoded_end: how far it was decoded.
        end: where it ends, once that is known.
        reason: why it ends.
        forced: committed words whose sound is in the window.
        hypothesis: words behind them that are not committed.
        trusted: whether the hypothesis passed every gate.
        wrote_words: whether any words were committed.
        lead: frames of silence before the window, once they are known.
        hurry, hurried_at: whether to decode at once, and how far the audio had come when that was last so.
        look_again: a second look that is due at speech without words, by the kind of the first.
        looked_from: where speech without words was last found, -1 before.
        spare: words of the first look behind the place that is looked at again.

    Raises:
        ValueError: positions are not in order.

    """

    start: int
    window_start: int
    decoded_end: int
    end: int | None = None
    reason: FinalReason = "pause"
    forced: tuple[TimedWord, ...] = ()
    hypothesis: tuple[TimedWord, ...] = ()
    trusted: bool = False
    wrote_words: bool = False
    lead: int | None = None
    hurry: bool = False
    hurried_at: int = -1
    look_again: Literal["full", "last"] | None = None
    looked_from: int = -1
    spare: tuple[TimedWord, ...] = ()

    def __post_init__(self) -> None:
        end = self.window_start if self.end is None else self.end
        if not 0 <= self.start <= self.window_start <= end:
            raise ValueError(f"an utterance cannot begin at {self.start}, {self.window_start} and end at {self.end}")
        for words in (self.forced, self.hypothesis, self.spare):
            if any(a.start > b.start for a, b in pairwise(words)):
                raise ValueError(f"the words of the utterance at {self.start} are not in order")

    def spelt_by(self, tokenizer: WordTokenizer) -> UtteranceState:
        """Return the same words in the tokens of another model."""
        forced, hypothesis, spare = (
            tuple(replace(word, tokens=tokenizer.encode(word.text)) for word in words)
            for words in (self.forced, self.hypothesis, self.spare)
        )
        return replace(self, forced=forced, hypothesis=hypothesis, spare=spare)
