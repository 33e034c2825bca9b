"""Calibrations from a real device: what is measured replaces what was published, and nothing damaged does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amanuensis.kernels.cost.arrays import ARRAYS
from amanuensis.kernels.cost.measured import (
    FFN,
    MANY_ROWS,
    WARM_DISPATCH,
    WIDTH,
    CalibrationError,
    calibrated,
    calibration_path,
    current_model,
    operator_figure,
)
from amanuensis.kernels.cost.parameters import MODELS

US = {
    WARM_DISPATCH: 70.0,
    operator_figure("LayerNorm", 1): 74.0,
    operator_figure("GemmInt8", 1): 74.0 + 40.0,
    operator_figure("GemmInt8", MANY_ROWS): 74.0 + 800.0,
    operator_figure("GemmBf16", MANY_ROWS): 74.0 + 1600.0,
}


def facts(**changes: Any) -> dict[str, Any]:
    """Return a calibration in which every time is 10 per cent lower at best and higher at worst."""
    figures = [{"name": name, "us": {"median": us, "low": 0.9 * us, "high": 1.1 * us}} for name, us in US.items()]
    known = {"timing": "measured", "architecture": "npu1", "hardware": "NPU Phoenix", "figures": figures}
    return known | changes


def write(path: Path, content: Any) -> Path:
    """Write a calibration."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_measured_figures_take_the_place_of_published_ones(tmp_path: Path) -> None:
    """Dispatch, launch, memory and rates are what the figures say; the words change with them."""
    model = calibrated(write(tmp_path / "calibration.json", facts()), "npu1")
    middle, cycles = model.cases["middle"], ARRAYS["npu1"].cores * ARRAYS["npu1"].clock_ghz * 1e3
    assert middle.dispatch_us == 70
    assert middle.operator_us == pytest.approx(4)
    assert middle.memory_gb_s == pytest.approx(WIDTH * FFN / 40 / 1e3)
    assert middle.int8_macs == pytest.approx(MANY_ROWS * WIDTH * FFN / 800 / cycles)
    assert middle.int8_macs == pytest.approx(2 * middle.bf16_macs)
    assert middle.burst_ns == MODELS["npu1"].cases["middle"].burst_ns
    assert model.cases["fast"].int8_macs > middle.int8_macs > model.cases["slow"].int8_macs
    assert model.dispatch_us.low < 70 < model.dispatch_us.high
    assert model.basis == "calibrated: modelled from what was measured on NPU Phoenix"


def test_the_file_of_this_machine_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file the published figures count; with one, it does, for its architecture only."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert current_model("npu1") is MODELS["npu1"]
    path = write(calibration_path("npu1"), facts())
    assert path == tmp_path / "amanuensis" / "calibration-npu1.json"
    assert current_model("npu1") == calibrated(path, "npu1")
    assert current_model("npu2") is MODELS["npu2"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be used"),
        ("[]", "cannot be used"),
        (facts(timing="modelled"), "its times are modelled, of npu1, not measured on npu1"),
        (facts(architecture="npu2"), "measured, of npu2, not measured on npu1"),
        (facts(figures=facts()["figures"][:-1]), f"it has no 'GemmBf16 {MANY_ROWS} rows'"),
        (facts(figures=[]), "it has no 'dispatch, warm'"),
        (
            facts(figures=[*facts()["figures"], {"name": "GemmInt8 1 rows", "us": {"low": 1, "median": 60}}]),
            r"GemmInt8 1 rows took 1 us \(low\), not more than 66.6",
        ),
        (
            facts(figures=[*facts()["figures"], {"name": WARM_DISPATCH, "us": {"low": float("nan")}}]),
            "dispatch, warm took nan us",
        ),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, content: Any, message: str) -> None:
    """One line says which file, what is wrong with it and what to do."""
    path = write(tmp_path / "calibration.json", content)
    with pytest.raises(CalibrationError, match=message) as error:
        calibrated(path, "npu1")
    assert str(error.value).startswith(f"{path}: ")
    assert "run `amanuensis bench device` again, or remove it" in str(error.value)
