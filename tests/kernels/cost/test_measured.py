"""Calibrations from a real device: what is measured replaces what was published, and nothing damaged does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amanuensis.kernels.cost.arrays import ARRAYS
from amanuensis.kernels.cost.band import Band
from amanuensis.kernels.cost.measured import (
    CHAINED,
    COPY_BYTES,
    FFN,
    GELU,
    HEADS,
    MANY_ROWS,
    MEMORY_COPY,
    WARM_DISPATCH,
    WIDTH,
    CalibrationError,
    calibrated,
    calibration_path,
    changed_figure,
    current_model,
    cycles_per_element,
    operator_figure,
    warm_figure,
)
from amanuensis.kernels.cost.parameters import MODELS, SWITCH_US
from amanuensis.kernels.loads import GELU_CYCLES, LANES, SOFTMAX_CYCLES

US = {
    WARM_DISPATCH: 74.0,
    CHAINED: 74.0 + 15 * 4.0,
    changed_figure("products"): 74.0 + 300.0,
    warm_figure("products"): 74.0,
    changed_figure("decoder"): 80.0 + 200.0,
    warm_figure("decoder"): 80.0,
    operator_figure("GemmInt8", 1): 74.0 + 40.0,
    operator_figure("GemmInt8", MANY_ROWS): 74.0 + 800.0,
    operator_figure("GemmBf16", MANY_ROWS): 74.0 + 1600.0,
    operator_figure(GELU, MANY_ROWS): 74.0 + 1100.0,
    operator_figure("LayerNorm", MANY_ROWS): 74.0 + 240.0,
    operator_figure("Attention", MANY_ROWS): 74.0 + 2 * 1600.0 * HEADS * 64 * MANY_ROWS / (WIDTH * FFN) + 900.0,
    MEMORY_COPY: 74.0 + 500.0,
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
    assert middle.memory_gb_s == pytest.approx(2 * COPY_BYTES / 500 / 1e3)
    assert middle.int8_macs == pytest.approx(MANY_ROWS * WIDTH * FFN / 800 / cycles)
    assert middle.int8_macs == pytest.approx(2 * middle.bf16_macs)
    assert middle.burst_ns == MODELS["npu1"].cases["middle"].burst_ns
    assert model.cases["fast"].int8_macs > middle.int8_macs > model.cases["slow"].int8_macs
    assert model.dispatch_us.low < 70 < model.dispatch_us.high
    assert model.switch_us.middle == pytest.approx((300 + 200) / 2)
    assert model.switch_us.low < 250 < model.switch_us.high
    assert model.basis == "calibrated: modelled from what was measured on NPU Phoenix"


def test_the_faster_way_through_the_memory_counts(tmp_path: Path) -> None:
    """A product that reads weights shows more of the memory than a copy that a design makes badly."""
    slow = [one for one in facts()["figures"] if one["name"] != MEMORY_COPY]
    slow.append({"name": MEMORY_COPY, "us": {"median": 9e3, "low": 9e3, "high": 9e3}})
    model = calibrated(write(tmp_path / "calibration.json", facts(figures=slow)), "npu1")
    assert model.cases["middle"].memory_gb_s == pytest.approx(WIDTH * FFN / 40 / 1e3)


def test_cycles_beside_the_products_are_measured(tmp_path: Path) -> None:
    """GELU by what a product takes longer with it, softmax by what an attention takes longer than its products."""
    figures = {one["name"]: one["us"] for one in facts()["figures"]}
    cycles = ARRAYS["npu1"].cores * ARRAYS["npu1"].clock_ghz * 1e3
    found = cycles_per_element("npu1", figures)
    assert found["GELU"] == pytest.approx(300 * cycles / (MANY_ROWS * FFN))
    assert found["softmax"] == pytest.approx(900 * cycles / (HEADS * MANY_ROWS**2))
    assert found["norm"] == pytest.approx(240 * cycles / (MANY_ROWS * WIDTH))
    middle = calibrated(write(tmp_path / "calibration.json", facts()), "npu1").cases["middle"]
    estimated = (GELU_CYCLES + SOFTMAX_CYCLES) / LANES
    assert middle.lane_factor == pytest.approx((found["GELU"] + found["softmax"]) / estimated)


def test_work_that_hides_behind_the_memory_costs_nothing() -> None:
    """A product that is no slower with GELU says 0 cycles, never less."""
    figures = {one["name"]: one["us"] for one in facts()["figures"]}
    figures[operator_figure(GELU, MANY_ROWS)] = {"median": 800.0, "low": 790.0, "high": 810.0}
    assert cycles_per_element("npu1", figures)["GELU"] == 0


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
        (facts(figures=facts()["figures"][:-1]), "it has no 'memory copy'"),
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
    assert "run `amanuensis kernels bench` again, or remove it" in str(error.value)


def test_changes_that_nobody_timed_stay_published(tmp_path: Path) -> None:
    """Without figures of a dispatch after another configuration the assumed band is kept."""
    kept = [one for one in facts()["figures"] if "after another" not in one["name"]]
    assert calibrated(write(tmp_path / "one.json", facts(figures=kept)), "npu1").switch_us == SWITCH_US["npu1"]


def test_a_change_never_costs_less_than_nothing(tmp_path: Path) -> None:
    """Where a dispatch is no slower after another configuration, a change costs its dispatch and no more."""
    names, quick = ("products", "decoder"), {"median": 60.0, "low": 50.0, "high": 70.0}
    figures = [*facts()["figures"], *({"name": changed_figure(name), "us": quick} for name in names)]
    assert calibrated(write(tmp_path / "one.json", facts(figures=figures)), "npu1").switch_us == Band(0, 0, 0)


def test_one_late_start_does_not_spoil_a_calibration(tmp_path: Path) -> None:
    """The slowest of the empty dispatches took longer than any operator: the slow end is taken from the middle."""
    figures = facts()["figures"]
    next(one for one in figures if one["name"] == WARM_DISPATCH)["us"]["high"] = 1e5
    model = calibrated(write(tmp_path / "one.json", facts(figures=figures)), "npu1")
    assert model.cases["slow"].int8_macs < model.cases["middle"].int8_macs
