"""What a stream asks of whoever computes the vectors of voices, beside everything that words wait for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from amanuensis.stream.voice_clusters import ClusterRules, Evidence, Voices, cluster_voices
from amanuensis.stream.voice_windows import VoiceWindow

__all__ = ["Review", "VoiceAnswer", "VoiceEmbedder", "VoiceJob"]

Float32 = NDArray[np.float32]


class VoiceEmbedder(Protocol):
    """What the stream needs of `amanuensis.npu.speakers.SpeakerEmbedder`."""

    name: str
    dim: int
    same_above: float

    def embed(self, samples: Float32) -> Float32: ...


@dataclass(frozen=True, slots=True, eq=False)
class Review:
    """The second look at all pieces of a stream."""

    evidence: Evidence
    rules: ClusterRules


@dataclass(frozen=True, slots=True, eq=False)
class VoiceAnswer:
    """What came of a job: a vector for each window, or the cluster of each piece."""

    vectors: tuple[Float32, ...] = ()
    clusters: Voices | None = None


@dataclass(frozen=True, slots=True, eq=False)
class VoiceJob:
    """Windows whose vectors are wanted, or a review; to be done by anybody who has time."""

    id: int
    windows: tuple[VoiceWindow, ...] = ()
    review: Review | None = None

    def work(self, embedder: VoiceEmbedder) -> VoiceAnswer:
        """Do it: some milliseconds for a window, up to 0.2 s for the review of a long meeting.

        Raises:
            ValueError: the embedder gave something that is no vector of its dimension.

        """
        if self.review is not None:
            return VoiceAnswer(clusters=cluster_voices(self.review.evidence, self.review.rules))
        vectors = tuple(embedder.embed(window.samples) for window in self.windows)
        for vector in vectors:
            if vector.shape != (embedder.dim,) or not np.isfinite(vector).all():
                raise ValueError(f"speaker model {embedder.name}: its vector is not {embedder.dim} finite numbers")
        return VoiceAnswer(vectors)
