"""Operators that a device computes wrongly, done by the host in its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amanuensis.benchmarks.random_model import RandomModel, make_random_model
from amanuensis.kernels.ops import OPERATORS
from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.devices.xrt.host_operators import HEAVY, MUST_WORK
from amanuensis.npu.engine.api import EngineConfig, EngineError
from amanuensis.npu.loading import LoadedModel, load_model
from amanuensis.npu.pyxrt_emulator import Settings, control
from amanuensis.npu.window import DecodeOptions, WindowJob, WindowResult

JOB = WindowJob(
    np.random.default_rng(1).standard_normal((80, 200)).astype(np.float32), options=DecodeOptions(max_tokens=6)
)
IN_USE = {"Im2col", "LayerNorm", "QuantiseRows", "Embed", "Select"}  # of the light ones, by this model
LIGHT = sorted(set(OPERATORS) - HEAVY - MUST_WORK)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Leave no device with settings behind."""
    yield
    pyxrt_emulator.reset()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with alignment heads."""
    made = RandomModel(layers=1, alignment_heads=((0, 0),))
    return make_random_model(tmp_path_factory.mktemp("models") / "random", made)


@pytest.fixture(scope="module")
def sound(folder: Path) -> WindowResult:
    """What a device without faults answers."""
    return loaded(folder).decode(JOB)


def loaded(folder: Path, *spoiled: str) -> LoadedModel:
    """Return a model on an emulated NPU of its own that computes some operators wrongly."""
    pyxrt_emulator.configure(Settings(spoiled_operators=spoiled))
    return load_model(EngineConfig(folder, device="sim"))


def said(result: WindowResult) -> tuple[object, ...]:
    """Return what a result says, without where and how it came about."""
    return result.tokens, result.logprobs, result.frames, result.no_speech_prob


@pytest.mark.parametrize("operator", LIGHT)
def test_the_host_does_what_the_device_cannot(folder: Path, sound: WindowResult, operator: str) -> None:
    """The answer is that of a sound device to the last bit; it names the operator, and bytes and dispatches count."""
    model = loaded(folder, operator)
    before = pyxrt_emulator.counters()
    result = model.decode(JOB)
    after = pyxrt_emulator.counters()
    assert said(result) == said(sound)
    assert (result.encoder, result.decoder, result.fallback) == ("sim", "sim", "")
    assert result.on_host.startswith(f"{operator} (error ")
    assert after.operators[operator] == before.operators[operator]
    assert result.work.dispatches == after.dispatches - before.dispatches
    assert (result.work.bytes_to_device > sound.work.bytes_to_device) == (operator in IN_USE)
    assert "; on the CPU: " in result.why("as configured")


def test_all_light_operators_at_once(folder: Path, sound: WindowResult) -> None:
    """Any of them may be wrong together."""
    result = loaded(folder, *LIGHT).decode(JOB)
    assert said(result) == said(sound)
    assert all(f"{operator} (error " in result.on_host for operator in LIGHT)


@pytest.mark.parametrize("operator", sorted(HEAVY | MUST_WORK - {"Nop"}))
def test_a_device_without_its_main_operators_is_not_used(folder: Path, operator: str) -> None:
    """Products and attention are nearly all of the work, and copies bring the proof: the CPU does better then."""
    with pytest.raises(EngineError, match=rf"the self-test of .* failed: .*{operator} \(error"):
        loaded(folder, operator)


def test_an_operator_that_breaks_and_heals_moves_there_and_back(folder: Path, sound: WindowResult) -> None:
    """The window is done by the CPU, then the device goes on with the operator on the host, then all by itself."""
    now_s = 0.0
    pyxrt_emulator.reset()
    model = load_model(EngineConfig(folder, device="sim"), lambda: now_s)
    npu = control.current()
    healthy = npu.settings
    assert model.decode(JOB).on_host == ""

    npu.settings = replace(healthy, spoiled_operators=("Select",))
    broken = model.decode(JOB)
    assert (broken.encoder, broken.decoder, broken.fallback_kind) == ("cpu", "cpu", "wrong_answer")
    now_s += 5.0
    model.maintain(1, voice=False)
    assert said(model.decode(JOB)) == said(sound)
    assert model.decode(JOB).on_host.startswith("Select (error")

    npu.settings = healthy
    now_s += 10.0
    model.maintain(1, voice=False)
    healed = model.decode(JOB)
    assert (healed.encoder, healed.on_host, healed.fallback) == ("sim", "", "")
    assert healed.work.dispatches == sound.work.dispatches
