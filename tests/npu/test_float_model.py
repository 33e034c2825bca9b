"""The float32 model in NumPy against recorded answers of transformers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.benchmarks.random_model import make_random_model
from amanuensis.npu.calibration import nrmse
from amanuensis.npu.device_layers import all_groups
from amanuensis.npu.float_model import FloatModel
from amanuensis.npu.model_files import ModelFiles
from tests.helpers.parity_fixture import ANSWER, MODEL

MAX_NRMSE = 1e-4


@pytest.fixture(scope="module")
def answer() -> dict[str, NDArray[np.float32]]:
    """What transformers answered."""
    with np.load(ANSWER) as arrays:
        return {name: np.asarray(arrays[name], None if name == "tokens" else np.float32) for name in arrays.files}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    """The recorded model."""
    return ModelFiles.load(make_random_model(tmp_path_factory.mktemp("recorded"), MODEL))


def test_states_and_logits_equal_transformers(files: ModelFiles, answer: dict[str, NDArray[np.float32]]) -> None:
    """Encoder and decoder compute what transformers' layers compute."""
    model = FloatModel(files)
    states = model.encode(answer["features"])
    assert nrmse(states, answer["states"]) < MAX_NRMSE
    logits = model.decode(states, [int(token) for token in answer["tokens"]])
    assert nrmse(logits[: len(answer["logits"])], answer["logits"]) < MAX_NRMSE


def test_every_product_is_watched_with_its_input(files: ModelFiles, answer: dict[str, NDArray[np.float32]]) -> None:
    """Calibration sees the activations of all linear layers, with as many channels as their weights take."""
    seen: dict[str, int] = {}
    model = FloatModel(files, lambda name, rows: seen.update({name: rows.shape[1]}))
    model.decode(model.encode(answer["features"]), [0, 1])
    for group in all_groups(files.dimensions):
        assert seen[group.source] == group.weight(files).shape[1]
