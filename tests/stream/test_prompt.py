"""The text before a window."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amanuensis.npu.window import MAX_PROMPT_TOKENS
from amanuensis.stream.prompt import PromptMemory
from tests.helpers.words import words


def test_the_newest_words_are_kept() -> None:
    """What the user gave comes first, then what was said."""
    memory = PromptMemory((7, 8))
    memory.add(words("a b"))
    assert memory.tokens == (7, 8, 1, 2, 1, 2)
    memory.clear()
    assert memory.tokens == (7, 8)


@given(st.integers(0, 60), st.lists(st.integers(0, 20), max_size=8))
def test_it_is_bounded_and_whole(n_given: int, sizes: list[int]) -> None:
    """The prompt never exceeds its bound, and words in it are whole."""
    memory = PromptMemory(range(100, 100 + n_given))
    for size in sizes:
        memory.add(words("w " * size))
    tokens = memory.tokens
    assert len(tokens) <= MAX_PROMPT_TOKENS
    given_tokens = [token for token in tokens if token >= 100]
    assert given_tokens == list(range(100, 100 + n_given))[-MAX_PROMPT_TOKENS // 2 :]
    assert len(tokens[len(given_tokens) :]) % 2 == 0
    if sum(sizes):
        assert len(tokens) - len(given_tokens) >= min(2 * sum(sizes), MAX_PROMPT_TOKENS // 2 - 1)
