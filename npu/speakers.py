"""Who speaks: a vector of unit length for a few seconds of one voice; the cosine of two says how alike they are."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.speaker_builtin import FOLDER, NETWORK_FILE, BuiltinEmbedder
from amanuensis.npu.speaker_plugin import FACTS_FILE, GRAPH_FILE, PluginEmbedder

log = logging.getLogger(__name__)

Float32 = NDArray[np.float32]


class SpeakerEmbedder(Protocol):
    """Turns speech of one speaker into a vector; not for use by several threads at once.

    Attributes:
        name: of the model, for logs and for what is kept: it differs when the model's files do.
        dim: length of the vectors.
        window_s: seconds of speech that it is made for; from half to twice of them are usable.
        same_above: the cosine at which as many pairs of windows of one speaker lie below as pairs of two lie above,
            on synthetic voices that were not trained with.

    """

    name: str
    dim: int
    window_s: float
    same_above: float

    def embed(self, samples: Float32) -> Float32:
        """Return the vector of one speaker, float32 [dim], of length 1.

        Args:
            samples: float32 [n], 16 kHz mono in [-1, 1], n at least 1, speech only (short pauses are left out here).

        Raises:
            ValueError: there are no samples, or some are not finite.

        """


def builtin_network(model_folder: Path | None) -> Path | None:
    """Return the file of the built-in embedder's network; None where the model folder brings its own embedder."""
    return None if model_folder is not None and _brings_own(model_folder) else FOLDER / NETWORK_FILE


def load_embedder(model_folder: Path | None) -> SpeakerEmbedder:
    """Return the embedder that a model folder brings, or else the built-in one.

    Raises:
        ModelError: the folder's `speakers.onnx` is wrong, or its `speakers.json` missing or wrong.

    """
    if model_folder is not None and _brings_own(model_folder):
        return PluginEmbedder(model_folder)
    if model_folder is not None and os.path.lexists(model_folder / FACTS_FILE):  # of whatever else it may be
        log.warning("%s: no %s beside it: the built-in speaker model is used", model_folder / FACTS_FILE, GRAPH_FILE)
    return BuiltinEmbedder()


def _brings_own(model_folder: Path) -> bool:
    return os.path.lexists(model_folder / GRAPH_FILE)
