"""The look at all speech so far, now and then and once a meeting is over: all pieces together. Pure.

Long pieces are joined by average linkage (their cosines, by length of speech) until no two clusters are alike; then the
most likely way through all pieces is taken (Viterbi), in which changes of the voice cost, most of all inside speech
without a pause.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["ClusterRules", "Evidence", "cluster_voices"]

Float32 = NDArray[np.float32]
Voices = NDArray[np.int64]
MAX_NODES: Final = 1500  # pieces that are joined: 0.2 s of work; the others go to the nearest cluster


@dataclass(frozen=True, slots=True)
class ClusterRules:
    """How pieces are joined; chosen on synthetic conversations (docs/speakers.md).

    Attributes:
        join_above: mean cosine above which clusters are joined.
        node_s: speech of a piece that may begin a cluster.
        small_s: a cluster with less speech is nobody of its own.
        small_share: the same of all speech: in hours of it chance makes a few more.
        young_s: of speech, the newest: who was first heard in it has not had the time to say much.
        young_small_s: a cluster that begins in it is nobody of its own with less speech than this.
        most: clusters at most.
        exactly: how many there are, where it is known.
        gain: of a second of speech for each unit of cosine, in nats.
        change_cost: of a change of the voice after a pause, in nats.
        run_on_cost: the same without a pause.

    """

    join_above: float
    node_s: float = 1.5
    small_s: float = 3.0
    small_share: float = 0.002
    young_s: float = 0.0
    young_small_s: float = 2.0
    most: int = 20
    exactly: int | None = None
    gain: float = 6.0
    change_cost: float = 0.7
    run_on_cost: float = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """All pieces, in order.

    Attributes:
        vectors: float32 [n, dim], of unit length or zeros.
        speech_s: float32 [n].
        goes_on: bool [n]: the piece follows the one before it without a pause.

    """

    vectors: Float32
    speech_s: Float32
    goes_on: NDArray[np.bool_]


def cluster_voices(evidence: Evidence, rules: ClusterRules) -> Voices:
    """Return the cluster of each piece, int64 [n], from 0 without holes in the order in which they begin."""
    n = len(evidence.speech_s)
    if n == 0:
        return np.zeros(0, np.int64)
    nodes = _nodes(evidence, rules)
    labels = _joined(evidence.vectors[nodes], evidence.speech_s[nodes], rules)
    ages_s = np.cumsum(evidence.speech_s[::-1])[::-1][nodes]
    labels = _without_small(labels, evidence.speech_s[nodes], ages_s, rules)
    centroids = _centroids(evidence.vectors[nodes], evidence.speech_s[nodes], labels)
    return _in_order(_most_likely(evidence, centroids, rules))


def _nodes(evidence: Evidence, rules: ClusterRules) -> Voices:
    """Return the pieces that are joined: the longest, at least one."""
    longest = np.argsort(-evidence.speech_s, kind="stable")
    wanted = max(1, rules.exactly or 1, int(np.count_nonzero(evidence.speech_s >= rules.node_s)))
    return np.sort(longest[: min(wanted, MAX_NODES)])


class _Linkage:
    """Clusters that are joined by average linkage: the mean cosine of two is the product of their weighted sums."""

    def __init__(self, vectors: Float32, speech_s: Float32) -> None:
        self.labels: Voices = np.arange(len(vectors))
        self._alive = np.ones(len(vectors), bool)
        self._weights = speech_s.astype(np.float64)
        self._sums = vectors.astype(np.float64) * self._weights[:, None]
        self._scores = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
        np.fill_diagonal(self._scores, -np.inf)
        self._best = self._scores.argmax(axis=1)  # the most alike of each

    def closest(self) -> tuple[int, int, float]:
        """Return the two that are most alike, and how much they are."""
        rows = np.flatnonzero(self._alive)
        a = int(rows[self._scores[rows, self._best[rows]].argmax()])
        b = int(self._best[a])
        return a, b, float(self._scores[a, b])

    def join(self, a: int, b: int) -> None:
        """Let `b` be a part of `a`."""
        self.labels[self.labels == b] = a
        self._alive[b] = False
        self._weights[a] += self._weights[b]
        self._sums[a] += self._sums[b]
        fresh = (self._sums @ self._sums[a]) / (self._weights * self._weights[a])
        fresh[~self._alive] = -np.inf
        fresh[a] = -np.inf
        self._scores[a], self._scores[:, a] = fresh, fresh
        self._scores[b], self._scores[:, b] = -np.inf, -np.inf
        stale = self._alive & ((self._best == a) | (self._best == b))
        self._best[stale] = self._scores[stale].argmax(axis=1)
        better = self._alive & (fresh > self._scores[np.arange(len(fresh)), self._best])
        self._best[better] = a


def _joined(vectors: Float32, speech_s: Float32, rules: ClusterRules) -> Voices:
    linkage = _Linkage(vectors, speech_s)
    for n_left in range(len(vectors), 1, -1):
        a, b, score = linkage.closest()
        if not _goes_on(score, n_left, rules):
            break
        linkage.join(a, b)
    return linkage.labels


def _goes_on(score: float, n_left: int, rules: ClusterRules) -> bool:
    """Whether the two clusters that are most alike are to be joined."""
    if rules.exactly is not None:
        return n_left > rules.exactly
    return n_left > rules.most or score > rules.join_above


def _without_small(labels: Voices, speech_s: Float32, ages_s: Float32, rules: ClusterRules) -> Voices:
    """Mark pieces of clusters that have too little speech with -1; the largest stays in any case.

    Args:
        labels: int64 [n].
        speech_s: float32 [n].
        ages_s: float32 [n], speech since the beginning of each piece.
        rules: what is too little.

    """
    if rules.exactly is not None:
        return labels
    _, index = np.unique(labels, return_inverse=True)
    totals = np.bincount(index, speech_s)
    oldest_s = np.zeros(len(totals))
    np.maximum.at(oldest_s, index, ages_s)
    least_s = max(rules.small_s, rules.small_share * float(totals.sum()))
    wanted_s = np.where(oldest_s <= rules.young_s, rules.young_small_s, least_s)
    keep = totals >= np.minimum(wanted_s, totals.max())
    return np.where(keep[index], labels, -1)


def _centroids(vectors: Float32, speech_s: Float32, labels: Voices) -> Float32:
    """Return the mean of each cluster, float32 [k, dim], of unit length."""
    names = [name for name in np.unique(labels) if name >= 0]
    rows = [np.sum(vectors[labels == name] * speech_s[labels == name, None], axis=0) for name in names]
    sums = np.asarray(rows, np.float32)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.where(lengths > 0, lengths, 1), np.float32)


def _most_likely(evidence: Evidence, centroids: Float32, rules: ClusterRules) -> Voices:
    """Return the most likely cluster of each piece, given what a change costs."""
    gains = rules.gain * evidence.speech_s[:, None] * (evidence.vectors @ centroids.T)
    n, k = gains.shape
    back = np.zeros((n, k), np.int16)
    total = gains[0].astype(np.float64)
    for i in range(1, n):
        cost = rules.run_on_cost if evidence.goes_on[i] else rules.change_cost
        change = int(total.argmax())
        from_best = total[change] - cost
        back[i] = np.where(total >= from_best, np.arange(k), change)
        total = np.maximum(total, from_best) + gains[i]
    path = np.zeros(n, np.int64)
    path[-1] = int(total.argmax())
    for i in range(n - 1, 0, -1):
        path[i - 1] = back[i, path[i]]
    return path


def _in_order(labels: Voices) -> Voices:
    """Number clusters in the order in which they begin."""
    _, first, index = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[index]
