"""Layers of the built-in model as compiled launches, patched with sizes: bit for bit what the designs make of them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from amanuensis.kernels.program import Architecture
from amanuensis.kernels.sim.iron import NPU1, NPU2
from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.calibration import Window, nrmse
from amanuensis.npu.calibration_sound import HELD_OUT, demo_windows
from amanuensis.npu.device_weights import DeviceWeights, device_weights
from amanuensis.npu.devices.xrt.quality import DeviceRun, Float32
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.pyxrt_emulator import Settings
from amanuensis.npu.tokenizer import Tokenizer
from tests.helpers.design_run import DesignRun
from tests.helpers.package_run import PackageRun
from tests.kernels.cores import needs_compiler

pytestmark = needs_compiler
AS_FAST = 0.005  # NRMSE of a layer between the array and the machine of the operators: floats are rounded elsewhere
DEVICES = {"npu1": NPU1, "npu2": NPU2}
FIRST_LAYER = 2  # the positions come before it


@pytest.fixture(scope="module")
def files(builtin_model: Path) -> ModelFiles:
    """The built-in model."""
    return ModelFiles.load(builtin_model)


@pytest.fixture(scope="module")
def weights(files: ModelFiles) -> DeviceWeights:
    """Its weights in int8."""
    return device_weights(files, "int8", lambda: demo_windows(Tokenizer(files.folder), files.dimensions.n_mels))


@pytest.fixture(scope="module")
def window(files: ModelFiles) -> Window:
    """Speech that the calibration has not seen."""
    return demo_windows(Tokenizer(files.folder), files.dimensions.n_mels, HELD_OUT)[0]


def assert_same(ours: dict[str, Float32], theirs: dict[str, Float32], fast: dict[str, Float32]) -> None:
    """Assert that layers are those of the designs bit for bit, and near those of the fast path."""
    assert ours.keys() == theirs.keys() <= fast.keys()
    for name, rows in ours.items():
        assert np.array_equal(rows.view(np.uint32), theirs[name].view(np.uint32))
        assert nrmse(rows, fast[name]) <= AS_FAST


@pytest.mark.parametrize(
    ("architecture", "n_mel", "tokens"),
    [
        ("npu1", 300, 5),
        pytest.param("npu1", 301, 1, marks=pytest.mark.long),
        pytest.param("npu1", 512, 32, marks=pytest.mark.long),
        pytest.param("npu1", 1021, 9, marks=pytest.mark.long),
        pytest.param("npu2", 301, 5, marks=pytest.mark.long),
    ],
)
def test_a_layer_of_each_part(
    files: ModelFiles,
    weights: DeviceWeights,
    window: Window,
    tmp_path: Path,
    architecture: Architecture,
    n_mel: int,
    tokens: int,
) -> None:
    """The convolutions and a layer of the encoder, and one of the decoder, at sizes below their rooms."""
    pyxrt_emulator.configure(Settings(architecture=architecture))
    features, frames = window.features[:, :n_mel], (n_mel + 1) // 2
    packaged = PackageRun(files, weights, tmp_path, architecture)
    designed, fast = DesignRun(files, weights, DEVICES[architecture]()), DeviceRun(files, weights)
    layers = [dict(islice(run.encode(features), FIRST_LAYER)) for run in (packaged, designed)]
    every = dict(fast.encode(features))
    assert_same(layers[0], layers[1], every)
    for run in (packaged, designed):
        run.take_memory(fast)
    chosen = window.tokens[:tokens] or window.tokens
    decoded = [dict(islice(run.decode(frames, chosen), 1)) for run in (packaged, designed, fast)]
    assert_same(*decoded)
    pyxrt_emulator.reset()
