"""AlignAtt on words."""

from __future__ import annotations

from amanuensis.stream.align_att import attended_words
from tests.helpers.words import words

SECOND = 16_000


def test_words_far_from_the_edge_are_committed_at_once() -> None:
    """One hypothesis is enough for words whose attention is far enough from the newest audio."""
    assert attended_words(words("a b c d"), 0, 2 * SECOND, SECOND // 2) == 3
    assert attended_words(words("a b c d"), 0, 3 * SECOND, SECOND // 2) == 4


def test_attention_that_jumps_back_is_not_believed() -> None:
    """A hypothesis that starts more than 4 s before the last committed word repeats what was said."""
    found = words("a b c d", at_s=1.0)
    assert attended_words(found, 6 * SECOND, 9 * SECOND, SECOND // 2) == 0
    assert attended_words(found, 4 * SECOND, 9 * SECOND, SECOND // 2) == 4


def test_no_words_commit_nothing() -> None:
    """An empty hypothesis is fine."""
    assert attended_words([], 0, SECOND, SECOND // 2) == 0
