"""Word errors between a reference and a hypothesis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Errors", "wer", "word_errors"]


@dataclass(frozen=True, slots=True)
class Errors:
    """Counts of one or more comparisons; `n` words of reference. Counts of several add up."""

    sub: int = 0
    del_: int = 0
    ins: int = 0
    n: int = 0

    def __add__(self, other: Errors) -> Errors:
        return Errors(self.sub + other.sub, self.del_ + other.del_, self.ins + other.ins, self.n + other.n)

    @property
    def total(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.sub + self.del_ + self.ins

    @property
    def rate(self) -> float:
        """Word error rate, 1.0 for as many errors as words; of an empty reference the number of insertions."""
        return self.total / max(1, self.n)


def word_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> Errors:
    """Count the errors of the alignment with the fewest (Levenshtein); words are compared as they are.

    Among alignments with equally many errors the one with the most substitutions counts. Time and memory grow with
    the product of the lengths, at a byte a pair of words.
    """
    if not reference or not hypothesis:
        return Errors(del_=len(reference), ins=len(hypothesis), n=len(reference))
    sub, del_, ins = _trace(_moves(*_as_numbers(reference, hypothesis)))
    return Errors(sub, del_, ins, len(reference))


def wer(reference: str, hypothesis: str) -> float:
    """Return the word error rate of two texts that are split at white space; normalise them before."""
    return word_errors(reference.split(), hypothesis.split()).rate


def _as_numbers(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    numbers = {word: k for k, word in enumerate({*reference, *hypothesis})}
    return np.array([numbers[w] for w in reference]), np.array([numbers[w] for w in hypothesis])


MATCH, SUB, DEL, INS = range(4)


def _moves(reference: np.ndarray, hypothesis: np.ndarray) -> np.ndarray:
    """Return the best last move of each pair of prefixes, uint8 [n_reference + 1, n_hypothesis + 1]."""
    n = len(hypothesis)
    moves = np.full((len(reference) + 1, n + 1), INS, np.uint8)
    moves[:, 0] = DEL
    columns = np.arange(n + 1)
    costs = columns.copy()
    for row, word in enumerate(reference, start=1):
        diagonal = costs[:-1] + (hypothesis != word)
        best = np.concatenate([[row], np.minimum(diagonal, costs[1:] + 1)])
        # an insertion costs 1 a column: the running minimum of cost - column takes all of them at once
        costs_now = np.minimum.accumulate(best - columns) + columns
        moves[row, 1:] = np.select(
            [
                (diagonal == costs_now[1:]) & (hypothesis == word),
                diagonal == costs_now[1:],
                costs[1:] + 1 == costs_now[1:],
            ],
            [MATCH, SUB, DEL],
            INS,
        )
        costs = costs_now
    return moves


def _trace(moves: np.ndarray) -> tuple[int, int, int]:
    counts = [0, 0, 0, 0]
    row, column = moves.shape[0] - 1, moves.shape[1] - 1
    while row or column:
        move = int(moves[row, column])
        counts[move] += 1
        row -= move != INS
        column -= move != DEL
    return counts[SUB], counts[DEL], counts[INS]
