"""Scores of rows from their logits, in NumPy: what the CPU back end answers to the decoding rules."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.records import NO_ID
from amanuensis.kernels.reference.noise import Noise
from amanuensis.npu.row_rules import KindScores, RowRules, RowScores, Selection

Float32 = NDArray[np.float32]
NEVER = np.array(-np.inf, np.float32)  # of no axes: of a scalar NumPy would make an array at each use
NOTHING = KindScores()


class RowScorer:
    """Scores rows of one vocabulary in buffers of its own: no array is made for a row.

    Not for use by several threads at once.
    """

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._suppressed = [np.flatnonzero(mask) for mask in selection.masks]
        self._noise: Noise | None = None  # where nothing is drawn it costs no memory
        self._allowed = np.empty(selection.vocabulary, np.float32)
        self._weights = np.empty(selection.vocabulary, np.float32)
        self._temperature = np.empty((), np.float32)
        self._place = np.empty((), np.intp)
        self._highest = np.empty((), np.float32)
        self._total = np.empty((), np.float32)
        self._exact_total = np.empty((), np.float64)

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
        best = self._top(logits, rules.candidates)
        if not best:
            return NOTHING
        ids, values = tuple([kind.start + at for at in best]), tuple([float(logits[at]) for at in best])
        self._highest[()] = logits[best[0]]
        np.add.reduce(self._exp(logits), dtype=np.float64, out=self._exact_total)
        lse = values[0] + float(np.log(self._exact_total[()]))
        if rules.temperature <= 0:
            return KindScores(ids, values, lse)
        scores = self._noisy(logits, kind, rules)
        scores.argmax(out=self._place)
        at = int(self._place)
        return KindScores(ids, values, lse, kind.start + at, float(logits[at]), float(scores[at]))

    def _noisy(self, logits: Float32, kind: slice, rules: RowRules) -> Float32:
        """Return logits / temperature + noise in a buffer."""
        if self._noise is None:
            self._noise = Noise(np.arange(self._selection.vocabulary))
        self._temperature[()] = rules.temperature
        scores = np.divide(logits, self._temperature, out=self._weights[: len(logits)])
        scores += self._noise.gumbel(rules.seed, rules.position, kind)
        return scores

    def _probability(self, logits: Float32, token: int) -> float:
        np.maximum.reduce(logits, out=self._highest)
        weights = self._exp(logits)
        np.add.reduce(weights, out=self._total)
        return float(weights[token] / self._total[()])

    def _exp(self, logits: Float32) -> Float32:
        """Return exp(logits - `_highest`) in a buffer."""
        weights = self._weights[: len(logits)]
        np.subtract(logits, self._highest, out=weights)
        return np.exp(weights, out=weights)

    def _top(self, logits: Float32, count: int) -> list[int]:
        """Return the places of the `count` highest of logits [n], the highest first, the lower place of equals.

        There are fewer where others are -inf, and none where one is NaN.
        """
        left = logits
        if count > 1:  # those found are struck out
            left = self._weights[: len(logits)]
            np.copyto(left, logits)
        best: list[int] = []
        for _ in range(count):
            left.argmax(out=self._place)
            at = int(self._place)
            if not left[at] > -np.inf:
                break
            best.append(at)
            if count > 1:
                left[at] = -np.inf
        return best
