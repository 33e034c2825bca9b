"""Tests of the tokeniser that is trained on made sentences."""

from itertools import islice

from amanuensis.training.text import narrow_sentences, talk_sentences
from amanuensis.training.tokenizer import MARKS, N_TEXT_TOKENS, TIMESTAMPS, Vocabulary


def test_marks_are_tokens_of_their_own(vocabulary: Vocabulary) -> None:
    """A mark never merges with letters, so that it can be heard where its word ends."""
    for mark in MARKS:
        *letters, last = vocabulary.encode_words([f"left{mark}"])[0]
        assert vocabulary.is_mark(last)
        assert not any(vocabulary.is_mark(token) for token in letters)
        assert vocabulary.decode([*letters, last]) == f"left{mark}"


def test_what_is_written_comes_back(vocabulary: Vocabulary) -> None:
    """Case, marks and apostrophes survive the way to tokens and back, of sentences that were not trained on too."""
    for sentences in (narrow_sentences, talk_sentences):
        for made in islice(sentences(9, held_out=True), 10):
            pieces = vocabulary.encode_words(made.written.split())
            assert vocabulary.decode([token for word in pieces for token in word]) == made.written


def test_the_vocabulary_has_its_size(vocabulary: Vocabulary) -> None:
    """Text tokens come first and are all used, then the special ones, then the times."""
    assert vocabulary.end == N_TEXT_TOKENS
    assert vocabulary.size == vocabulary.first_timestamp + len(TIMESTAMPS)
