"""The built-in network of speaker embeddings, in ONNX Runtime on one thread."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime as ort

from amanuensis.npu.speaker_sound import N_MELS, Float32

MAX_FRAMES: Final = 600  # 6 s: more adds nothing and the cost grows with it
MIN_FRAMES: Final = 16


class SpeakerNetwork:
    """Log-mel frames to a vector of unit length."""

    def __init__(self, path: Path) -> None:
        """Open the graph: input float32 [1, frames, N_MELS], output float32 [1, dim]."""
        self._session = open_session(path)
        self._input = self._session.get_inputs()[0].name
        self.dim = int(self._session.get_outputs()[0].shape[1])

    def embed(self, mel: Float32) -> Float32:
        """Return the vector of the natural log-mel energies of speech, float32 [frames, N_MELS]: float32 [dim]."""
        vector = self._session.run(None, {self._input: normalised(mel)[None]})[0][0]
        return np.asarray(vector / (np.linalg.norm(vector) + 1e-9), np.float32)


def normalised(mel: Float32) -> Float32:
    """Return the features of the network: at most MAX_FRAMES from the middle, around the mean of them all."""
    excess = max(0, len(mel) - MAX_FRAMES) // 2
    cut = mel[excess : excess + MAX_FRAMES]
    repeated = np.resize(cut, (max(len(cut), MIN_FRAMES), N_MELS))
    return np.asarray(repeated - repeated.mean(), np.float32)


def open_session(path: Path) -> ort.InferenceSession:
    """Return a graph opened for one thread that does not spin."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # patterns would be kept for every length ever seen
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
