"""The built-in network of speaker embeddings, in ONNX Runtime on one thread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort

from amanuensis.npu.speaker_sound import Float32, normalised


class SpeakerNetwork:
    """Log-mel frames to a vector of unit length."""

    def __init__(self, path: Path) -> None:
        """Open the graph: input float32 [1, frames, mels], output float32 [1, dim]."""
        self._session = open_session(path)
        self._input = self._session.get_inputs()[0].name
        self.dim = int(self._session.get_outputs()[0].shape[1])

    def embed(self, mel: Float32) -> Float32:
        """Return the vector of the natural log-mel energies of speech, float32 [frames, mels]: float32 [dim]."""
        vector = self._session.run(None, {self._input: normalised(mel)[None]})[0][0]
        return np.asarray(vector / (np.linalg.norm(vector) + 1e-9), np.float32)


def open_session(path: Path) -> ort.InferenceSession:
    """Return a graph opened for one thread that does not spin."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # patterns would be kept for every length ever seen
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
