"""The figures that calibrate the cost model, on the simulated NPU."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from amanuensis.benchmarks import device
from amanuensis.kernels.cost.measured import calibrated, calibration_path
from amanuensis.kernels.cost.parameters import MODELS
from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.devices.xrt.opening import open_runtime


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Put a device without settings in place, and leave none behind."""
    pyxrt_emulator.reset()
    yield
    pyxrt_emulator.reset()


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time few rows, to be quick."""
    monkeypatch.setattr(device, "ROWS", (1, 40))


@pytest.mark.usefixtures("_small")
def test_figures_of_the_simulation() -> None:
    """Dispatches, transfers and operators are timed; waking costs what the driver's suspension costs."""
    figures = {figure.name: figure for figure in device.measure(open_runtime("sim"), 2, pyxrt_emulator.clock().sleep)}
    assert set(figures) >= {
        "dispatch, warm",
        "to the device",
        "from the device",
        "memory copy",
        "GemmInt8 1 rows",
        "GemmInt8 with GELU 40 rows",
        "Attention 40 rows",
    }
    assert 45 <= figures["dispatch, warm"].us.median <= 250
    assert 100_000 < figures["dispatch, after 6 s"].us.median < 200_000
    assert figures["GemmInt8 40 rows"].us.median > figures["dispatch, warm"].us.low
    assert all(figure.us.median > 0 for figure in figures.values())


@pytest.mark.usefixtures("_small")
def test_a_simulation_calibrates_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Modelled figures are called modelled and are not kept as a calibration."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert device.run(argparse.Namespace(device="sim", rounds=1, json=True)) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["timing"], printed["header"]["device"]) == ("modelled", "sim: NPU Phoenix (emulated)")
    assert not calibration_path("npu1").exists()
    assert set(printed["not_measured"]) == {"clock", "power", "switch of configuration", device.UNDER_LOAD}


def test_what_is_measured_is_what_the_cost_model_reads(tmp_path: Path) -> None:
    """The calibration of a device as fast as the simulation says so: both ends of the file are held together."""
    runtime = open_runtime("sim")
    figures = device.measure(runtime, 3, pyxrt_emulator.clock().sleep)
    facts = {"timing": "measured", "architecture": "npu1", "hardware": "a simulation, for this test"}
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(facts | {"figures": [asdict(figure) for figure in figures]}))
    found, modelled = calibrated(path, "npu1").cases["middle"], MODELS["npu1"].cases["middle"]
    assert found.memory_gb_s == pytest.approx(modelled.memory_gb_s, rel=0.3)
    assert found.bf16_macs == pytest.approx(modelled.bf16_macs, rel=0.3)
    assert found.dispatch_us == pytest.approx(modelled.dispatch_us, rel=0.3)
    assert 0.3 < found.lane_factor < 1.5
    assert set(device.cycles("npu1", figures)) == {"norm", "GELU", "softmax"}


@pytest.mark.usefixtures("_small")
def test_the_product_is_timed_again_under_load() -> None:
    """The array works without a pause for as long as was asked; a figure of its own says what it then takes."""
    clock = pyxrt_emulator.clock()
    runtime = open_runtime("sim")
    before_s = clock.monotonic()
    figures = device.measure(runtime, 1, lambda _: None, load_s=0.01)
    assert clock.monotonic() - before_s > 0.01
    assert figures[-1].name == device.UNDER_LOAD
    assert figures[-1].us.median > 0


def test_figures_that_say_nothing_of_cycles() -> None:
    """Where an operator is lost in the cost of its dispatch there are none, and no error."""
    assert device.cycles("npu1", []) == {}
