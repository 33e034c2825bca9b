"""Tokens with attention peaks to words with times."""

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
LEAD: Final = 640  # samples, 40 ms: how long before its first attention peak a word begins
REACH: Final = 4_800  # samples, 300 ms: how long after its last attention peak a word goes on when nothing follows


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
    result: WindowResult, tokenizer: WordTokenizer, window_start: int, bounds: tuple[int, int], language: str | None
) -> list[TimedWord]:
    """Return the words of a hypothesis in order, their times monotone and inside `bounds`.

    Attention peaks where the sound of a token sets in. So a word begins LEAD before its first peak, and ends where the
    next one begins, but not more than REACH after its last peak.

    Args:
        result: the hypothesis.
        tokenizer: of the model that wrote it.
        window_start: position of the window's first sample, 16 kHz.
        bounds: first and last position that a word may have: the end of the word before, and of the audio.
        language: code, for languages that are written without spaces.

    """
    words = [
        _word(result, part, window_start, bounds[1])
        for part in tokenizer.split_words(result.tokens, language)
        if part.text.strip()
    ]
    return [_with_times(words, k, bounds) for k in range(len(words))]


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
    logprobs = result.logprobs[part.start : part.stop]
    conf = math.exp(min(0.0, sum(logprobs) / len(logprobs)))
    return TimedWord(part.text, tuple(result.tokens[part.start : part.stop]), first, max(first, last), 0, 0, conf)


def _with_times(words: Sequence[TimedWord], k: int, bounds: tuple[int, int]) -> TimedWord:
    word, (low, high) = words[k], bounds
    start = _begin(words, k)
    end = word.last + REACH
    if k + 1 < len(words):
        end = min(end, _begin(words, k + 1))
    return replace(word, start=min(max(start, low), high), end=min(max(end, start, low), high))


def _begin(words: Sequence[TimedWord], k: int) -> int:
    """Return where a word begins, not before the last peak of the one before it."""
    return max(words[k].first - LEAD, words[k - 1].last) if k else words[k].first - LEAD
