"""Efficiency and profile of the CPU back end, on a small model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanuensis.benchmarks.engine import measure, operations, profile
from amanuensis.benchmarks.random_model import RandomModel, make_random_model
from amanuensis.npu.model_files import ModelFiles


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    """Return a small random model."""
    folder = tmp_path_factory.mktemp("model")
    return ModelFiles.load(make_random_model(folder, RandomModel(layers=1, alignment_heads=((0, 0),))))


def test_operations_are_those_of_an_encoder(files: ModelFiles) -> None:
    """Of one layer of width 64 on ten frames: projections in int8, attention and convolutions in float32."""
    counted = operations(files.dimensions, frames=10)
    products = 10 * (4 * 64 * 64 + 2 * 64 * 256)
    convolutions = 20 * 3 * 80 * 64 + 10 * 3 * 64 * 64
    assert counted == {"int8": 2 * products, "float32": 2 * (2 * 10 * 10 * 64 + convolutions)}
    deeper = operations(replace(files.dimensions, encoder_layers=2), frames=10)
    assert deeper["int8"] - counted["int8"] == 2 * 10 * (4 * 64 * 64 + 2 * 64 * 256)


def test_share_is_of_the_time_taken(files: ModelFiles) -> None:
    """The least time is that of all operations at the measured peaks, and the share puts it against the encoder's."""
    found = measure(files, window_s=0.4, rounds=1)
    counted = operations(files.dimensions, frames=20)
    least_ms = sum(amount / found.peak_gops[kind] / 1e6 for kind, amount in counted.items())
    assert found.least_ms == pytest.approx(least_ms)
    assert found.share == pytest.approx(found.least_ms / found.encode_ms.median)


def test_profile_names_the_operators(files: ModelFiles) -> None:
    """Each of the graphs is profiled by operator, the longest first."""
    found = profile(files, window_s=0.6)
    assert list(found) == ["encoder", "keys and values", "16 tokens", "one token"]
    assert "MultiHeadAttention" in found["encoder"]
    assert "GroupQueryAttention" in found["one token"]
    for taken in found.values():
        assert list(taken.values()) == sorted(taken.values(), reverse=True)
