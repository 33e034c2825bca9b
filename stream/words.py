"""Tokens with their times to words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from amanuensis.npu.tokenizer import TokenWord
from amanuensis.npu.window import WindowResult
from amanuensis.stream.events import Word
from amanuensis.stream.resample import MODEL_RATE

__all__ = ["ENCODER_FRAME", "TimedWord", "WordTokenizer", "text_of", "timed_words", "to_ms", "tokens_of"]

ENCODER_FRAME: Final = 320  # samples at 16 kHz: 20 ms
MS: Final = MODEL_RATE // 1000  # samples
VOTE_LAG: Final = (
    960  # samples, 60 ms: the voice detector has three of its frames vote before it says that speech began
)


class WordTokenizer(Protocol):
    """What the stream needs of `amanuensis.npu.tokenizer.Tokenizer`."""

    def encode(self, text: str) -> tuple[int, ...]: ...

    def split_words(self, ids: Sequence[int], language: str | None = None) -> list[TokenWord]: ...


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word of a hypothesis.

    Attributes:
        text: surface, with its own leading space.
        tokens: the tokens that spell it.
        first, last: attention peaks of its first and last token, 16 kHz samples from the start of the stream.
        start, end: where it is said, likewise.
        conf: geometric mean of the probabilities of its tokens.

    """

    text: str
    tokens: tuple[int, ...]
    first: int
    last: int
    start: int
    end: int
    conf: float

    def event(self) -> Word:
        """Return the word as events carry it."""
        return Word(self.text, to_ms(self.start), to_ms(self.end), round(self.conf, 4))


def timed_words(
    result: WindowResult,
    tokenizer: WordTokenizer,
    window_start: int,
    bounds: tuple[int, int],
    language: str | None,
    *,
    voiced: Sequence[tuple[int, int]],
) -> list[TimedWord]:
    """Return the words of a hypothesis in order, their times monotone, inside `bounds` and inside speech.

    A word is said from the start of its first token to the end of its last one, less what the voice detector calls
    silence on either side; a word without any speech is left where the attention puts it.

    Args:
        result: the hypothesis.
        tokenizer: of the model that wrote it.
        window_start: position of the window's first sample, 16 kHz.
        bounds: first and last position that a word may have: the end of the word before, and of the audio.
        language: code, for languages that are written without spaces.
        voiced: the parts of the audio that are speech, in order.

    """
    words = [
        _word(result, part, window_start, bounds[1])
        for part in tokenizer.split_words(result.tokens, language)
        if part.text.strip()
    ]
    low, timed = bounds[0], []
    for word in words:
        start, end = _inside_speech(word.start, word.end, voiced)
        start = min(max(start, low), bounds[1])
        low = min(max(end, start), bounds[1])
        timed.append(replace(word, start=start, end=low))
    return timed


def text_of(words: Sequence[TimedWord]) -> str:
    """Return the text that the words spell together."""
    return "".join(word.text for word in words)


def tokens_of(words: Sequence[TimedWord]) -> tuple[int, ...]:
    """Return the tokens of all words."""
    return tuple(token for word in words for token in word.tokens)


def to_ms(position: int) -> float:
    """Return the media time of a 16 kHz sample in milliseconds."""
    return position * 1000 / MODEL_RATE


def _word(result: WindowResult, part: TokenWord, window_start: int, high: int) -> TimedWord:
    first, last = (
        min(window_start + frame * ENCODER_FRAME + ENCODER_FRAME // 2, high)
        for frame in (result.frames[part.start], result.frames[part.stop - 1])
    )
    start = window_start + result.starts_ms[part.start] * MS
    end = window_start + result.ends_ms[part.stop - 1] * MS
    logprobs = result.logprobs[part.start : part.stop]
    conf = math.exp(min(0.0, sum(logprobs) / len(logprobs)))
    tokens = tuple(result.tokens[part.start : part.stop])
    return TimedWord(part.text, tokens, first, max(first, last), start, end, conf)


def _inside_speech(start: int, end: int, voiced: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return the part of [start, end) from its first speech to its last, all of it when there is none."""
    spans = [(first, last) for first, last in voiced if first < end and start < last]
    if not spans:
        return start, end
    return max(start, spans[0][0] - VOTE_LAG), min(end, spans[-1][1])
