"""What a voice makes of each sound: its MFCC against a mixture of Gaussians of many voices, and a projection of that.

The supervector of Reynolds et al. 2000 and Campbell et al. 2006: how far the frames that a component explains lie from
its mean, drawn towards zero where there are few of them; projected by linear discriminant analysis over synthetic
speakers. It says who speaks with less regard to what is said than the mean over all frames does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from amanuensis.npu.speaker_sound import N_CEPSTRA, Float32, mfcc

RELEVANCE: Final = 4.0  # frames at which half of a component's shift is believed


@dataclass(frozen=True)
class Mixture:
    """A mixture of `k` Gaussians with diagonal covariance, and the projection of its supervectors.

    Attributes:
        means, variances: float32 [k, N_CEPSTRA].
        shares: of the components, float32 [k], sum 1.
        offset: mean supervector, float32 [k * N_CEPSTRA].
        projection: float32 [k * N_CEPSTRA, dim].

    """

    means: Float32
    variances: Float32
    shares: Float32
    offset: Float32
    projection: Float32

    @classmethod
    def read(cls, path: Path) -> Mixture:
        """Read what `write` wrote."""
        with np.load(path) as stored:
            names = ("means", "variances", "shares", "offset", "projection")
            mixture = cls(*(stored[name].astype(np.float32) for name in names))
        assert mixture.means.shape[1] == N_CEPSTRA
        assert len(mixture.offset) == len(mixture.projection) == mixture.means.size
        return mixture

    def write(self, path: Path) -> None:
        """Write it, the projection in float16."""
        arrays: dict[str, Any] = {"means": self.means, "variances": self.variances, "shares": self.shares}
        np.savez_compressed(path, **arrays, offset=self.offset, projection=self.projection.astype(np.float16))

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return int(self.projection.shape[1])

    @cached_property
    def _terms(self) -> tuple[Float32, Float32]:
        """Factors of [x * x, x] and constants of the components' log-likelihoods."""
        precision = 1 / self.variances
        constants = np.sum(self.means**2 * precision + np.log(self.variances), axis=1)
        factors = np.concatenate([-0.5 * precision, self.means * precision], axis=1).T
        return factors.astype(np.float32), (np.log(self.shares) - 0.5 * constants).astype(np.float32)

    def posteriors(self, cepstra: Float32) -> Float32:
        """Return the share of each component in each frame: [frames, N_CEPSTRA] -> float32 [frames, k]."""
        factors, constants = self._terms
        scores = np.concatenate([cepstra**2, cepstra], axis=1) @ factors + constants
        likely = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(likely / likely.sum(axis=1, keepdims=True), np.float32)

    def supervector(self, cepstra: Float32) -> Float32:
        """Return the shifts of all components, in their standard deviations: float32 [k * N_CEPSTRA]."""
        shares = self.posteriors(cepstra)
        frames = shares.sum(axis=0)[:, None]
        shift = (shares.T @ cepstra - frames * self.means) / np.sqrt(self.variances) / (frames + RELEVANCE)
        return np.asarray((shift * np.sqrt(self.shares)[:, None]).ravel(), np.float32)

    def embed(self, mel: Float32) -> Float32:
        """Return the projected supervector of natural log-mel energies, not of unit length: float32 [dim]."""
        return np.asarray((self.supervector(mfcc(mel)) - self.offset) @ self.projection, np.float32)
