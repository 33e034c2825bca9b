"""Committed and partial words to events: each word once, partials numbered, utterances closed."""

from __future__ import annotations

from collections.abc import Sequence

from amanuensis.npu.engine.api import EngineInfo
from amanuensis.npu.window import NO_WORK, WindowResult
from amanuensis.stream.cut import ends_sentence
from amanuensis.stream.events import Commit, EngineUse, Event, Final, FinalReason, Partial, Word
from amanuensis.stream.words import TimedWord, text_of, to_ms

__all__ = ["CaptionWriter"]


class CaptionWriter:
    """Writes the captions of one stream.

    An utterance without a pause is made final after a sentence that ends past half of `max_utterance` samples, and
    after any word past all of it; what follows gets the next number.
    """

    def __init__(self, max_utterance: int) -> None:
        self._max_utterance = max_utterance
        self._utt = 0
        self._words: list[Word] = []
        self._start = 0
        self._end = 0
        self._rev = 0
        self._shown = ""
        self._engine = EngineUse("none", "none", "none")
        self._work = NO_WORK  # of the devices, for the open utterance

    @property
    def end(self) -> int:
        """Where the last committed word ends: no later word begins before it."""
        return self._end

    @property
    def wrote_words(self) -> bool:
        """Whether the open utterance has committed words."""
        return bool(self._words)

    def computed(self, result: WindowResult, info: EngineInfo) -> None:
        """Take note of where a window of the open utterance was computed, and of the work that it took."""
        self._work += result.work
        work = self._work if self._work.dispatches else None
        self._engine = EngineUse(result.encoder, result.decoder, info.model, result.why(info.why), work)

    def commit(self, words: Sequence[TimedWord]) -> list[Event]:
        """Commit words that follow those committed before."""
        if not words:
            return []
        if not self._words:
            self._start = words[0].start
        committed = tuple(word.event() for word in words)
        self._words += committed
        self._end = max(self._end, words[-1].end)
        events: list[Event] = [Commit(self._utt, committed)]
        if self._is_long(words[-1].text):
            events += self.final("length")
        return events

    def partial(self, words: Sequence[TimedWord]) -> list[Event]:
        """Show what is heard but not committed; nothing when the same is shown already."""
        text = text_of(words)
        if text == self._shown:
            return []
        self._shown = text
        self._rev += 1
        start, end = (words[0].start, words[-1].end) if words else (self._end, self._end)
        return [Partial(self._utt, self._rev, text, to_ms(start), to_ms(end))]

    def final(self, reason: FinalReason) -> list[Event]:
        """Close the utterance; one without words leaves no trace but the partial that is taken back."""
        if not self._words:
            return self.partial([])
        text = "".join(word.text for word in self._words)
        event = Final(self._utt, reason, text, to_ms(self._start), to_ms(self._end), self._engine)
        self._utt += 1
        self._words = []
        self._work = NO_WORK
        self._rev, self._shown = 0, ""
        return [event]

    def _is_long(self, last_text: str) -> bool:
        length = self._end - self._start
        return length >= self._max_utterance or (2 * length >= self._max_utterance and ends_sentence(last_text))
