"""The map of weights that nobody prepared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from amanuensis.benchmarks.random_model import make_random_model
from amanuensis.npu.calibration import Precision
from amanuensis.npu.device_weights import device_weights
from amanuensis.npu.devices.xrt.planned_weights import planned_weights
from amanuensis.npu.devices.xrt.short_vocabulary import SHORT
from amanuensis.npu.model_error import ModelError
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.tokenizer import Tokenizer
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


@pytest.mark.parametrize("precision", ["int8", "bf16"])
def test_the_map_of_a_large_vocabulary_has_a_shortlist(tmp_path: Path, precision: Precision) -> None:
    """It lies where preparing puts it, with columns of the same number, and is absent for a small one."""
    files = ModelFiles.load(make_random_model(tmp_path / "model", replace(MODEL, fillers=13_000)))
    n_specials = files.dimensions.vocabulary - Tokenizer(files.folder).eot
    prepared = device_weights(files, precision, list).map
    planned = planned_weights(files.dimensions, precision, n_specials)
    assert dict(planned.offsets) == dict(prepared.offsets)
    assert planned.n_bytes == prepared.n_bytes
    assert planned.matrix(SHORT) == prepared.matrix(SHORT)
    assert planned.short_vocabulary == prepared.short_vocabulary
    assert planned.short_vocabulary is not None
    small = replace(files.dimensions, vocabulary=10_000)
    assert planned_weights(small, precision, n_specials).short_vocabulary is None


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
