"""Sequences cut so that no dispatch looks hung."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amanuensis.benchmarks.random_model import RandomModel, make_random_model
from amanuensis.kernels.cost.parameters import MODELS
from amanuensis.kernels.program import Architecture
from amanuensis.npu.devices.xrt import dispatches
from amanuensis.npu.devices.xrt.dispatches import LONGEST_US, cut
from amanuensis.npu.devices.xrt.model import XrtModel
from amanuensis.npu.devices.xrt.plan import Planner
from amanuensis.npu.model_config import Dimensions
from amanuensis.npu.model_files import ModelFiles
from tests.helpers.machine_runtime import MachineRuntime

BASE = Dimensions(51865, 80, 512, 6, 8, 2048, 6, 8, 2048, 1500, 448, True)
TURBO = Dimensions(51866, 128, 1280, 32, 20, 5120, 4, 20, 5120, 1500, 448, True)


@pytest.mark.parametrize(
    ("dimensions", "architecture", "several"),
    [(BASE, "npu1", False), (BASE, "npu2", False), (TURBO, "npu1", True)],
    ids=["base npu1", "base npu2", "turbo npu1"],
)
def test_a_long_window_of_a_large_model_is_cut(
    dimensions: Dimensions, architecture: Architecture, several: bool
) -> None:
    """By the slow end every dispatch stays below the limit, nothing is lost, and small models stay whole."""
    planner = Planner(dimensions, [(0, 0)], MODELS[architecture])
    whole = planner.encode(dimensions.audio_positions)
    operators = [step.operator for step in whole.steps]
    parts = list(cut(operators, architecture))
    assert [operator for part in parts for operator in part] == operators
    assert (len(parts) > 1) == several
    us = {id(step.operator): step.price.time.high for step in whole.steps}
    assert all(sum(us[id(operator)] for operator in part) <= LONGEST_US for part in parts)


def test_an_encoding_in_several_dispatches_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut between any two operators, what comes out is what one dispatch gives."""
    files = ModelFiles.load(make_random_model(tmp_path / "random", RandomModel(layers=1)))
    features = np.random.default_rng(1).standard_normal((80, 100)).astype(np.float32)
    whole = XrtModel.open(files, MachineRuntime()).encode_states(features)  # type: ignore[arg-type]
    monkeypatch.setattr(dispatches, "LONGEST_US", 1.0)
    runtime = MachineRuntime()
    model = XrtModel.open(files, runtime)  # type: ignore[arg-type]
    assert np.array_equal(model.encode_states(features), whole)
    assert runtime.dispatches > 10
