"""Who speaks: a vector of unit length for a few seconds of one voice; the cosine of two says how alike they are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.speaker_builtin import BuiltinEmbedder
from amanuensis.npu.speaker_plugin import FACTS_FILE, GRAPH_FILE, PluginEmbedder

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


def load_embedder(model_folder: Path | None) -> SpeakerEmbedder:
    """Return the embedder that a model folder brings, or else the built-in one.

    Raises:
        ModelError: one of the folder's `speakers.onnx` and `speakers.json` is missing, or one is wrong.

    """
    if model_folder is not None and any(os.path.lexists(model_folder / name) for name in (GRAPH_FILE, FACTS_FILE)):
        return PluginEmbedder(model_folder)
    return BuiltinEmbedder()
