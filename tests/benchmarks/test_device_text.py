"""The text of the simulated NPU against that of the CPU."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amanuensis.benchmarks.clips import RATE, SYNTHETIC, Clip, load_clips
from amanuensis.benchmarks.device_text import Comparison, Score, add_arguments, run, teacher_rows
from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.devices.xrt.opening import open_runtime
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.row_rules import TEXT, TEXT_BEGIN

MAX_BETWEEN_WER = 5.0  # per cent
MIN_AGREEMENT = 0.97
MIN_COSINE = 0.999


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Put a device without settings in place, and leave none behind."""
    pyxrt_emulator.reset()
    yield
    pyxrt_emulator.reset()


@pytest.fixture
def narrow(tmp_path: Path) -> Path:
    """A folder with two of the bundled clips of voices that the built-in model knows."""
    clips = [clip for clip in load_clips(SYNTHETIC, 2) if clip.set == "narrow_seen"]
    rows = []
    for number, clip in enumerate(clips):
        soundfile.write(tmp_path / f"{number}.flac", clip.samples, RATE)
        rows.append(json.dumps({"path": f"{number}.flac", "text": clip.text, "set": clip.set}))
    (tmp_path / "manifest.jsonl").write_text("\n".join(rows))
    return tmp_path


def parse(*flags: str) -> argparse.Namespace:
    """Return what the command line makes of flags."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(flags)


def test_the_simulation_is_near_the_cpu(
    builtin_model: Path, narrow: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The figures are printed by set, and on clips that the model knows they hold the bounds of int8 and bf16."""
    monkeypatch.delenv("AMANUENSIS_SPEECH_DIR", raising=False)
    assert run(parse("--model", str(builtin_model), "--clips", str(narrow), "--json")) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["header"]["device"].startswith("sim: NPU Phoenix (emulated), against cpu")
    assert (printed["timing"], set(printed["sets"])) == ("modelled", {"narrow_seen"})
    figures = printed["sets"]["narrow_seen"]
    assert (figures["clips"], figures["left_out"]) == (2, 0)
    assert figures["tokens"] >= 4
    assert figures["between_wer"] <= MAX_BETWEEN_WER
    assert figures["top1_agreement"] >= MIN_AGREEMENT
    assert set(figures["encoder"]) == {"int8", "bf16"}
    assert all(precision["cosine"] >= MIN_COSINE for precision in figures["encoder"].values())
    assert figures["encoder"]["bf16"]["nrmse"] < figures["encoder"]["int8"]["nrmse"] <= 0.03
    assert 0 < figures["bytes_per_token"]["high"] < figures["bytes_per_verification"]["low"]
    assert min(figures["cpu_s_per_s"].values()) > 0


def test_lines_for_a_reader(
    builtin_model: Path, narrow: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --json a set has its figures in words, under the model and the commit."""
    monkeypatch.delenv("AMANUENSIS_SPEECH_DIR", raising=False)
    assert run(parse("--model", str(builtin_model), "--clips", str(narrow), "--limit", "1")) == 0
    printed = capsys.readouterr().out
    for part in (
        "commit",
        "narrow_seen: 1 clips",
        "between the two",
        "top-1 agreement",
        "cosine",
        "bytes over the bus",
    ):
        assert part in printed


def test_a_clip_longer_than_a_window_is_left_out(builtin_model: Path) -> None:
    """It is counted, and nothing is decoded."""
    runtime = open_runtime("sim")
    score = Score()
    comparison = Comparison(ModelFiles.load(builtin_model), runtime)
    comparison.add(Clip("long", "any", "some words", np.zeros(31 * RATE, np.float32)), score)
    runtime.close()
    figures = score.figures()
    assert (figures["clips"], figures["left_out"], figures["words"]) == (0, 1, 0)


def test_rows_look_at_the_token_before() -> None:
    """The first token is scored on the last one of the start, where a text may not begin with just anything."""
    rows = teacher_rows(3, [70, 80])
    assert [(row.index, row.rules.mask, row.rules.wanted) for row in rows] == [(2, TEXT_BEGIN, 70), (3, TEXT, 80)]
