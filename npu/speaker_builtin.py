"""The built-in speaker embedding: cepstral statistics, pitch and a small network, each a part of one unit vector.

Trained and calibrated on synthetic voices alone (`python -m amanuensis.training speakers`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from amanuensis.npu.speaker_network import SpeakerNetwork
from amanuensis.npu.speaker_sound import N_CEPSTRA, Float32, cepstral_statistics, median_pitch_hz, speech_mel

FOLDER: Final = Path(__file__).with_name("builtin")
NETWORK_FILE: Final = "speakers.onnx"
CONSTANTS_FILE: Final = "speakers.json"
PITCH_DIM: Final = 2
RADIANS_PER_OCTAVE: Final = 1.2  # from 60 to 400 Hz the pitch turns by less than half a circle
MIDDLE_PITCH_HZ: Final = 155.0
# What each part adds to the cosine; where the pitch is unknown it adds nothing.
CEPSTRA_WEIGHT: Final = 1.0
NETWORK_WEIGHT: Final = 1.0
PITCH_WEIGHT: Final = 0.25


@dataclass(frozen=True, slots=True)
class Constants:
    """What was measured on synthetic voices.

    Attributes:
        mean, spread: of `cepstral_statistics` over windows of many voices and channels, float32 [2 * N_CEPSTRA].
        whitening: what the normalised statistics are multiplied by, so that they vary alike in every direction while
            one speaker goes on speaking (WCCN: Hatch et al. 2006), float32 [2 * N_CEPSTRA, 2 * N_CEPSTRA].
        same_above: cosine at the equal-error point on voices kept from the training, at WINDOW_S.

    """

    mean: Float32
    spread: Float32
    whitening: Float32
    same_above: float

    @classmethod
    def read(cls, path: Path) -> Constants:
        """Read them as `write` wrote them."""
        stored = json.loads(path.read_text())
        mean, spread, whitening = (np.array(stored[name], np.float32) for name in ("mean", "spread", "whitening"))
        assert mean.shape == spread.shape == (2 * N_CEPSTRA,)
        assert whitening.shape == (2 * N_CEPSTRA, 2 * N_CEPSTRA)
        return cls(mean, spread, whitening, float(stored["same_above"]))

    def write(self, path: Path) -> None:
        """Write them as JSON."""
        values = {
            "mean": _rounded(self.mean),
            "spread": _rounded(self.spread),
            "whitening": _rounded(self.whitening),
            "same_above": round(self.same_above, 4),
        }
        path.write_text(json.dumps(values) + "\n")


def _rounded(values: Float32) -> list[Any]:
    """Return the values as JSON has them, to five decimals."""
    return list(values.astype(np.float64).round(5).tolist())


@cache
def builtin_constants() -> Constants:
    """Return the constants of the package."""
    return Constants.read(FOLDER / CONSTANTS_FILE)


class BuiltinEmbedder:
    """A `SpeakerEmbedder` that needs no model folder."""

    window_s = 2.0

    def __init__(self, constants: Constants | None = None, network: SpeakerNetwork | None = None) -> None:
        """Load the network of the package and its constants, or take others (training measures its own)."""
        self._constants = constants or builtin_constants()
        self._network = network or SpeakerNetwork(FOLDER / NETWORK_FILE)
        self.name = named("builtin", FOLDER / NETWORK_FILE, FOLDER / CONSTANTS_FILE)
        self.same_above = self._constants.same_above
        self.dim = 2 * N_CEPSTRA + self._network.dim + PITCH_DIM

    def embed(self, samples: Float32) -> Float32:
        """Return the vector of one speaker; see `SpeakerEmbedder`."""
        check_samples(samples)
        mel, constants = speech_mel(samples), self._constants
        cepstra = (cepstral_statistics(mel) - constants.mean) / constants.spread @ constants.whitening
        return fuse(
            unit(np.asarray(cepstra, np.float32)),
            self._network.embed(mel),
            pitch_point(median_pitch_hz(samples)),
        )


def fuse(cepstra: Float32, network: Float32, pitch: Float32) -> Float32:
    """Return the parts, each of length 1 or 0, as one vector of length 1; cosines of such add up by the weights."""
    weights = (CEPSTRA_WEIGHT, NETWORK_WEIGHT, PITCH_WEIGHT)
    parts = [np.sqrt(weight) * part for weight, part in zip(weights, (cepstra, network, pitch), strict=True)]
    return unit(np.concatenate(parts).astype(np.float32))


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
