"""Loading a model for the engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amanuensis.benchmarks.random_model import RandomModel, make_random_model
from amanuensis.npu.engine.api import EngineConfig, EngineError
from amanuensis.npu.loading import load_model
from amanuensis.npu.window import WindowJob


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small multilingual model."""
    return make_random_model(tmp_path / "model", RandomModel(layers=1, multilingual=True, languages=("en", "de")))


def test_info_tells_what_runs(folder: Path) -> None:
    """Name, devices, precision and abilities come from the folder and the configuration."""
    model = load_model(EngineConfig(folder, device="cpu", threads=1, precision="float32"))
    info = model.info
    assert (info.model, info.encoder, info.decoder, info.why) == ("random", "cpu", "cpu", "as configured")
    assert (info.precision, info.n_mels, info.multilingual) == ("float32", 80, True)
    assert set(info.languages) == {"en", "de"}
    assert (info.audio_context, info.max_window_s) == ("free", 30.0)
    assert model.decode(WindowJob(np.zeros((80, 100), np.float32))).encoder == "cpu"


def test_auto_says_why_it_is_the_cpu(folder: Path) -> None:
    """`auto` names its reason and its precision."""
    info = load_model(EngineConfig(folder, threads=1)).info
    assert "CPU only" in info.why
    assert info.precision in ("int8", "float32")


@pytest.mark.parametrize("device", ["npu", "sim"])
def test_absent_devices_are_refused(folder: Path, device: str) -> None:
    """A device that this version does not have is named, with what to use."""
    with pytest.raises(EngineError, match=rf"device '{device}'.*use auto or cpu"):
        load_model(EngineConfig(folder, device=device))  # type: ignore[arg-type]
