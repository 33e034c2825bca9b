"""`amanuensis models` as a user runs it, the hub being a local server."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amanuensis.benchmarks.random_model import make_random_model
from amanuensis.daemon.main import main
from amanuensis.npu.devices.xrt import quality
from tests.helpers.hub_server import HubServer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small model."""
    return make_random_model(tmp_path_factory.mktemp("model") / "tiny.en")


@pytest.fixture(autouse=True)
def hub(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """Serve the model; the store is empty and the built-in model is the small one too."""
    with HubServer({"openai/whisper-tiny.en": folder}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("AMANUENSIS_MODELS", str(tmp_path / "models"))
        monkeypatch.setenv("AMANUENSIS_BUILTIN", str(folder))
        yield server


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Run an action with --json and return what it prints."""
    assert main(["models", *words, "--json"]) == 0
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return printed


def test_life_of_a_model(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A model is pulled, listed, described, exported, imported under another name and removed."""
    place = tmp_path / "models/tiny.en"
    assert answer(capsys, "pull", "tiny.en") == {"name": "tiny.en", "path": str(place), "installed": True}
    assert [model["name"] for model in answer(capsys, "list")["models"]] == ["builtin", "tiny.en"]
    info = answer(capsys, "info", "tiny.en")
    assert info["origin"]["repository"] == "openai/whisper-tiny.en"
    assert (info["parameters"], len(info["content_hash"]), info["dimensions"]["width"]) == (501_120, 64, 64)
    assert answer(capsys, "info", "builtin")["content_hash"] == info["content_hash"]
    assert answer(capsys, "export", "tiny.en", str(tmp_path / "out"))["written"]
    assert answer(capsys, "import", str(tmp_path / "out"), "--name", "mine")["name"] == "mine"
    assert answer(capsys, "rm", "tiny.en", "--yes")["removed"]
    assert [model["name"] for model in answer(capsys, "list")["models"]] == ["builtin", "mine"]


def test_output_for_people(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Without --json there is one line a model, a broken one with its problem, and a table of details."""
    (tmp_path / "models/broken").mkdir(parents=True)
    assert main(["models", "list"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[0] == "builtin"
    assert first.endswith("0.5 M parameters, English")
    assert second.split()[0] == "broken"
    assert "config.json: missing" in second
    assert main(["models", "info", "builtin"]) == 0
    assert "parameters       501,120\n" in capsys.readouterr().out


def exit_status(*words: str) -> object:
    """Run an action and return the exit status, whichever way it is given."""
    try:
        return main(["models", *words])
    except SystemExit as left:
        return left.code


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["pull", "nobody/nothing"], 1, "there is no such model at http://127"),
        (["import", "/no/where"], 1, "/no/where: no such model folder"),
        (["info", "none"], 1, "'none' is not installed"),
        (["rm", "builtin"], 1, "cannot be removed"),
        (["rm", "../models", "--yes"], 1, "is not allowed"),
        (["rm"], 2, "MODEL"),
        (["frobnicate"], 2, "frobnicate"),
    ],
)
def test_mistakes(capsys: pytest.CaptureFixture[str], words: list[str], status: int, message: str) -> None:
    """Every mistake is one line on stderr with the right exit status."""
    assert exit_status(*words) == status
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_removal_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without --yes nothing is removed unless a person at a terminal says yes."""
    main(["models", "pull", "tiny.en"])

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert main(["models", "rm", "tiny.en"]) == 2
    monkeypatch.setattr("sys.stdin", Terminal("\n"))
    assert main(["models", "rm", "tiny.en"]) == 1
    assert (tmp_path / "models/tiny.en").is_dir()
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert main(["models", "rm", "tiny.en"]) == 0
    assert not (tmp_path / "models/tiny.en").exists()
    assert "Remove model tiny.en" in capsys.readouterr().err


def test_heads_are_measured_and_remembered(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Heads are looked for where a model names none, or on request; the folder is changed, but not the built-in one."""
    answer(capsys, "pull", "tiny.en")
    first = answer(capsys, "align", "tiny.en")
    assert (first["searched"], first["written"]) == (True, True)
    assert answer(capsys, "info", "tiny.en")["attention_lag_ms"] == first["lag_ms"]
    again = answer(capsys, "align", "tiny.en")
    assert (again["searched"], again["heads"], again["lag_ms"]) == (False, first["heads"], first["lag_ms"])
    assert answer(capsys, "align", "tiny.en", "--search")["searched"]
    assert not answer(capsys, "align", "builtin")["written"]
    assert main(["models", "align", "builtin"]) == 0
    assert "nothing was changed" in capsys.readouterr().out


def test_weights_for_the_npu_are_prepared_and_reported(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every layer is compared with float32, and the second time the report comes from beside the weights."""
    first = answer(capsys, "prepare", "builtin", "--precision", "bf16")
    assert Path(first["path"]).parent == folder / ".prepared"
    assert [layer["name"] for layer in first["layers"]][-3:] == ["decoder.layers.0", "decoder.layers.1", "logits"]
    assert all(layer["nrmse"] < 0.02 and layer["cosine"] > 0.999 for layer in first["layers"])
    assert {product["precision"] for product in first["products"].values()} == {"bf16"}
    monkeypatch.setattr(quality, "measure", lambda *_: pytest.fail("measured again"))
    assert answer(capsys, "prepare", "builtin", "--precision", "bf16") == first
    assert main(["models", "prepare", "builtin", "--precision", "bf16"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("builtin prepared in bf16: ")
    assert lines[2].split() == ["against", "float32", "NRMSE", "cosine"]
    assert len(lines) == 3 + len(first["layers"])
