"""The figures that calibrate the cost model, on the simulated NPU."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from amanuensis.benchmarks import device
from amanuensis.daemon.main import main
from amanuensis.kernels.compile.build import Order, build
from amanuensis.kernels.compile.manifest import MANIFEST, load_manifest
from amanuensis.kernels.compile.simulated import SimulatedMaker
from amanuensis.kernels.compile.work import DESIGNS, Dispatched, Work
from amanuensis.kernels.cost.measured import (
    CHAINED,
    CONFIGURATIONS,
    FEW_ROWS,
    MANY_ROWS,
    WARM_DISPATCH,
    CalibrationError,
    calibrated,
    calibration_path,
    changed_figure,
    current_model,
    warm_figure,
)
from amanuensis.kernels.cost.parameters import MODELS
from amanuensis.kernels.operands import N_BUFFERS
from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.devices.xrt.errors import ProgramError
from amanuensis.npu.devices.xrt.opening import open_runtime
from amanuensis.npu.devices.xrt.programs import FOLDER_VARIABLE
from amanuensis.npu.devices.xrt.timed import BUFFER_BYTES, all_timed, chained
from amanuensis.npu.pyxrt_emulator import Settings
from tests.helpers.emulated_package import copy_of
from tests.kernels.cores import needs_compiler

FEW = (1, 32)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Put a device without settings in place, and leave none behind."""
    pyxrt_emulator.reset()
    yield
    pyxrt_emulator.reset()


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time few rows, to be quick."""
    monkeypatch.setattr(device, "ROWS", FEW)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that is timed, compiled for the emulator."""
    root, sizes = tmp_path_factory.mktemp("programs"), (BUFFER_BYTES,) * N_BUFFERS
    work = Work("none", tuple(Dispatched(each.part, each.operators) for each in all_timed()), {}, sizes)
    manifest = build(Order(work, "npu1", SimulatedMaker("npu1", DESIGNS, sizes), root / "npu1", DESIGNS))
    assert manifest.lacking == ()
    return root


@pytest.mark.usefixtures("_small")
def test_figures_of_the_simulation() -> None:
    """Dispatches, transfers and operators are timed; waking costs what the driver's suspension costs."""
    figures = {figure.name: figure for figure in device.measure(open_runtime("sim"), 2, pyxrt_emulator.clock().sleep)}
    assert set(figures) >= {
        "dispatch, warm",
        "dispatch of 16 launches",
        "a line to the device",
        "8 MiB from the device",
        "memory copy",
        "GemmInt8 1 rows",
        "GemmInt8 with GELU 32 rows",
        "Attention 32 rows",
    }
    assert 45 <= figures["dispatch, warm"].us.median <= 250
    assert 100_000 < figures["dispatch, after 6 s"].us.median < 200_000
    assert figures["Attention 32 rows"].us.median > figures["dispatch, warm"].us.low
    assert all(figure.us.median > 0 for figure in figures.values())


