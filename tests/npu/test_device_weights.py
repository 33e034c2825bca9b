"""Weights as the device reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from amanuensis.benchmarks.random_model import RandomModel, make_random_model
from amanuensis.kernels.layout import BF16_B, INT8_B, unpack
from amanuensis.npu import device_weights as module
from amanuensis.npu.calibration import Precision, Window
from amanuensis.npu.calibration_sound import CALIBRATION, HELD_OUT, WINDOW_S, demo_windows
from amanuensis.npu.device_layers import UNEMBEDDING, all_groups
from amanuensis.npu.device_weights import FILE, MAP, DeviceWeights, device_weights, kept_map
from amanuensis.npu.devices.xrt import quality
from amanuensis.npu.devices.xrt.short_vocabulary import CENTRE, SHORT
from amanuensis.npu.model_error import ModelError
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.tokenizer import Tokenizer
from tests.helpers.parity_fixture import MODEL

Files = Callable[[], ModelFiles]


@pytest.fixture
def files(tmp_path: Path) -> ModelFiles:
    """A random model in a folder of its own."""
    return ModelFiles.load(make_random_model(tmp_path / "model", MODEL))


@pytest.fixture(scope="module")
def window() -> Window:
    """Some noise."""
    random = np.random.default_rng(0)
    return Window(random.normal(size=(80, 60)).astype(np.float32), (1, 2, 3))


def tensor(weights: DeviceWeights, name: str, n_bytes: int) -> np.ndarray:
    """Return the bytes of a tensor."""
    start = weights.map.offsets[name]
    return np.asarray(weights.data[start : start + n_bytes])


def test_int8_products_stand_for_the_weights(files: ModelFiles, window: Window) -> None:
    """Unpacked, scaled and unsmoothed, every matrix is the model's, within half a step of its scales."""
    weights = device_weights(files, "int8", lambda: [window])
    for group in all_groups(files.dimensions):
        product, exact = weights.map.products[group.name], group.weight(files)
        if product["precision"] != "int8":
            continue
        n, k = product["n"], product["k"]
        values = unpack(tensor(weights, f"{group.name}.values", n * k).view(np.int8), k, n, INT8_B).T
        scales = tensor(weights, f"{group.name}.scales", 4 * n).view(np.float32)
        smooth = np.ones(k, np.float32)
        if f"{group.name}.smooth" in weights.map.offsets:
            smooth = tensor(weights, f"{group.name}.smooth", 4 * k).view(np.float32)
        error = np.abs(values * scales[:, None] * smooth - np.pad(exact, [(0, n - len(exact)), (0, 0)]))
        assert (error <= 0.51 * scales[:, None] * smooth).all(), group.name


