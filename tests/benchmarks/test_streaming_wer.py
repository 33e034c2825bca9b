"""The measurement of word errors, live and offline."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from amanuensis.benchmarks.clips import SYNTHETIC
from amanuensis.benchmarks.random_model import RandomModel, make_random_model
from amanuensis.benchmarks.streaming_wer import Score, _Newest, add_arguments, collect, run
from amanuensis.stream.events import Commit, Partial, Word


def test_figures_are_printed_by_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A random model has all its errors counted, for each set and for a long mixture, with the header."""
    model = make_random_model(tmp_path / "model", RandomModel(eot_bonus=1.0))
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert run(parser.parse_args(["--model", str(model), "--limit", "1", "--json"])) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["header"]["device"].startswith("cpu")
    assert {"narrow_seen", "narrow_unseen", "general_seen", "long synthetic"} <= set(printed["sets"])
    assert all(figures["offline_wer"] > 50 for figures in printed["sets"].values())


def test_folders_that_are_not_there_are_left_out(tmp_path: Path) -> None:
    """Only sets that exist are measured."""
    assert collect(tmp_path, None, 1) == []
    assert [clip.set for clip in collect(SYNTHETIC, None, 1)].count("long") == 1


def test_new_words_are_noted() -> None:
    """A word further on in the sound is new; a commit of what was shown, another spelling or a shorter text is not."""
    newest = _Newest()
    newest.see([Partial(0, 1, " a b b b", 0, 400)], 500)
    newest.see([Commit(0, (Word(" a", 0, 100, 0.9),)), Partial(0, 2, " b b b", 100, 450)], 1000)
    newest.see([Partial(0, 3, " b c", 100, 700)], 1600)
    newest.see([Partial(0, 4, " b k", 100, 700)], 2000)
    newest.see([Partial(0, 5, " b", 100, 300)], 2100)
    newest.see([Commit(0, (Word(" b", 100, 300, 0.9), Word(" d", 700, 900, 0.9))), Partial(0, 6, "", 900, 900)], 2600)
    assert newest.gaps_ms == [1100, 1000]


def test_an_empty_score_has_figures() -> None:
    """Nothing measured gives zeros, not an error."""
    figures = Score().figures()
    assert figures["offline_wer"] == 0
    assert figures["commit_delay_ms"] == {"p50": 0, "p95": 0}