@needs_compiler
def test_compiled_launches_are_timed(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a package a change of configuration is told to the microsecond, and dispatches behind one another overlap."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(package))
    monkeypatch.setattr(device, "SMALL_ROUNDS", 1)
    monkeypatch.setattr(device, "ROWS", (FEW_ROWS,))
    pyxrt_emulator.configure(Settings(dispatch_us=(100, 100), switch_us=400))
    runtime = open_runtime("sim")
    bench = device.Bench(runtime, 1)
    figures = [*bench.starts(pyxrt_emulator.clock().sleep), *bench.changes(), *bench.operators()]
    us = {figure.name: figure.us.median for figure in figures}
    for name in CONFIGURATIONS:
        assert us[changed_figure(name)] - us[warm_figure(name)] == pytest.approx(400, abs=1)
    assert us[device.QUEUED] < 2 * us[WARM_DISPATCH] < us[device.AFTER_IDLE]
    assert us[WARM_DISPATCH] < us[CHAINED] < 4 * us[WARM_DISPATCH]
    before = pyxrt_emulator.counters().dispatches
    bench.dispatch(bench.stream(chained()))
    assert pyxrt_emulator.counters().dispatches == before + 1  # all launches of a configuration in one
    facts = device.facts_of(runtime, figures)
    assert (facts["timing"], facts["programs"], facts["cycles_per_element"]) == ("modelled", "simulated programs", {})
    assert device.CYCLES in facts["not_measured"]
    assert device.CHANGES not in facts["not_measured"]


@needs_compiler
def test_programs_without_these_launches_say_so(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A launch that is not there is named in one line, with what to do."""
    copy_of(package, tmp_path / "programs")
    path = tmp_path / "programs" / "npu1" / MANIFEST
    manifest = load_manifest(path.parent, "npu1")
    kept = {name: each for name, each in manifest.launches.items() if each.configuration != "attention"}
    path.write_text(replace(manifest, launches=kept).to_json())
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "programs"))
    with pytest.raises(ProgramError, match=r"no launch for Attention on attention .*build it again") as error:
        device.measure(open_runtime("sim"), 1, pyxrt_emulator.clock().sleep)
    assert "\n" not in str(error.value)


@needs_compiler
@pytest.mark.long
def test_a_device_with_compiled_programs_is_calibrated(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The emulator in the place of pyxrt, with programs that say they are an NPU's: `kernels plan` counts on it."""
    copy_of(package, tmp_path / "programs")
    path = tmp_path / "programs" / "npu1" / MANIFEST
    path.write_text(replace(load_manifest(path.parent, "npu1"), target="npu").to_json())
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "programs"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pyxrt", pyxrt_emulator)
    monkeypatch.setattr(device, "ROWS", (FEW_ROWS, MANY_ROWS))
    monkeypatch.setattr(device, "IDLE_S", 0.0)
    monkeypatch.setattr(device, "LOAD_S", 0.0)
    assert main(["kernels", "bench", "--device", "npu", "--rounds", "1", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["timing"], printed["programs"]) == ("measured", "compiled programs")
    found = current_model("npu1")
    assert found.basis == "calibrated: modelled from what was measured on NPU Phoenix (emulated)"
    assert found.switch_us != MODELS["npu1"].switch_us
    assert main(["kernels", "plan", "--model", "base", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["basis"] == found.basis


@pytest.mark.usefixtures("_small")
def test_a_simulation_calibrates_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Modelled figures are called modelled and are not kept as a calibration; a file that is asked for is refused."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert device.run(argparse.Namespace(device="sim", rounds=1, out=None, json=True)) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["timing"], printed["header"]["device"]) == ("modelled", "sim: NPU Phoenix (emulated)")
    assert not calibration_path("npu1").exists()
    assert set(printed["not_measured"]) == {"clock", "power", device.CHANGES, device.UNDER_LOAD}
    assert device.run(argparse.Namespace(device="sim", rounds=1, out=tmp_path / "kept.json", json=False)) == 0
    assert "modelled figures, which calibrate nothing" in capsys.readouterr().out
    with pytest.raises(CalibrationError, match="its times are modelled, of npu1"):
        calibrated(tmp_path / "kept.json", "npu1")


def test_what_is_measured_is_what_the_cost_model_reads(tmp_path: Path) -> None:
    """The calibration of a device as fast as the simulation says so: both ends of the file are held together."""
    pyxrt_emulator.configure(Settings(dispatch_us=(120, 120)))
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


@pytest.mark.parametrize("rounds", ["0", "-3", "many", "10001"])
def test_rounds_that_are_none(rounds: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A number of runs has bounds, which are named."""
    with pytest.raises(SystemExit, match="2"):
        main(["kernels", "bench", "--device", "sim", "--rounds", rounds])
    assert f"rounds '{rounds}' is not allowed: give a whole number, 1 to 10000" in capsys.readouterr().err


def test_figures_that_say_nothing_of_cycles() -> None:
    """Where an operator is lost in the cost of its dispatch there are none, and no error."""
    assert device.cycles("npu1", []) == {}
