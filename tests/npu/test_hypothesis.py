"""The gates on a hypothesis."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.npu.hypothesis import Hypothesis, compression_ratio, is_looping, needs_fallback


def test_average_counts_the_end_as_a_token() -> None:
    """As in openai/whisper the sum is divided by one more than the tokens."""
    assert Hypothesis((1, 2), (-1.0, -2.0), -4.5, True).avg_logprob == pytest.approx(-1.5)


@pytest.mark.parametrize(
    ("ratio", "avg_logprob", "no_speech", "expected"),
    [(1.0, -0.5, 0.0, False), (2.5, -0.5, 0.0, True), (1.0, -1.1, 0.0, True), (2.5, -1.1, 0.7, False)],
)
def test_fallback_follows_openai(ratio: float, avg_logprob: float, no_speech: float, expected: bool) -> None:
    """Repetition and doubt ask for another temperature, silence does not."""
    assert needs_fallback(ratio, avg_logprob, no_speech) is expected


def test_repetition_compresses() -> None:
    """A loop is above the gate, a sentence and an empty text are below it."""
    assert compression_ratio("thank you " * 30) > 2.4
    assert compression_ratio("the quick brown fox jumps over the lazy dog") < 2.4
    assert compression_ratio("") == 0


@given(st.lists(st.integers(0, 9), max_size=30), st.lists(st.integers(0, 9), min_size=1, max_size=16))
def test_sixteen_repeating_tokens_are_a_loop(before: list[int], run: list[int]) -> None:
    """Whatever came before, four repeats of a run of at least sixteen tokens in all are a loop."""
    repeats = max(4, -(-16 // len(run)))
    assert is_looping(before + run * repeats)


@given(st.lists(st.integers(0, 999), max_size=60, unique=True))
def test_text_without_repeats_is_no_loop(tokens: list[int]) -> None:
    """Tokens that never come again are no loop, nor is a word said four times."""
    assert not is_looping(tokens)
    assert not is_looping([*tokens, 1000, 1000, 1000, 1000])
