"""Several windows in one forward, on a small model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amanuensis.benchmarks import batching
from amanuensis.benchmarks.batched_graphs import LENGTHS, write_batched_decoder, write_batched_encoder
from amanuensis.benchmarks.batching import ALONE, CORES, BatchedSteps, encoders, padded, steps
from amanuensis.benchmarks.random_model import RandomModel, make_random_model
from amanuensis.npu.devices.cpu import CpuModel
from amanuensis.npu.devices.cpu_session import open_session
from amanuensis.npu.model_files import ModelFiles

TEXT = 5  # tokens before the step
TOKENS = (7, 11)  # the next one of each window


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    """Return a small random model."""
    folder = tmp_path_factory.mktemp("model")
    return ModelFiles.load(make_random_model(folder, RandomModel(layers=2, alignment_heads=((1, 0),))))


def sounds(files: ModelFiles) -> list[np.ndarray]:
    """Return features of two windows of different lengths."""
    random = np.random.default_rng(1)
    return [random.standard_normal((files.dimensions.n_mels, n)).astype(np.float32) for n in (60, 40)]


def test_padding_does_not_reach_other_windows(files: ModelFiles, tmp_path: Path) -> None:
    """The longest window of a batch is encoded as alone; a shorter one but for what its edge takes from the padding."""
    model = CpuModel(files, "float32", threads=1)
    long, short = sounds(files)
    write_batched_encoder(tmp_path / "encoder.onnx", files, model.precision_of, masked=True)
    inputs = padded([long, short])
    assert inputs[LENGTHS].tolist() == [30, 20]
    together = open_session(tmp_path / "encoder.onnx", 1).run(None, inputs)[0]
    np.testing.assert_allclose(together[0], model.encode_states(long), atol=1e-4)
    edge = np.abs(together[1, :20] - model.encode_states(short)).max(axis=1)
    assert edge.argmax() == 19


def test_each_window_of_a_step_hears_its_own_sound(files: ModelFiles, tmp_path: Path) -> None:
    """The logits of a step of two windows are those of a step of each."""
    model = CpuModel(files, "float32", threads=1)
    windows = [model.encode(sound) for sound in sounds(files)]
    twins = [model.twin() for _ in windows]
    decoders = [twin.decoder(window) for twin, window in zip(twins, windows, strict=True)]
    write_batched_decoder(tmp_path / "decoder.onnx", files, model.precision_of, len(windows))
    together = BatchedSteps(tmp_path / "decoder.onnx", files, windows, TEXT)
    for k, (twin, decoder) in enumerate(zip(twins, decoders, strict=True)):
        decoder.forward_logits(range(k, k + TEXT), [0])
        for name, rows in twin.caches.rows(TEXT).items():
            together.caches[name][k, :, :TEXT] = rows
    together.inputs.ids[:, 0] = TOKENS
    found = together.run()
    for k, decoder in enumerate(decoders):
        np.testing.assert_allclose(found[k, 0], decoder.step_logits([TOKENS[k]]).logits[0, 0], atol=1e-4)
    assert np.abs(found[0] - found[1]).max() > 0.01


def test_every_way_is_compared_with_one_after_the_other(
    files: ModelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part has its ways for each number of windows, and the ratio of the first is 1."""
    monkeypatch.setattr(batching, "WINDOWS", (2,))
    monkeypatch.setattr(batching, "LENGTHS_S", {"0.2 s": (0.2,), "2 to 5.5 s": (0.4, 0.2)})
    found = [*steps(files, "int8", 1, tmp_path), *encoders(files, "float32", 1, tmp_path)]
    ways = [(one.part, one.lengths, one.way) for one in found]
    assert ways == [
        ("step", "2 to 5.5 s", ALONE),
        ("step", "2 to 5.5 s", "one forward"),
        ("step", "2 to 5.5 s", "one forward, each row with its scales"),
        *(
            ("encoder", lengths, way)
            for lengths in ("0.2 s", "2 to 5.5 s")
            for way in (ALONE, "one forward", f"side by side on {CORES}", f"one forward on {CORES}")
        ),
    ]
    assert all(one.ratio.median == 1.0 for one in found if one.way == ALONE)
    assert all(one.cpu_ms.low > 0 for one in found)
