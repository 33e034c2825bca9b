"""Sessions of ONNX Runtime as the CPU back end uses them."""

from __future__ import annotations

from pathlib import Path

import onnxruntime as ort

RUNTIME = f"onnxruntime {ort.__version__}"


def open_session(path: Path, threads: int, *, profile: Path | None = None) -> ort.InferenceSession:
    """Open a graph; `profile` is the prefix of a file that `end_profiling` writes."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # it would be kept for every window length ever seen
    options.log_severity_level = 3  # errors; warnings are about choices made on purpose
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # twice the CPU time for nothing
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
