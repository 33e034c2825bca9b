"""The tensors of a folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from amanuensis.npu.model_error import ModelError
from amanuensis.npu.weights import INDEX, WHOLE, Weights


def test_unknown_tensor_is_named(tmp_path: Path) -> None:
    """A tensor that the folder lacks gives its name."""
    save_file({"a": np.ones(2, np.float32)}, tmp_path / WHOLE)
    weights = Weights.find(tmp_path)
    assert "a" in weights
    with pytest.raises(ModelError, match="tensor b is missing"):
        weights["b"]


def test_tensor_in_two_shards_is_refused(tmp_path: Path) -> None:
    """The same tensor twice, with and without prefix, is no model of ours."""
    save_file({"a": np.ones(2, np.float32)}, tmp_path / "1.safetensors")
    save_file({"model.a": np.ones(2, np.float32)}, tmp_path / "2.safetensors")
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": {"a": "1.safetensors", "model.a": "2.safetensors"}}))
    with pytest.raises(ModelError, match=r"2\.safetensors: tensor model\.a stands in 1\.safetensors too"):
        Weights.find(tmp_path)


@pytest.mark.parametrize("index", ["{}", '{"weight_map": {}}', '{"weight_map": {"a": "../1.safetensors"}}'])
def test_broken_index_is_refused(tmp_path: Path, index: str) -> None:
    """An index without files, or one that leaves the folder, is refused."""
    (tmp_path / INDEX).write_text(index)
    with pytest.raises(ModelError, match=r"weight_map is missing or empty|missing, though"):
        Weights.find(tmp_path)
