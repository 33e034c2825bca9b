"""The figures that calibrate the cost model, on the simulated NPU."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from amanuensis.benchmarks import device
from amanuensis.kernels.cost.measured import calibration_path
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
        "GemmInt8 1 rows",
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
