"""The built-in speaker embedding: cepstral statistics, a mixture of Gaussians, a network and the pitch in one vector.

Trained and calibrated on synthetic voices alone (`python -m amanuensis.training speakers`).
"""

from __future__ import annotations

import hashlib
import json
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from amanuensis.npu.speaker_graph import BUILTIN_NETWORK
from amanuensis.npu.speaker_mixture import Mixture
from amanuensis.npu.speaker_network import SpeakerNetwork
from amanuensis.npu.speaker_sound import (
    N_CEPSTRA,
    Float32,
    cepstral_statistics,
    median_pitch_hz,
    spectrum_of,
    speech_mel,
    with_whole_band,
)

FOLDER: Final = BUILTIN_NETWORK.parent
NETWORK_FILE: Final = BUILTIN_NETWORK.name
MIXTURE_FILE: Final = "speakers.npz"
CONSTANTS_FILE: Final = "speakers.json"
FILES: Final = (NETWORK_FILE, MIXTURE_FILE, CONSTANTS_FILE)
RECIPE: Final = 2  # counted up when the same files give other vectors: 2 fills the band that a telephone leaves out
PITCH_DIM: Final = 2
RADIANS_PER_OCTAVE: Final = 1.2  # from 60 to 400 Hz the pitch turns by less than half a circle
MIDDLE_PITCH_HZ: Final = 155.0
# What each part adds to the cosine; where the pitch is unknown it adds nothing.
WEIGHTS: Final = (1.0, 2.0, 1.0, 0.5)  # of cepstra, mixture, network and pitch


@dataclass(frozen=True, slots=True)
class Constants:
    """What was measured on synthetic voices.

    Attributes:
        mean, spread: of `cepstral_statistics` over windows of many voices and channels, float32 [2 * N_CEPSTRA].
        same_above: cosine at the equal-error point on voices kept from the training, at WINDOW_S.

    """

    mean: Float32
    spread: Float32
    same_above: float

    @classmethod
    def read(cls, path: Path) -> Constants:
        """Read them as `write` wrote them."""
        stored = json.loads(path.read_text())
        mean, spread = (np.array(stored[name], np.float32) for name in ("mean", "spread"))
        assert mean.shape == spread.shape == (2 * N_CEPSTRA,)
        return cls(mean, spread, float(stored["same_above"]))

    def write(self, path: Path) -> None:
        """Write them as JSON."""
        values = {
            "mean": _rounded(self.mean),
            "spread": _rounded(self.spread),
            "same_above": round(self.same_above, 4),
        }
        path.write_text(json.dumps(values) + "\n")


def _rounded(values: Float32) -> list[Any]:
    """Return the values as JSON has them, to five decimals."""
    return list(values.astype(np.float64).round(5).tolist())


class VoiceNetwork(Protocol):
    """What computes the network's part of the vector.

    Attributes:
        dim: length of it.

    """

    dim: int

    def embed(self, mel: Float32) -> Float32:
        """Return the part, of unit length, of natural log-mel energies of speech, float32 [frames, N_MELS]."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What the vector is made of.

    Attributes:
        constants: of the cepstral statistics.
        mixture: of Gaussians.
        network: on log-mel.

    """

    constants: Constants
    mixture: Mixture
    network: VoiceNetwork

    @classmethod
    def read(cls, folder: Path) -> Parts:
        """Read the three files of a folder."""
        mixture, network = Mixture.read(folder / MIXTURE_FILE), SpeakerNetwork(folder / NETWORK_FILE)
        return cls(Constants.read(folder / CONSTANTS_FILE), mixture, network)


class BuiltinEmbedder:
    """A `SpeakerEmbedder` that needs no model folder."""

    window_s = 2.0

    def __init__(self, folder: Path = FOLDER) -> None:
        """Load the files of the package, or those that a training wrote."""
        self._parts = Parts.read(folder)
        self.name = named(f"builtin{RECIPE}", *(folder / name for name in FILES))
        self.same_above = self._parts.constants.same_above
        self.dim = 2 * N_CEPSTRA + self._parts.mixture.dim + self._parts.network.dim + PITCH_DIM

    @property
    def network(self) -> VoiceNetwork:
        """What computes the network's part."""
        return self._parts.network

    def with_network(self, network: VoiceNetwork) -> BuiltinEmbedder:
        """Return the same embedder with the same network computed elsewhere."""
        other = copy(self)
        other._parts = replace(self._parts, network=network)
        return other

    def embed(self, samples: Float32) -> Float32:
        """Return the vector of one speaker; see `SpeakerEmbedder`."""
        check_samples(samples)
        constants = self._parts.constants
        mel = with_whole_band(speech_mel(samples), spectrum_of(constants.mean[:N_CEPSTRA]))
        return fuse(
            unit((cepstral_statistics(mel) - constants.mean) / constants.spread),
            unit(self._parts.mixture.embed(mel)),
            self._parts.network.embed(mel),
            pitch_point(median_pitch_hz(samples)),
        )


def fuse(cepstra: Float32, mixture: Float32, network: Float32, pitch: Float32) -> Float32:
    """Return the parts, each of length 1 or 0, as one vector of length 1; cosines of such add up by the weights."""
    weighted = zip(WEIGHTS, (cepstra, mixture, network, pitch), strict=True)
    return unit(np.concatenate([np.sqrt(weight) * part for weight, part in weighted]).astype(np.float32))


def pitch_point(hz: float | None) -> Float32:
    """Return a point of the unit circle that turns with the pitch, float32 [PITCH_DIM]; zero when it is unknown."""
    if hz is None:
        return np.zeros(PITCH_DIM, np.float32)
    angle = RADIANS_PER_OCTAVE * np.log2(hz / MIDDLE_PITCH_HZ)
    return np.array([np.cos(angle), np.sin(angle)], np.float32)


def unit(vector: Float32) -> Float32:
    """Return the vector at length 1; one without a direction becomes the first axis."""
    length = float(np.linalg.norm(vector))
    if length < 1e-9:
        return np.asarray(np.eye(1, len(vector))[0], np.float32)
    return np.asarray(vector / np.float32(length), np.float32)


def named(name: str, *files: Path) -> str:
    """Return a name that differs when the files do: vectors of different models must not be compared."""
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files if file.is_file()))
    return f"{name}-{digest.hexdigest()[:8]}"


def check_samples(samples: Float32) -> None:
    """Refuse samples that no embedding can be made of.

    Raises:
        ValueError: there are none, or some are not finite.

    """
    if samples.ndim != 1 or not len(samples):
        raise ValueError(f"speaker embedding of samples of shape {samples.shape}; wanted are [n], n at least 1")
    if not np.isfinite(samples).all():
        raise ValueError("speaker embedding of samples that are not all finite numbers; check the source of the sound")
