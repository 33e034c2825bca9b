"""Word errors against a plain dynamic programme."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.stream.wer import Errors, wer, word_errors

WORDS = st.lists(st.sampled_from("abc"), max_size=9)


def distance(a: list[str], b: list[str]) -> int:
    """Return Levenshtein's distance, by its definition."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        row, last = [i], row
        for j, y in enumerate(b, start=1):
            row.append(min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y)))
    return row[-1]


@given(WORDS, WORDS)
def test_errors_are_the_fewest(reference: list[str], hypothesis: list[str]) -> None:
    """The sum is Levenshtein's distance, and the counts fit the lengths."""
    errors = word_errors(reference, hypothesis)
    assert errors.total == distance(reference, hypothesis)
    assert errors.n == len(reference)
    assert errors.ins - errors.del_ == len(hypothesis) - len(reference)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors"),
    [
        ("a b c", "a x c", Errors(sub=1, n=3)),
        ("a b c", "a c", Errors(del_=1, n=3)),
        ("a c", "a b c", Errors(ins=1, n=2)),
        ("", "a b", Errors(ins=2)),
        ("a b", "", Errors(del_=2, n=2)),
    ],
)
def test_kinds(reference: str, hypothesis: str, errors: Errors) -> None:
    """Substitutions, deletions and insertions are told apart."""
    assert word_errors(reference.split(), hypothesis.split()) == errors


def test_counts_add_up() -> None:
    """Errors of several texts add to one rate."""
    both = Errors(sub=1, n=4) + Errors(del_=1, ins=1, n=6)
    assert both == Errors(1, 1, 1, 10)
    assert both.rate == pytest.approx(0.3)


def test_rate_of_texts() -> None:
    """The rate is errors by words of the reference."""
    assert wer("a b c d", "a b c") == 0.25
    assert wer("", "") == 0
