"""A small training run on the CPU, from nothing to word error rates; interrupted, it ends with the same weights."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.loading import load_model

STEPS = 100  # ten lines of the log
MAX_ARCHIVE_BYTES = 10_000_000
_LINE = re.compile(r"step (\d+) heard [\d.]+ h (\d+) x peak (\d+) MiB .* token ([\d.]+) ctc ([\d.]+)")


def command(stage: str, work: Path, *arguments: str) -> list[str]:
    """A stage of the training as a program; it reads no text folder."""
    return [sys.executable, "-m", "amanuensis.training", stage, "--work", str(work), *arguments]


def done(stage: str, work: Path, *arguments: str) -> str:
    """What a stage prints."""
    ended = subprocess.run(command(stage, work, *arguments), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def checkpoint(work: Path) -> dict[str, object]:
    """What a run has saved."""
    return torch.load(work / "checkpoint.pt", weights_only=True)


def same(a: object, b: object) -> bool:
    """Whether two parts of a checkpoint are equal to the bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(value, b[key]) for key, value in a.items())
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with a tokeniser, test clips, noises and a shard."""
    work = tmp_path_factory.mktemp("work")
    done("tokenizer", work)
    assert "synth shard 0" in done("synth", work, "--shards", "1")
    return work


@pytest.fixture(scope="module")
def trained(data: Path) -> tuple[Path, list[re.Match[str]]]:
    """The folder after a run, and the lines of its log."""
    return data, list(_LINE.finditer(done("train", data, "--steps", str(STEPS))))


def test_a_run_tells_how_it_goes(trained: tuple[Path, list[re.Match[str]]]) -> None:
    """The losses fall; throughput and peak memory are told."""
    lines = trained[1]
    assert [int(line[1]) for line in lines] == list(range(10, STEPS + 1, 10))
    first, last = lines[0], lines[-1]
    assert float(last[4]) < float(first[4])
    assert float(last[5]) < float(first[5])
    assert int(last[2]) > 0
    assert int(last[3]) > 100


def test_an_interrupted_run_ends_with_the_same_weights(
    trained: tuple[Path, list[re.Match[str]]], tmp_path: Path
) -> None:
    """SIGTERM amid a run, then the same command: weights, average, optimiser and place in the data are the same."""
    work = tmp_path / "work"
    shutil.copytree(trained[0], work, ignore=shutil.ignore_patterns("checkpoint.pt", "test"))
    with subprocess.Popen(command("train", work, "--steps", str(STEPS)), stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline().startswith("computing in ")
        for _ in range(3):
            assert _LINE.search(run.stdout.readline())
        run.terminate()
    assert run.returncode == 0
    steps, *_ = checkpoint(work)["counts"]
    assert 30 <= steps < STEPS
    done("train", work, "--steps", str(STEPS))
    resumed, whole = checkpoint(work), checkpoint(trained[0])
    for part in ("model", "average", "optimisers", "place"):
        assert same(resumed[part], whole[part]), part
    (steps, _, heard_s), (expected_steps, _, expected_heard_s) = resumed["counts"], whole["counts"]
    assert (steps, heard_s) == (expected_steps, expected_heard_s)


def test_what_was_trained_is_a_model(trained: tuple[Path, list[re.Match[str]]], tmp_path: Path) -> None:
    """It is exported, packed within its limit, loaded by the engine of the product and evaluated."""
    work = trained[0]
    done("export", work)
    assert (work / "builtin.model").stat().st_size < MAX_ARCHIVE_BYTES
    assert load_model(EngineConfig(work / "builtin", device="cpu", threads=1)).info.audio_context == "free"
    figures = tmp_path / "figures.json"
    arguments = ("--limit", "2", "--json", str(figures))
    ended = subprocess.run(command("evaluate", work, *arguments), capture_output=True, text=True, check=False)
    assert ended.returncode == 0 or "the controls failed" in ended.stderr, ended.stderr  # it has hardly learnt to hear
    assert "narrow_seen" in ended.stdout
    assert len(json.loads(figures.read_text())["forms"]) == 3
