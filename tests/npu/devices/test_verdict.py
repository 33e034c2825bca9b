"""Where the decoder goes when that is left to the cost model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from amanuensis.benchmarks.random_model import make_random_model
from amanuensis.kernels.cost.band import Band
from amanuensis.kernels.cost.measured import calibration_path
from amanuensis.kernels.cost.parameters import MODELS
from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.devices import verdict as verdicts
from amanuensis.npu.devices.cpu import CpuModel
from amanuensis.npu.devices.verdict import ROUNDS, Verdict, measured_us, verdict
from amanuensis.npu.devices.xrt.plan import Planner, plan, stream_frames
from amanuensis.npu.engine.api import EngineConfig, EngineError
from amanuensis.npu.loading import load_model
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.rules import make_selection
from amanuensis.npu.tokenizer import Tokenizer
from tests.npu.test_loading import JOB


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Put an emulated NPU of its own in place, and leave none behind."""
    pyxrt_emulator.reset()
    yield
    pyxrt_emulator.reset()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    """A small model."""
    return ModelFiles.load(make_random_model(tmp_path_factory.mktemp("models") / "random"))


@pytest.fixture(scope="module")
def cpu(files: ModelFiles) -> CpuModel:
    """The model on the CPU."""
    cpu = CpuModel(files, "float32", 1)
    cpu.load_selection(make_selection(files.generation, Tokenizer(files.folder), files.dimensions.vocabulary))
    return cpu


@pytest.mark.parametrize(("cpu_us", "on_device"), [(1999.0, False), (2000.0, True), (9000.0, True)])
def test_the_quicker_one_decodes(cpu_us: float, on_device: bool) -> None:
    """The middle of the band decides, and what is said names both figures and what they are."""
    found = Verdict(Band(1000.0, 2000.0, 4000.0), cpu_us)
    assert found.on_device == on_device
    assert str(found) == f"{cpu_us / 1e3:.2g} ms a tick measured on the CPU, 2 (1 to 4) modelled on the NPU"


def test_the_figure_of_the_cpu_is_the_median_of_some_ticks(cpu: CpuModel) -> None:
    """One tick does not count; of the others an outlier changes nothing."""
    ticks = iter([0.0, 9.0] + [edge for k in range(ROUNDS) for edge in (10.0 * k, 10.0 * k + (7.0 if k == 2 else 0.5))])
    assert measured_us(cpu, 50, lambda: next(ticks)) == pytest.approx(0.5e6)
    assert next(ticks, None) is None


def test_the_figure_of_the_device_is_that_of_the_plan(files: ModelFiles, cpu: CpuModel) -> None:
    """A verification of 16 tokens and three tokens with their changes, as `kernels plan` prices them."""
    planner = Planner(files.dimensions, files.generation.alignment_heads, MODELS["npu1"])
    found = verdict(planner, cpu)
    made = plan(planner, stream_frames(files.dimensions))
    assert found.device.middle == pytest.approx(made.tick_us.middle - made.encoding.time.middle)
    assert found.cpu_us > 0


@pytest.mark.parametrize(("cpu_us", "decoder"), [(1.0, "cpu"), (1e9, "sim")])
def test_the_model_is_loaded_where_the_verdict_says(
    files: ModelFiles, monkeypatch: pytest.MonkeyPatch, cpu_us: float, decoder: str
) -> None:
    """Beside a fast CPU the decoder stays there, beside a slow one it goes with the encoder; both are told and done."""
    monkeypatch.setattr(verdicts, "measured_us", lambda *_: cpu_us)
    model = load_model(EngineConfig(files.folder, encoder="sim", decoder="auto"))
    assert (model.info.encoder, model.info.decoder) == ("sim", decoder)
    assert f"decoder on {decoder}: " in model.info.why
    assert "modelled on the NPU" in model.info.why
    assert model.info.batch == (4 if decoder == "sim" else 1)
    result = model.decode(JOB)
    assert (result.encoder, result.decoder) == ("sim", decoder)


def test_a_damaged_calibration_is_an_error_in_one_line(files: ModelFiles) -> None:
    """A verdict on figures that cannot be read is none; the file and what to do are named."""
    path = calibration_path("npu1")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    try:
        with pytest.raises(EngineError, match=r"calibration-npu1\.json: this calibration cannot be used.*or remove it"):
            load_model(EngineConfig(files.folder, encoder="sim", decoder="auto"))
    finally:
        path.unlink()


def test_a_device_that_is_named_needs_no_verdict(files: ModelFiles) -> None:
    """A device that was asked for by name is taken without a verdict."""
    model = load_model(EngineConfig(files.folder, device="sim"))
    assert (model.info.encoder, model.info.decoder) == ("sim", "sim")
    assert "decoder on" not in model.info.why
