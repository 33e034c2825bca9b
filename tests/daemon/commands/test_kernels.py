"""`amanuensis kernels`."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from argparse import Namespace
from pathlib import Path

import pytest

from amanuensis.daemon.commands import kernels_test
from amanuensis.kernels.compile.work import load_designs
from amanuensis.kernels.ops import OPERATORS
from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.devices.xrt.programs import find_programs
from amanuensis.npu.pyxrt_emulator import Fault, Settings
from tests.helpers.programs import amanuensis
from tests.helpers.toolchain_stand_ins import install
from tests.kernels.cores import needs_compiler

BASIS = "modelled, not measured on an NPU"


def test_a_plan_is_one_json_object() -> None:
    """Basis and bands; a longer window makes a longer tick."""
    ticks = []
    for more in ([], ["--audio-context", "750"]):
        done = amanuensis("kernels", "plan", "--model", "base", "--device", "npu1", "--json", *more)
        assert (done.returncode, done.stderr) == (0, "")
        found = json.loads(done.stdout)
        assert (found["basis"], found["model"], found["device"], found["precision"]) == (BASIS, "base", "npu1", "int8")
        ticks.append(found["tick_ms"])
    assert all(tick["low"] < tick["mid"] < tick["high"] for tick in ticks)
    assert ticks[0]["mid"] < ticks[1]["mid"]


def test_a_plan_for_people_and_a_drawing(tmp_path: Path) -> None:
    """The words stand first, and the drawing lies where it was asked for."""
    path = tmp_path / "plan.svg"
    done = amanuensis(
        "kernels", "plan", "--model", "tiny", "--device", "npu2", "--precision", "bf16", "--svg", str(path)
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == BASIS
    assert done.stdout.splitlines()[1].startswith("tiny on npu2, bf16: windows of 250 positions (5 s)")
    assert ET.parse(path).getroot().tag.endswith("svg")


def test_models_of_this_machine_are_planned() -> None:
    """The built-in model, by its own shape: no weights are read for it."""
    done = amanuensis("kernels", "plan", "--model", "builtin", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["model"] == "builtin"


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (["--model", "no-such-model"], 1, "model 'no-such-model' is not installed"),
        (["--model", "./nowhere"], 1, "there is no such folder"),
        (["--audio-context", "1536"], 1, "a window of 1536 encoder frames; this model takes 1 to 1500"),
        (["--audio-context", "0"], 2, "audio context '0' is not allowed"),
        (["--device", "npu3"], 2, "npu3"),
        (["--svg", "/nowhere/plan.svg"], 1, "/nowhere/plan.svg: No such file or directory"),
    ],
)
def test_what_cannot_be_planned_is_one_line(flags: list[str], status: int, message: str) -> None:
    """Status 1 for what is not there, 2 for what cannot be asked; nothing on stdout."""
    done = amanuensis("kernels", "plan", *flags)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_calibration_changes_the_words_and_a_damaged_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `bench device` left in the configuration is used, or it is said why it cannot be."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "amanuensis" / "calibration-npu1.json"
    path.parent.mkdir()
    names = {"dispatch, warm": 60, "LayerNorm 1 rows": 63, "GemmInt8 1 rows": 170, "GemmInt8 1536 rows": 700}
    names |= {"GemmInt8 with GELU 1536 rows": 900, "LayerNorm 1536 rows": 400, "Attention 1536 rows": 5000}
    names |= {"memory copy": 900}
    figures = [
        {"name": name, "us": {"low": us, "median": us, "high": us}}
        for name, us in (names | {"GemmBf16 1536 rows": 1200}).items()
    ]
    known = {"timing": "measured", "architecture": "npu1", "hardware": "NPU Phoenix", "figures": figures}
    path.write_text(json.dumps(known))
    done = amanuensis("kernels", "plan", "--json")
    assert json.loads(done.stdout)["basis"] == "calibrated: modelled from what was measured on NPU Phoenix"
    path.write_text("{}")
    done = amanuensis("kernels", "plan")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{path}: this calibration cannot be used" in done.stderr


def test_residuals_are_told_with_their_tolerances() -> None:
    """Every published figure, held out or not, with what is allowed; fitting anew ends at the same parameters."""
    done = amanuensis("kernels", "cost", "--json")
    built_in = json.loads(done.stdout)
    assert built_in["basis"] == BASIS
    assert {one["name"] for one in built_in["residuals"] if not one["within"]} == set(built_in["exceptions"])
    fitted = json.loads(amanuensis("kernels", "cost", "--fit", "--json").stdout)
    assert fitted["parameters"] == pytest.approx(built_in["parameters"], rel=0.005)
    people = amanuensis("kernels", "cost").stdout
    assert people.splitlines()[0] == BASIS
    assert all(one["name"] in people for one in built_in["residuals"])


def test_a_machine_without_the_tools_says_what_to_install() -> None:
    """One line with the command, status 1, and nothing is written."""
    done = amanuensis("kernels", "build", "--device", "npu1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "mlir-aie is not installed" in done.stderr
    assert "python3 -m pip install mlir_aie -f" in done.stderr
    assert done.stderr.count("\n") == 1


@needs_compiler
def test_programs_are_built_where_the_engine_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With stand-ins for the tools: a line for each configuration, and on stderr one for what has no design."""
    install(tmp_path / "tools", monkeypatch)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    done = amanuensis("kernels", "build", "--device", "npu1", "--model", "builtin")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "data" / "amanuensis" / "programs" / "npu1"
    assert done.stdout.startswith(f"{folder}: programs of builtin for npu1\n")
    manifest = find_programs("npu1").manifest
    assert set(manifest.configurations) == set(load_designs())
    assert all(f"  {name} " in done.stdout for name in manifest.configurations)
    assert [line.removeprefix("no design computes ") for line in done.stderr.splitlines()] == list(manifest.lacking)


