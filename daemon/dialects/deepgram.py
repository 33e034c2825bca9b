"""From the events of one session to the messages of Deepgram's live API. Pure.

What is committed is an immutable result (`is_final`), the end of an utterance says `speech_final`, what may still
change is an interim result. Each word is in exactly one result that is final; results follow one another in time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from amanuensis.daemon.dialects.deepgram_messages import (
    DeepgramError,
    RequestFacts,
    Results,
    ResultWord,
    ServerMessage,
    SpeechStarted,
    UtteranceEnd,
)
from amanuensis.daemon.dialects.deepgram_request import ListenRequest
from amanuensis.stream.events import (
    Commit,
    Error,
    Event,
    Gap,
    Marked,
    Partial,
    Speech,
    Warning,  # noqa: A004 - the name on the wire
    Word,
)
from amanuensis.stream.events import Final as FinalEvent

MAX_NOTES: Final = 32
ENDPOINTS: Final = frozenset(("pause", "flush", "end"))  # reasons of a final after which nobody speaks
Messages: TypeAlias = list[ServerMessage]


class Translator:
    """Translates the session of one channel.

    Args:
        request: what the client asked for.
        facts: of the request.
        channel: index of the channel, and how many there are.

    Attributes:
        notes: what there is no message for, such as sound that was not heard; for `Metadata`.

    """

    def __init__(self, request: ListenRequest, facts: RequestFacts, channel: tuple[int, int] = (0, 1)) -> None:
        self.notes: list[str] = []
        self._request = request
        self._facts = facts
        self._channel = channel
        self._until_ms = 0.0  # results that are final reach to here
        self._last_word_ms: float | None = None  # end of the last word, until its UtteranceEnd is told
        self._utterance = -1  # of that word
        self._speaking = False
        self._owes_endpoint = False  # something was said, and no result has said since that it is over
        self._speech_from_ms = 0.0
        self._speakers: dict[str, int] = {}

    def translate(self, events: Iterable[Event]) -> Messages:
        """Return the messages for events that were told together; what belongs together becomes one result."""
        messages: Messages = []
        for event in events:
            match event:
                case Speech():
                    messages += self._speech(event)
                case Partial():
                    messages += self._interim(event)
                case Commit(words=words) if words:
                    self._owes_endpoint = True
                    messages += [*self._missed_end(event), self._final(words, words[-1].end_ms)]
                case FinalEvent():
                    self._end_utterance(event, messages)
                case Marked():
                    self._finalized(event, messages)
                case Gap() | Warning():
                    self._note(event)
                case Error(code=code, message=message):
                    messages.append(DeepgramError(message, variant=code))
        return messages

    def _note(self, event: Gap | Warning) -> None:
        if len(self.notes) >= MAX_NOTES:
            return
        if isinstance(event, Gap):
            self.notes.append(f"{event.start_ms / 1000:.2f} to {event.end_ms / 1000:.2f} s were not heard: {event.why}")
        else:
            self.notes.append(event.message)

    def heard(self, settled_ms: float) -> Messages:
        """Return what follows from sound in which nothing more is said.

        Args:
            settled_ms: everything before it has been told, and is final.

        """
        if self._speaking:
            return []
        messages: Messages = []
        if self._owes_endpoint and self._request.has_endpoints:  # no words were found in it
            self._amend(messages, settled_ms, speech_final=True)
        self._owes_endpoint = False
        return [*messages, *self._end_after(settled_ms)]

    def _end_after(self, now_ms: float) -> Messages:
        """Return the end of the utterance whose last word is so far back, if it was not told."""
        gap_ms, last_ms = self._request.utterance_end_ms, self._last_word_ms
        if gap_ms is None or last_ms is None or now_ms - last_ms < gap_ms:
            return []
        self._last_word_ms = None
        return [UtteranceEnd(self._channel, last_ms / 1000)]

    def _missed_end(self, commit: Commit) -> Messages:
        """Return the end before the first words of another utterance: sound may come faster than it is settled."""
        before, self._utterance = self._utterance, commit.utt
        return [] if commit.utt == before else self._end_after(commit.words[0].start_ms)

    def _speech(self, speech: Speech) -> Messages:
        self._speaking = speech.on
        if speech.on:
            self._speech_from_ms = speech.at_ms
        self._owes_endpoint = self._owes_endpoint or speech.on
        told = speech.on and self._request.vad_events
        return [SpeechStarted(self._channel, speech.at_ms / 1000)] if told else []

    def _interim(self, partial: Partial) -> Messages:
        words = estimated_words(partial) if self._request.interim_results else []
        if not words:
            return []
        end_ms = max(partial.end_ms, self._until_ms)
        return [self._results(words, end_ms, is_final=False)]

    def _final(self, words: Sequence[Word], end_ms: float) -> Results:
        if words:
            self._last_word_ms = words[-1].end_ms
        end_ms = max(end_ms, self._until_ms)
        result = self._results([self._word(word) for word in words], end_ms, is_final=True)
        self._until_ms = end_ms
        return result

    def _end_utterance(self, event: FinalEvent, messages: Messages) -> None:
        """Have the last result say that speech is over; there is an empty one where it was sent before."""
        if event.reason in ENDPOINTS and (self._request.has_endpoints or event.reason != "pause"):
            self._amend(messages, event.end_ms, speech_final=True)
            began_meanwhile = event.end_ms <= self._speech_from_ms
            self._owes_endpoint = self._speaking and began_meanwhile

    def _finalized(self, event: Marked, messages: Messages) -> None:
        self._amend(messages, event.at_ms, from_finalize=True)

    def _amend(self, messages: Messages, end_ms: float, **said: bool) -> None:
        last = messages[-1] if messages else None
        if not (isinstance(last, Results) and last.is_final):
            messages.append(self._final((), end_ms))
        elif end_ms > self._until_ms:
            self._until_ms = end_ms
        last = messages[-1]
        assert isinstance(last, Results)
        messages[-1] = replace(last, end_s=self._until_ms / 1000, **said)  # type: ignore[arg-type]  # names of flags

    def _results(self, words: Sequence[ResultWord], end_ms: float, *, is_final: bool) -> Results:
        return Results(self._facts, self._channel, self._until_ms / 1000, end_ms / 1000, tuple(words), is_final)

    def _word(self, word: Word) -> ResultWord:
        speaker = None
        if self._request.diarize and word.spk is not None:
            speaker = self._speakers.setdefault(word.spk, len(self._speakers))
        times, spaced = (word.start_ms / 1000, word.end_ms / 1000), word.text.startswith(" ")
        return ResultWord(word.text.strip(), *times, word.conf, speaker, spaced)


def estimated_words(partial: Partial) -> list[ResultWord]:
    """Return the words of what may still change; their times are shares of the whole by length, not measured."""
    texts = partial.text.split()
    n_chars = sum(map(len, texts))
    words, at_ms = [], partial.start_ms
    for text in texts:
        end_ms = at_ms + (partial.end_ms - partial.start_ms) * len(text) / n_chars
        words.append(ResultWord(text, at_ms / 1000, end_ms / 1000, 0.0))
        at_ms = end_ms
    return words
