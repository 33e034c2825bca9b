"""The built-in model through the designs of the array: every layer what the engine's fast path makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from amanuensis.kernels.sim.iron import NPU1, NPU2
from amanuensis.npu.calibration import Window, cosine, nrmse
from amanuensis.npu.calibration_sound import HELD_OUT, demo_windows
from amanuensis.npu.device_weights import DeviceWeights, device_weights
from amanuensis.npu.devices.xrt.quality import DeviceRun, Float32
from amanuensis.npu.float_model import FloatModel
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.tokenizer import Tokenizer
from tests.helpers.design_run import DesignRun
from tests.kernels.cores import needs_compiler

pytestmark = needs_compiler
AS_FAST = 0.005  # NRMSE between the designs and the machine of the operators, of a layer
ALL_AS_FAST = 0.02  # of all layers in a row: where an int8 rounds the other way, the layers behind it hear it
MAX_NRMSE, MIN_COSINE = 0.03, 0.999  # of an int8 layer against float32
FIRST_LAYER = 2  # the positions come before it
Layers = dict[str, Float32]


@pytest.fixture(scope="module")
def files(builtin_model: Path) -> ModelFiles:
    """The built-in model."""
    return ModelFiles.load(builtin_model)


@pytest.fixture(scope="module")
def window(files: ModelFiles) -> Window:
    """Speech that the calibration has not seen, in a window of the smallest bucket."""
    window = demo_windows(Tokenizer(files.folder), files.dimensions.n_mels, HELD_OUT)[0]
    return Window(window.features[:, :301], window.tokens[:9])


@pytest.fixture(scope="module")
def weights(files: ModelFiles) -> DeviceWeights:
    """Its weights in int8."""
    return device_weights(files, "int8", lambda: demo_windows(Tokenizer(files.folder), files.dimensions.n_mels))


@pytest.fixture(scope="module")
def exact(files: ModelFiles, window: Window) -> Layers:
    """What comes out of every layer in float32."""
    layers: Layers = {}
    model = FloatModel(files, layers.__setitem__)
    model.decode(model.encode(window.features), window.tokens)
    return layers


def assert_alike(
    ours: Iterator[tuple[str, Float32]], theirs: Iterator[tuple[str, Float32]], exact: Layers, most: float
) -> float:
    """Assert that the designs make of each layer what the machine makes, near float32; return the largest NRMSE."""
    worst = 0.0
    for (name, designed), (same, fast) in zip(ours, theirs, strict=True):
        assert name == same
        worst = max(worst, nrmse(designed, fast))
        if name in exact:
            assert nrmse(designed, exact[name]) <= MAX_NRMSE
            assert cosine(designed, exact[name]) >= MIN_COSINE
    assert worst <= most
    return worst


@pytest.mark.parametrize("device", [NPU1, pytest.param(NPU2, marks=pytest.mark.long)])
def test_a_window_through_the_designs(
    files: ModelFiles,
    weights: DeviceWeights,
    window: Window,
    exact: Layers,
    device: type,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Encoder, cross-attention, decoder and logits of a window: all layers, and the same best token in every row."""
    fast, designed = DeviceRun(files, weights), DesignRun(files, weights, device())
    encoder = assert_alike(designed.encode(window.features), fast.encode(window.features), exact, ALL_AS_FAST)
    frames = (window.features.shape[1] + 1) // 2
    ours, theirs = list(designed.decode(frames, window.tokens)), list(fast.decode(frames, window.tokens))
    decoder = assert_alike(iter(ours), iter(theirs), exact, ALL_AS_FAST)
    assert np.array_equal(ours[-1][1].argmax(axis=1), theirs[-1][1].argmax(axis=1))
    assert set(designed.launches) == {"products", "attention", "decoder"}
    assert designed.launches["attention"] == files.dimensions.encoder_layers
    with capsys.disabled():
        print(f" [launches {dict(designed.launches)}, NRMSE encoder {encoder:.1e}, decoder {decoder:.1e}]", end="")


def test_a_layer_of_each_part_walk_by_walk(
    files: ModelFiles, weights: DeviceWeights, window: Window, exact: Layers
) -> None:
    """One whole layer of the encoder and one of the decoder, every stream word by word."""
    fast, walked = DeviceRun(files, weights), DesignRun(files, weights, NPU1(), "exact")
    ours, theirs = walked.encode(window.features), fast.encode(window.features)
    assert_alike(islice(ours, FIRST_LAYER), islice(theirs, FIRST_LAYER), exact, AS_FAST)
    for _ in theirs:  # the rest of the encoder, so that the decoder hears something
        pass
    walked.take_memory(fast)
    frames = (window.features.shape[1] + 1) // 2
    first = [islice(run.decode(frames, window.tokens), 1) for run in (walked, fast)]
    assert_alike(*first, exact, AS_FAST)
    assert set(walked.launches) == {"products", "attention", "decoder"}