@needs_compiler
def test_a_compiler_s_error_is_shown_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line says what failed; all that the compiler said follows."""
    install(tmp_path / "tools", monkeypatch)
    monkeypatch.setenv("CLANG_FAILS", "no such instruction")
    done = amanuensis("kernels", "build", "--device", "npu2", "--model", "builtin", "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stdout) == (1, "")
    first, *others = done.stderr.splitlines()
    assert first.startswith("amanuensis: compiling ")
    assert "clang++ left with status 1" in first
    assert "kernel.cc:7: error: no such instruction" in others
    assert not (tmp_path / "out" / "npu2").exists()


@needs_compiler
def test_operators_and_designs_are_tested_on_the_simulation() -> None:
    """Two tables, with the error of every operator and of every design that there is."""
    done = amanuensis("kernels", "test", "--device", "sim", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert [row["operator"] for row in found["operators"]] == list(OPERATORS)
    assert {row["configuration"] for row in found["designs"]} == set(load_designs())
    assert all(row["passed"] for row in [*found["operators"], *found["designs"]])
    assert found["wrong"] == []


@needs_compiler
def test_one_operator_is_tested_alone() -> None:
    """The tables for people, of this operator only."""
    done = amanuensis("kernels", "test", "--device", "sim", "--operator", "Attention")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("  ")]
    assert {row[0] for row in rows} == {"operator", "Attention"}
    assert ["Attention", "attention"] in [row[:2] for row in rows]


def test_what_cannot_be_tested_is_one_line() -> None:
    """An operator that does not exist is wrong usage; no NPU is a failure."""
    done = amanuensis("kernels", "test", "--device", "sim", "--operator", "Gemm")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no operator 'Gemm'; there are Nop, Im2col" in done.stderr
    done = amanuensis("kernels", "test", "--device", "npu")
    if done.returncode == 0:
        pytest.skip("there is an NPU here")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


def test_wrong_answers_leave_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    """The operator stands in the table as WRONG and in the last line."""
    pyxrt_emulator.configure(Settings(faults=(Fault("zeros", at=3),)))
    try:
        status = kernels_test.run(Namespace(device="sim", operator="LayerNorm", json=False))
    finally:
        pyxrt_emulator.reset()
    printed = capsys.readouterr()
    assert status == 1
    assert printed.out.splitlines()[2].endswith("WRONG")
    assert printed.err == "amanuensis: wrong: LayerNorm\n"


def test_the_bench_of_the_kernels_is_that_of_the_device() -> None:
    """Modelled figures on the simulation, what cannot be measured with its reason, and no calibration."""
    done = amanuensis("kernels", "bench", "--device", "sim", "--rounds", "1", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["timing"] == "modelled"
    assert "memory copy" in {figure["name"] for figure in found["figures"]}
    assert found["cycles_per_element"]["softmax"] > 0
    assert found["not_measured"]["switch of configuration"]
    done = amanuensis("kernels", "bench", "--device", "npu")
    if done.returncode == 0:
        pytest.skip("there is an NPU here")
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
