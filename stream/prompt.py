"""The text that is put before a window: what the user gave, and what was said just before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from amanuensis.npu.window import MAX_PROMPT_TOKENS
from amanuensis.stream.words import TimedWord, WordTokenizer

__all__ = ["PromptMemory", "prompt_tokens"]

MAX_GIVEN_TOKENS: Final = MAX_PROMPT_TOKENS // 2  # terms of the user may not push out the running text


class PromptMemory:
    """Keeps the newest words that were committed, whole, within MAX_PROMPT_TOKENS together with the given text."""

    def __init__(self, given: Sequence[int] = (), said: Sequence[tuple[int, ...]] = ()) -> None:
        """Begin with the user's text, and with the tokens of words `said` before, word by word."""
        self._given: tuple[int, ...] = ()
        self._said: list[tuple[int, ...]] = list(said)
        self.give(given)

    @property
    def said(self) -> tuple[tuple[int, ...], ...]:
        """The tokens of the words that are remembered, word by word."""
        return tuple(self._said)

    def give(self, tokens: Sequence[int]) -> None:
        """Set the user's text, of which the last MAX_GIVEN_TOKENS count."""
        self._given = tuple(tokens[-MAX_GIVEN_TOKENS:])

    def add(self, words: Sequence[TimedWord]) -> None:
        """Remember words that left the window."""
        self._said += [word.tokens for word in words]
        room = MAX_PROMPT_TOKENS - len(self._given)
        while sum(map(len, self._said)) > room:
            del self._said[0]

    def clear(self) -> None:
        """Forget what was said: after a long pause, or when a hypothesis was not believed."""
        self._said.clear()

    @property
    def tokens(self) -> tuple[int, ...]:
        """The prompt, at most MAX_PROMPT_TOKENS."""
        return self._given + tuple(token for tokens in self._said for token in tokens)


def prompt_tokens(tokenizer: WordTokenizer, text: str) -> tuple[int, ...]:
    """Return the tokens of a user's text, as of a word in a sentence."""
    return tokenizer.encode(" " + text.strip()) if text.strip() else ()
