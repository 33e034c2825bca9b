"""Scores of rows from their logits, in NumPy: what the CPU back end answers to the decoding rules."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.records import NO_ID
from amanuensis.kernels.reference.noise import gumbel
from amanuensis.npu.row_rules import KindScores, RowRules, RowScores, Selection

Float32 = NDArray[np.float32]
NEVER = np.float32(-np.inf)
NOTHING = KindScores()


class RowScorer:
    """Scores rows of one vocabulary, in buffers of its own: a row allocates nothing of the vocabulary's size.

    Not for use by several threads at once.
    """

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._suppressed = [np.flatnonzero(mask) for mask in selection.masks]
        self._ids = np.arange(selection.vocabulary, dtype=np.uint32)
        self._allowed = np.empty(selection.vocabulary, np.float32)
        self._weights = np.empty(selection.vocabulary, np.float32)

    def score(self, logits: Float32, rules: RowRules) -> RowScores:
        """Return the scores of a row with logits [vocabulary], which stay as they are."""
        no_speech_prob = self._probability(logits, self._selection.no_speech) if rules.no_speech else 0.0
        if not rules.candidates:
            return RowScores(NOTHING, NOTHING, no_speech_prob=no_speech_prob)
        allowed = self._under_mask(logits, rules)
        text = slice(0 if rules.text else self._selection.eot, self._selection.timestamp_begin)
        time = slice(rules.time_from, rules.time_to)
        wanted_logit = -np.inf
        if rules.wanted != NO_ID and any(kind.start <= rules.wanted < kind.stop for kind in (text, time)):
            wanted_logit = float(allowed[rules.wanted])
        return RowScores(
            self._kind(allowed, text, rules), self._kind(allowed, time, rules), wanted_logit, no_speech_prob
        )

    def _under_mask(self, logits: Float32, rules: RowRules) -> Float32:
        """Return the buffer that now holds logits with bonuses, -inf at suppressed ids."""
        allowed = self._allowed
        np.copyto(allowed, logits)
        for token, bonus in rules.bonuses:
            allowed[token] += bonus
        allowed[self._suppressed[rules.mask]] = NEVER
        if not rules.eot:
            allowed[self._selection.eot] = NEVER
        return allowed

    def _kind(self, allowed: Float32, kind: slice, rules: RowRules) -> KindScores:
        if kind.start >= kind.stop:
            return NOTHING
        logits = allowed[kind]
        best = _top(logits, rules.candidates)
        if not best or not logits[best[0]] > NEVER:  # NaN neither
            return NOTHING
        highest = logits[best[0]]
        lse = float(highest) + float(np.log(self._exp(logits, highest).sum(dtype=np.float64)))
        while logits[best[-1]] == NEVER:
            best.pop()
        ids, values = tuple([kind.start + at for at in best]), tuple([float(logits[at]) for at in best])
        if rules.temperature <= 0:
            return KindScores(ids, values, lse)
        noise = gumbel(rules.seed, rules.position, self._ids[kind])
        scores = logits / np.float32(rules.temperature) + noise
        at = int(scores.argmax())
        return KindScores(ids, values, lse, kind.start + at, float(logits[at]), float(scores[at]))

    def _probability(self, logits: Float32, token: int) -> float:
        weights = self._exp(logits, logits.max())
        return float(weights[token] / weights.sum())

    def _exp(self, logits: Float32, highest: np.float32) -> Float32:
        """Return exp(logits - highest) in a buffer."""
        weights = self._weights[: len(logits)]
        np.subtract(logits, highest, out=weights)
        return np.exp(weights, out=weights)


def _top(logits: Float32, count: int) -> list[int]:
    """Return the places of the `count` highest of logits [n], the highest first, the lower place of equals."""
    if count == 1:
        return [int(logits.argmax())]
    count = min(count, len(logits))
    least = np.partition(logits, len(logits) - count)[len(logits) - count]
    places = np.flatnonzero(logits >= least)
    best: list[int] = places[np.argsort(-logits[places], kind="stable")[:count]].tolist()
    return best
