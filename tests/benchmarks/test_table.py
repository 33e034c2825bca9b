"""The table of all measurements, and the plots."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from amanuensis.benchmarks.plots import bars, curves, draw_all
from amanuensis.benchmarks.table import BEGIN, END, load_results, run, system_lines, within
from amanuensis.benchmarks.targets import KNOWN, TARGETS, rows
from amanuensis.daemon.commands.common import UsageError

HEAD = {
    "device": "cpu: x",
    "cores": 2,
    "model": "base",
    "threads": 0,
    "commit": "abc",
    "load_average": 0.1,
    "versions": {"numpy": "2"},
}


def three(p50: float) -> dict[str, float]:
    """Percentiles."""
    return {"n": 9, "p50": p50, "p95": 2 * p50, "p99": 3 * p50}


def system(cost: float, ratio: float) -> dict[str, Any]:
    """A row of a run beside other systems."""
    figures = {
        "final_s": three(0.4),
        "commit_s": three(0.6),
        "partial_s": {"n": 0},
        "normalised_erasure": 0.2,
        "wer": 0.1,
    }
    held = {name: {"median": 300.0} for name in ("rss_mb", "pss_mb")} | {"ready_s": {"median": 2.0}}
    return figures | held | {"cpu_s_per_s": {"median": cost}, "ratio": ratio}


RESULTS: dict[str, dict[str, Any]] = {
    "latency-base": {
        "header": HEAD,
        "latency": {
            "1 stream": {
                **{f"{kind}_s": three(0.2) for kind in ("final", "commit", "partial")},
                "wer": 0.05,
                "wer_offline": 0.042,
                "word_times": KNOWN,
            }
        },
        "values": {"1 stream": {"final": [0.1, 0.2], "commit": [0.3], "partial": []}},
    },
    "density-base": {
        "header": HEAD,
        "density": {"streams": 20, "loads": [{"streams": 20, "lag_p50_ms": 100, "lag_p95_ms": 300}]},
    },
    "memory-base": {"header": HEAD, "memory": {}, "speaking": [[[5.0, {"pss_mb": 100.0}], [10.0, {"pss_mb": 110.0}]]]},
    "live": {
        "header": HEAD,
        "systems": {"amanuensis": system(0.1, 1.0), "other & co": system(0.5, 5.0), "third": system(2.0, 20.0)},
        "failed": {"fourth": "no environment"},
        "versions": {"third": {"its-library": "1.0"}},
    },
}


def verdicts() -> dict[str, tuple[str, str]]:
    """Figure and verdict of each row."""
    return {row.what: (row.figure, row.verdict) for row in rows(RESULTS)}


def test_every_target_has_a_row_whatever_was_measured() -> None:
    """What was not measured is said to be so, and no target is left out."""
    assert len(rows({})) == len(TARGETS)
    assert {row.verdict for row in rows({})} == {"not measured"}


def test_a_target_is_met_or_missed_on_its_own_side() -> None:
    """Figures at most or at least their bound are met, others missed in capitals."""
    found = verdicts()
    assert found["time to final, 1 stream, P50, s"] == ("0.20", "met")
    assert found["time to final, 1 stream, P95, s"] == ("0.40", "MISSED")
    assert found["live base streams of continuous speech"] == ("20", "MISSED")
    assert found["CPU: the best other system, times ours"] == ("5.0", "met")
    assert found["streaming WER less offline WER, points"] == ("0.80", "met")
    assert found["time to final, 16 streams, P95, s"] == ("-", "not measured")


def test_systems_stand_beside_each_other_and_failures_have_their_reason() -> None:
    """The bound of streams comes from the cores of the machine; a system that could not be run is listed."""
    lines = system_lines(RESULTS)
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:5]]
    assert [line[:4] for line in cells] == [
        ["amanuensis", "0.100", "1.0", "20"],
        ["other & co", "0.500", "5.0", "4"],
        ["third", "2.000", "20.0", "1"],
    ]
    assert lines[-2:] == ["- fourth: not run: no environment", "- third: its-library 1.0"]


def test_plots_are_drawn_of_what_was_measured() -> None:
    """Each is well-formed XML with its title; nothing is drawn of nothing."""
    drawn = draw_all(RESULTS)
    assert set(drawn) == {"cost", "latency", "density", "memory"}
    for drawing in drawn.values():
        assert ET.fromstring(drawing).tag.endswith("svg")
    assert draw_all({}) == {}


def test_the_longest_bar_is_the_largest_value() -> None:
    """Bars grow with their values, ours in a colour of its own."""
    places = [
        (float(bar.attrib["width"]), bar.attrib["fill"])
        for bar in ET.fromstring(bars("cost", {"b": 10.0, "amanuensis": 1.0})).iter("{http://www.w3.org/2000/svg}rect")
    ][1:]
    assert places[0][0] < places[1][0]
    assert places[0][1] != places[1][1]


def test_a_curve_lies_within_its_axes() -> None:
    """The largest point is never beyond the last mark."""
    drawing = ET.fromstring(curves("t", "x", "y", {"one": [(0.0, 0.0), (7.0, 90.0)]}))
    (line,) = drawing.iter("{http://www.w3.org/2000/svg}polyline")
    assert line.attrib["points"] == "70.0,290.0 392.0,65.0"


def test_the_command_prints_the_table_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Results are read from their files by name."""
    for name, result in RESULTS.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(result))
    document = tmp_path / "document.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert run(argparse.Namespace(results=tmp_path, plots=tmp_path / "plots", into=document, json=False)) == 0
    assert "MISSED" in document.read_text()
    assert "old" not in document.read_text()
    assert document.read_text().endswith(f"{END}\nafter\n")
    printed = capsys.readouterr().out
    assert "MISSED" in printed
    assert "commit abc" in printed
    assert len(list((tmp_path / "plots").glob("*.svg"))) == 4


def test_a_folder_without_results_or_with_a_broken_one_is_named(tmp_path: Path) -> None:
    """One line says what is wrong and what to do."""
    with pytest.raises(UsageError, match="make bench"):
        load_results(tmp_path)
    (tmp_path / "live.json").write_text("{")
    with pytest.raises(UsageError, match=r"live\.json"):
        load_results(tmp_path)


def test_a_document_without_a_place_for_the_table_is_named() -> None:
    """Nothing is written where it does not belong."""
    with pytest.raises(UsageError, match=r"page\.md"):
        within("no marks", "table", Path("page.md"))
