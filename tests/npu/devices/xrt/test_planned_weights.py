"""The map of weights that nobody prepared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from amanuensis.benchmarks.random_model import make_random_model
from amanuensis.npu.device_weights import device_weights
from amanuensis.npu.devices.xrt.planned_weights import planned_weights
from amanuensis.npu.model_error import ModelError
from amanuensis.npu.model_files import ModelFiles
from tests.helpers.parity_fixture import MODEL
from tests.npu.devices.xrt.test_memory import BASE


def test_the_map_is_that_of_preparing(tmp_path: Path) -> None:
    """Every tensor lies where preparing a model of these dimensions puts it."""
    files = ModelFiles.load(make_random_model(tmp_path / "model", MODEL))
    prepared, planned = device_weights(files, "bf16", list).map, planned_weights(files.dimensions, "bf16")
    assert dict(planned.offsets) == dict(prepared.offsets)
    assert planned.n_bytes == prepared.n_bytes
    shapes = {name: (product["k"], product["n"]) for name, product in prepared.products.items()}
    assert {name: (product["k"], product["n"]) for name, product in planned.products.items()} == shapes


def test_int8_takes_half_the_room_and_has_scales() -> None:
    """A matrix of a layer is a byte an element, its scales and its bias float32; convolutions stay bf16."""
    weights = planned_weights(BASE, "int8")
    matrix = weights.matrix("decoder.layers.0.fc1")
    assert (matrix.precision, matrix.k, matrix.n, matrix.smooth) == ("int8", 512, 2048, None)
    assert matrix.scales is not None
    assert matrix.bias is not None
    assert matrix.scales.offset - matrix.values.offset == 512 * 2048
    assert matrix.bias.offset - matrix.scales.offset == 4 * 2048
    assert weights.matrix("encoder.conv1").precision == "bf16"
    assert weights.matrix("unembedding").bias is None


def test_shapes_that_do_not_fit_are_refused() -> None:
    """As preparing refuses them."""
    with pytest.raises(ModelError, match="d_model is 520"):
        planned_weights(replace(BASE, width=520), "int8")
