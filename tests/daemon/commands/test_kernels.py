"""`amanuensis kernels`."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from amanuensis.benchmarks.random_model import make_random_model
from amanuensis.npu.device_weights import device_weights
from amanuensis.npu.model_files import ModelFiles
from tests.helpers.parity_fixture import MODEL
from tests.helpers.programs import amanuensis

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


def test_prepared_weights_say_what_is_in_bf16(tmp_path: Path) -> None:
    """A model whose weights were prepared is planned by them, and it is said; one that was not is planned as asked."""
    folder = make_random_model(tmp_path / "model", MODEL)
    for prepared in (False, True):
        if prepared:
            device_weights(ModelFiles.load(folder), "bf16", list)
        done = amanuensis("kernels", "plan", "--model", str(folder), "--precision", "bf16", "--json")
        assert (done.returncode, done.stderr) == (0, "")
        found = json.loads(done.stdout)
        assert found["weights_prepared"] == prepared
        assert found["products_in_bf16"] > 0


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
    names = {"dispatch, warm": 60, "dispatch of 16 launches": 105, "GemmInt8 1 rows": 170, "GemmInt8 1536 rows": 700}
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
    assert all(one["within"] for one in built_in["residuals"])
    fitted = json.loads(amanuensis("kernels", "cost", "--fit", "--json").stdout)
    assert fitted["parameters"] == pytest.approx(built_in["parameters"], rel=0.005)
    people = amanuensis("kernels", "cost").stdout
    assert people.splitlines()[0] == BASIS
    assert all(one["name"] in people for one in built_in["residuals"])


def test_the_bench_of_the_kernels_is_that_of_the_device() -> None:
    """Modelled figures on the simulation, what cannot be measured with its reason, and no calibration."""
    done = amanuensis("kernels", "bench", "--device", "sim", "--rounds", "1", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["timing"] == "modelled"
    assert "memory copy" in {figure["name"] for figure in found["figures"]}
    assert found["cycles_per_element"]["softmax"] > 0
    assert found["not_measured"]["changes of configuration"]
    done = amanuensis("kernels", "bench", "--device", "npu")
    if done.returncode == 0:
        pytest.skip("there is an NPU here")
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
