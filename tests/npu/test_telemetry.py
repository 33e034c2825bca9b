"""Nothing leaves the machine: what others' libraries would send by themselves is off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
from pathlib import Path
from amanuensis.npu.loading import load_model
from amanuensis.npu.engine.api import EngineConfig
load_model(EngineConfig(Path({model!r}), "cpu"))
"""


def test_loading_a_model_leaves_no_identifier(builtin_model: Path, tmp_path: Path) -> None:
    """ONNX Runtime makes neither the number of this machine nor the store of events that it would send."""
    env = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    folders = dict.fromkeys(("HOME", "XDG_CACHE_HOME"), str(tmp_path))
    program = PROGRAM.format(model=str(builtin_model))
    subprocess.run([sys.executable, "-c", program], env=env | folders, check=True, timeout=120)
    assert not (tmp_path / "Microsoft").exists()
    assert not [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name]
