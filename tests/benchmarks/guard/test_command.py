"""`amanuensis bench guard`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from amanuensis.benchmarks.guard import counts, ratios
from amanuensis.benchmarks.guard.accepted import Figures, read_accepted, write_accepted
from amanuensis.benchmarks.guard.command import TRIES, add_arguments, judge, run

TICKS = "log-mel, ticks / whole"


def figures(ratio: float) -> Figures:
    """Return figures of this machine with one ratio that is not 1."""
    return Figures.taken_here(
        "words", dict.fromkeys(counts.MEANINGS, 1.0), dict.fromkeys(ratios.MEANINGS, 1.0) | {TICKS: ratio}
    )


class Tries:
    """Further tries, with the ratio that each finds."""

    def __init__(self, *found: float) -> None:
        self._found: Iterator[float] = iter(found)
        self.made = 0

    def __call__(self, module: str, folder: Path) -> dict[str, Any]:
        assert module == "ratios"
        self.made += 1
        return figures(next(self._found)).ratios


def outcome(tries: Tries, ratio: float) -> tuple[str, float]:
    """Return what becomes of a ratio that is accepted as 1."""
    found, lines = judge(figures(1.0), figures(ratio), tries)
    (line,) = [each for each in lines if each.name == TICKS]
    return line.outcome, found.ratios[TICKS]


def arguments(*flags: str) -> argparse.Namespace:
    """Return what the command line makes of flags."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(flags)


def test_a_ratio_that_passes_is_taken_once(builtin_model: Path) -> None:
    """No further try is made."""
    tries = Tries()
    assert outcome(tries, 1.29) == ("as accepted", 1.29)
    assert tries.made == 0


def test_a_ratio_fails_only_when_it_repeats(builtin_model: Path) -> None:
    """It passes with the first try that passes, and fails when three more do not."""
    tries = Tries(1.6, 1.1)
    assert outcome(tries, 1.5) == ("as accepted", 1.1)
    assert tries.made == 2
    tries = Tries(1.4, 1.6, 1.7)
    assert outcome(tries, 1.5) == ("worse", 1.4)
    assert tries.made == TRIES == 3


def test_a_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told before anything is measured."""
    assert run(arguments("--accepted", str(tmp_path / "none.json"))) == 1
    told = capsys.readouterr().err
    assert told.startswith("amanuensis: guard: accepted figures none.json: No such file")
    assert told.count("\n") == 1


@pytest.mark.long
def test_accept_then_compare(builtin_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was just accepted passes; half of it accepted fails, and the line says which count."""
    path = tmp_path / "accepted.json"
    assert run(arguments("--accept", "--accepted", str(path))) == 0
    accepted = read_accepted(path)
    assert accepted.counts["sim_dispatches_per_tick"] > 0
    assert run(arguments("--accepted", str(path))) == 0
    assert "0 of" in capsys.readouterr().out
    write_accepted(replace(accepted, counts=accepted.counts | {"mel_frames_per_s": 40.0}), path)
    assert run(arguments("--accepted", str(path), "--json")) == 1
    lines = json.loads(capsys.readouterr().out)["lines"]
    assert [line["name"] for line in lines if line["outcome"] == "worse"] == ["mel_frames_per_s"]
