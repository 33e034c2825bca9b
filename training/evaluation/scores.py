"""Word errors and their confidence: every figure is a ratio of sums over utterances, resampled by utterance."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from amanuensis.stream.wer import Errors, word_errors
from amanuensis.training.evaluation.sets import Utterance
from amanuensis.training.text import spoken_words

RESAMPLES = 2_000
WHOLE = "all"  # the voice under which a whole set is counted


@dataclass(frozen=True)
class Ratio:
    """Sums of something over sums of something else, with the bounds of its 95 % interval.

    The bounds are those of the percentile bootstrap over the parts of the sums; of one part, or without any errors,
    they say nothing and are the value itself. All are nan where the second sum is 0.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return self.written("{:.1%}")

    def written(self, form: str, scale: float = 1.0) -> str:
        """Return the value in a format, times `scale`, and the bounds unless they are the value."""
        value, low, high = (form.format(scale * x) for x in (self.value, self.low, self.high))
        return "-" if math.isnan(self.value) else value if low == value == high else f"{value} ({low} to {high})"

    def as_json(self) -> dict[str, float] | None:
        """Return the figures by name, to 5 digits; None where there are none."""
        if math.isnan(self.value):
            return None
        return {"value": round(self.value, 5), "low": round(self.low, 5), "high": round(self.high, 5)}


def ratio(above: Sequence[float], below: Sequence[float], resamples: int = RESAMPLES) -> Ratio:
    """Return sum(above) / sum(below) of n parts, each drawn anew with replacement `resamples` times for the bounds."""
    parts = np.array([above, below], np.float64)
    n, (above_all, below_all) = parts.shape[1], parts.sum(axis=1)
    if not below_all:
        return Ratio(math.nan, math.nan, math.nan)
    sums = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), resamples) @ parts.T
    sums = sums[sums[:, 1] > 0]
    low, high = np.percentile(sums[:, 0] / sums[:, 1], (2.5, 97.5))
    return Ratio(float(above_all / below_all), float(low), float(high))


@dataclass(frozen=True)
class Score:
    """Errors of some utterances."""

    errors: Errors
    utterances: int
    wer: Ratio  # 0.1 = 10 %

    @classmethod
    def of(cls, errors: Sequence[Errors]) -> Score:
        """Sum up the errors of utterances."""
        wer = ratio([e.total for e in errors], [e.n for e in errors])
        return cls(sum(errors, start=Errors()), len(errors), wer)

    def as_json(self) -> dict[str, Any]:
        """Return the figures by name."""
        e = self.errors
        counts = {"substitutions": e.sub, "deletions": e.del_, "insertions": e.ins, "words": e.n}
        return {"utterances": self.utterances, **counts, "wer": self.wer.as_json()}


def errors_of(utterances: list[Utterance], texts: list[str]) -> list[Errors]:
    """Return the word errors of each utterance; `texts` are what a model wrote."""
    return [word_errors(spoken_words(u.text), spoken_words(t)) for u, t in zip(utterances, texts, strict=True)]


def score(utterances: list[Utterance], errors: list[Errors]) -> dict[tuple[str, str], Score]:
    """Return scores by (set, voice), with voice WHOLE for each set, in the order of the sets."""
    groups: defaultdict[tuple[str, str], list[Errors]] = defaultdict(list)
    for utterance, e in zip(utterances, errors, strict=True):
        for voice in (WHOLE, utterance.voice):
            groups[utterance.set, voice].append(e)
    return {key: Score.of(some) for key, some in groups.items()}


def differences(utterances: list[Utterance], errors: list[Errors], others: list[Errors]) -> dict[str, Ratio]:
    """Return by set how much higher the word error rate is with `others`, from the same utterances in pairs."""
    by_set: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for u, e, o in zip(utterances, errors, others, strict=True):
        by_set[u.set].append((o.total - e.total, e.n))
    return {name: ratio([more for more, _ in rows], [n for _, n in rows]) for name, rows in by_set.items()}
