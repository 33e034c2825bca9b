"""Committed and partial words to events: each word once, partials numbered, utterances closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from amanuensis.npu.engine.api import EngineInfo
from amanuensis.npu.window import NO_WORK, DeviceWork, WindowResult
from amanuensis.stream.cut import ends_sentence
from amanuensis.stream.events import Commit, EngineUse, Event, Final, FinalReason, Partial
from amanuensis.stream.words import TimedWord, text_of, to_ms

__all__ = ["CaptionState", "CaptionWriter"]

UNSHOWN_REVS = 1_000  # more partials than can have been shown since the state was taken: a commit is due in 8 s
NO_ENGINE = EngineUse("none", "none", "none")


class Labeller(Protocol):
    """Who says whose words are."""

    def commit(self, commit: Commit) -> list[Event]:
        """Return a commit with speakers, and what is to be told before it."""
        ...


@dataclass(frozen=True, slots=True)
class CaptionState:
    """A caption writer put down.

    Attributes:
        utt: number of the open utterance.
        text: of its committed words.
        start, end: where they are, 16 kHz samples; `end` holds beyond the utterance.
        rev: of the newest partial.
        engine, work: where its windows were computed, and with how much work.

    """

    utt: int = 0
    text: str = ""
    start: int = 0
    end: int = 0
    rev: int = 0
    engine: EngineUse = NO_ENGINE
    work: DeviceWork = NO_WORK


class CaptionWriter:
    """Writes the captions of one stream.

    An utterance without a pause is made final after a sentence that ends past half of `max_utterance` samples, and
    after any word past all of it; what follows gets the next number.
    """

    def __init__(self, max_utterance: int, state: CaptionState | None = None, speakers: Labeller | None = None) -> None:
        """Begin, or go on from a state; then the next partial is shown even if it says the same or nothing.

        `speakers` says of each commit who speaks.
        """
        self._speakers = speakers
        self._max_utterance = max_utterance
        resumed, state = state is not None, state or CaptionState()
        self._shown = None if resumed else ""
        self._utt = state.utt
        self._text = state.text  # of the committed words
        self._start = state.start
        self._end = state.end
        self._rev = state.rev + UNSHOWN_REVS if resumed else 0
        self._engine = state.engine
        self._work = state.work  # of the devices, for the open utterance

    def state(self) -> CaptionState:
        """Return what another writer needs to go on from here."""
        return CaptionState(self._utt, self._text, self._start, self._end, self._rev, self._engine, self._work)

    @property
    def end(self) -> int:
        """Where the last committed word ends: no later word begins before it."""
        return self._end

    @property
    def wrote_words(self) -> bool:
        """Whether the open utterance has committed words."""
        return bool(self._text)

    def computed(self, result: WindowResult, info: EngineInfo) -> None:
        """Take note of where a window of the open utterance was computed, and of the work that it took."""
        self._work += result.work
        work = self._work if self._work.dispatches else None
        self._engine = EngineUse(result.encoder, result.decoder, info.model, result.why(info.why), work)

    def commit(self, words: Sequence[TimedWord]) -> list[Event]:
        """Commit words that follow those committed before."""
        if not words:
            return []
        if not self._text:
            self._start = words[0].start
        self._text += text_of(words)
        self._end = max(self._end, words[-1].end)
        commit = Commit(self._utt, tuple(word.event() for word in words))
        events: list[Event] = [commit] if self._speakers is None else self._speakers.commit(commit)
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
        if not self._text:
            return self.partial([])
        event = Final(self._utt, reason, self._text, to_ms(self._start), to_ms(self._end), self._engine)
        self._utt += 1
        self._text = ""
        self._work = NO_WORK
        self._rev, self._shown = 0, ""
        return [event]

    def _is_long(self, last_text: str) -> bool:
        length = self._end - self._start
        return length >= self._max_utterance or (2 * length >= self._max_utterance and ends_sentence(last_text))
