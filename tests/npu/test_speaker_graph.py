"""Tests of the ONNX graph of the speaker network, on random weights of other sizes than the shipped ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amanuensis.npu.speaker_builtin import FOLDER, NETWORK_FILE
from amanuensis.npu.speaker_graph import SpeakerShape, read_weights, write_graph
from amanuensis.npu.speaker_network import SpeakerNetwork
from amanuensis.npu.speaker_sound import MAX_FRAMES, N_MELS, Float32

SHAPE = SpeakerShape(width=24, fast_blocks=1, slow_blocks=2, queries=2, heads=2, head_size=8, dim=12)


def random_weights(shape: SpeakerShape) -> dict[str, Float32]:
    """Return weights that keep the size of what they multiply."""
    rng = np.random.default_rng(0)
    blocks = [f"fast.{i}" for i in range(shape.fast_blocks)] + [f"slow.{i}" for i in range(shape.slow_blocks)]
    convolutions = {"conv1": N_MELS, "conv2": shape.width, "conv3": shape.width}
    convolutions |= {f"{block}.conv": shape.width for block in blocks}
    sizes: dict[str, tuple[int, ...]] = {f"{name}.weight": (shape.width, n, 3) for name, n in convolutions.items()}
    sizes |= {f"pool.{name}.weight": (shape.inner, shape.width) for name in ("key", "value")}
    sizes |= {"pool.query": (shape.queries, shape.heads, shape.head_size)}
    sizes |= {"out.weight": (shape.dim, shape.queries * shape.inner)}
    weights = {name: rng.standard_normal(size) / np.sqrt(np.prod(size[1:])) for name, size in sizes.items()}
    weights |= {
        f"{name.removesuffix('.weight')}.bias": np.zeros(len(w)) for name, w in weights.items() if "query" not in name
    }
    for name in [f"{block}.norm" for block in blocks] + ["norm"]:
        weights |= {f"{name}.weight": np.ones(shape.width), f"{name}.bias": np.zeros(shape.width)}
    return {name: value.astype(np.float32) for name, value in weights.items()}


def test_weights_come_back_from_the_graph(tmp_path: Path) -> None:
    """Vectors exactly, matrices to within the step of their int8 rows; and the sizes with them."""
    weights = random_weights(SHAPE)
    write_graph(tmp_path / "net.onnx", weights)
    again = read_weights(tmp_path / "net.onnx")
    assert SpeakerShape.of(again) == SHAPE
    for name, value in weights.items():
        step = np.abs(value).reshape(len(value), -1).max(axis=1).max() / 127
        exact = value.ndim == 1 or name == "pool.query"
        assert np.abs(again[name] - value).max() <= (0 if exact else 0.51 * step)


@pytest.mark.parametrize("frames", [1, 15, 200, 2000])
def test_any_number_of_frames_gives_a_unit_vector(tmp_path: Path, frames: int) -> None:
    """Few frames are repeated; of many the middle is taken."""
    write_graph(tmp_path / "net.onnx", random_weights(SHAPE))
    mel = np.random.default_rng(1).standard_normal((frames, N_MELS)).astype(np.float32)
    network = SpeakerNetwork(tmp_path / "net.onnx")
    vector = network.embed(mel)
    assert vector.shape == (SHAPE.dim,)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-4)
    outside = mel.copy()
    outside[: max(0, (frames - MAX_FRAMES) // 2)] = 9.0
    assert np.array_equal(network.embed(outside), vector)


def test_the_shipped_network_is_small() -> None:
    """At most a megabyte in the package."""
    assert (FOLDER / NETWORK_FILE).stat().st_size <= 1_000_000