def test_the_vocabulary_is_padded(files: ModelFiles) -> None:
    """Columns of the projection are a multiple of what a core makes at a time."""
    weights = device_weights(files, "bf16", list)
    assert weights.map.products[UNEMBEDDING]["n"] == -(-files.dimensions.vocabulary // 64) * 64
    assert all(product["precision"] == "bf16" for product in weights.map.products.values())


@pytest.mark.parametrize("precision", ["int8", "bf16"])
def test_a_shortlist_has_the_columns_of_the_whole(tmp_path: Path, precision: Precision) -> None:
    """Those of its ids, bit for bit with their scales; what is left out lies within the radius of its centre."""
    files = ModelFiles.load(make_random_model(tmp_path / "large", replace(MODEL, fillers=13_000)))
    weights = device_weights(files, precision, list)
    short = weights.map.short_vocabulary
    assert short is not None
    dtype, block = (np.int8, INT8_B) if precision == "int8" else (ml_dtypes.bfloat16, BF16_B)
    values, scales = {}, {}
    for name in (UNEMBEDDING, SHORT):
        n, k = weights.map.products[name]["n"], weights.map.products[name]["k"]
        n_bytes = n * k * np.dtype(dtype).itemsize
        values[name] = unpack(tensor(weights, f"{name}.values", n_bytes).view(dtype), k, n, block).T
        scales[name] = np.ones(n, np.float32)
        if precision == "int8":
            scales[name] = tensor(weights, f"{name}.scales", 4 * n).view(np.float32)
    for parts in (values, scales):
        np.testing.assert_array_equal(parts[SHORT][: short.n_static], short.static(parts[UNEMBEDDING]))
    assert not values[SHORT][short.n_static :].astype(np.float32).any()
    left_out = (values[UNEMBEDDING].astype(np.float64) * scales[UNEMBEDDING][:, None])[short.text : short.eot]
    centre = tensor(weights, CENTRE, 4 * files.dimensions.width).view(np.float32)
    assert weights.map.short is not None
    distance = np.linalg.norm(left_out - centre, axis=1).max()
    assert distance == pytest.approx(weights.map.short["radius"], rel=1e-6)


def test_tensors_lie_on_lines_inside_the_file(files: ModelFiles) -> None:
    """Every tensor starts on a line of 64 bytes, and the map says how large the file is."""
    weights = device_weights(files, "bf16", list)
    assert len(weights.data) == weights.map.n_bytes == (weights.folder / FILE).stat().st_size
    assert all(offset % 64 == 0 for offset in weights.map.offsets.values())
    assert max(weights.map.offsets.values()) < weights.map.n_bytes


def test_weights_are_prepared_once(files: ModelFiles, window: Window) -> None:
    """The second time they are found beside the model, and nothing is calibrated."""
    first = device_weights(files, "int8", lambda: [window])
    assert first.folder.parent == files.folder / ".prepared"
    second = device_weights(files, "int8", lambda: pytest.fail("calibrated again"))
    assert second.map == first.map


def test_the_map_of_kept_weights_is_read_without_making_them(files: ModelFiles) -> None:
    """None before they are there, and none where the map is damaged; then precision for precision what was prepared."""
    assert kept_map(files, "bf16") is None
    weights = device_weights(files, "bf16", list)
    assert kept_map(files, "bf16") == weights.map
    assert kept_map(files, "int8") is None
    (weights.folder / MAP).write_text("{}")
    assert kept_map(files, "bf16") is None


@pytest.mark.parametrize("damage", ["flip", "truncate", "map"])
def test_damaged_weights_are_prepared_again(files: ModelFiles, damage: str) -> None:
    """A changed byte, a short file or a broken map is noticed, and good weights take their place."""
    good = device_weights(files, "bf16", list)
    path = good.folder / (MAP if damage == "map" else FILE)
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    path.write_bytes(data[: len(data) // 2] if damage != "flip" else data)
    again = device_weights(files, "bf16", list)
    np.testing.assert_array_equal(again.data, good.data[:])
    assert again.map == good.map


def test_weights_that_stay_broken_are_an_error(files: ModelFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """When even new files cannot be read, the message names the folder."""
    monkeypatch.setattr(module, "FILE", "elsewhere.bin")
    folder = device_weights(files, "bf16", list).folder
    (folder / MAP).write_text(json.dumps({}))
    monkeypatch.setattr(module, "_write", lambda path, *_: (path / MAP).write_text("{}"))
    with pytest.raises(ModelError, match="the prepared weights cannot be read"):
        device_weights(files, "bf16", list)


def test_odd_widths_are_refused(tmp_path: Path) -> None:
    """A model that the blocks do not fit is refused before anything is written."""
    folder = make_random_model(tmp_path / "narrow", RandomModel(width=40))
    with pytest.raises(ModelError, match="d_model is 40; the NPU takes multiples of 32: use --device cpu"):
        device_weights(ModelFiles.load(folder), "int8", list)
    assert not (folder / ".prepared").exists()


def test_the_demo_clip_gives_windows_with_their_text(files: ModelFiles) -> None:
    """Calibration and report use different windows of the clip, none too long, with the words said in them."""
    tokenizer = Tokenizer(files.folder)
    windows = demo_windows(tokenizer, 80, CALIBRATION) + demo_windows(tokenizer, 80, HELD_OUT)
    assert len(windows) == 3
    for window in windows:
        assert window.features.shape[0] == 80
        assert 500 < window.features.shape[1] <= 100 * WINDOW_S
        assert window.tokens[-1] == tokenizer.eot
    assert "Good morning" in tokenizer.decode([token for token in windows[0].tokens if tokenizer.is_text(token)])


def test_a_quality_report_names_every_layer(files: ModelFiles, window: Window, tmp_path: Path) -> None:
    """Each layer has its error and cosine; a report that was saved is found again."""
    weights = device_weights(files, "bf16", list)
    assert quality.load(weights.folder) is None
    layers = quality.measure(files, weights, [window], lambda _what, _share: None)
    names = [layer.name for layer in layers]
    assert names[:3] == ["encoder.positions", "encoder.layers.0", "encoder.layers.1"]
    assert names[-3:] == ["decoder.layers.0", "decoder.layers.1", "logits"]
    assert all(0 < layer.nrmse < 0.02 and layer.cosine > 0.9995 for layer in layers)
    quality.save(weights.folder, layers)
    assert quality.load(weights.folder) == layers
