"""What is found beside what is accepted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanuensis.benchmarks.guard import counts, ratios
from amanuensis.benchmarks.guard.accepted import Figures
from amanuensis.benchmarks.guard.verdict import compare_counts, compare_ratios, notes

BASE = Figures(
    commit="abc1234",
    python="3.11",
    libraries={"numpy": "2.4", "onnxruntime": "1.32"},
    cpu="A CPU",
    text=" one two three",
    counts=dict.fromkeys(counts.MEANINGS, 100.0) | {"sim_switches_per_tick": 0.0},
    ratios=dict.fromkeys(ratios.MEANINGS, 2.0),
)


def found(**changed: float) -> Figures:
    """Return the figures with other counts."""
    return replace(BASE, counts=BASE.counts | changed)


@pytest.mark.parametrize(
    ("value", "outcome"),
    [(100.0, "as accepted"), (104.9, "as accepted"), (105.1, "worse"), (95.1, "as accepted"), (94.9, "better")],
)
def test_counts_may_be_worse_by_a_twentieth(value: float, outcome: str) -> None:
    """Beyond 5 % more it is worse, beyond 5 % less it is better; the others stay as accepted."""
    lines = {line.name: line for line in compare_counts(BASE, found(windows_per_s=value))}
    assert lines.pop("windows_per_s").outcome == outcome
    assert {line.outcome for line in lines.values()} == {"as accepted"}


def test_what_is_accepted_as_none_stays_none() -> None:
    """There is no share of 0: any that are found are worse."""
    (line,) = [each for each in compare_counts(BASE, found(sim_switches_per_tick=0.1)) if each.outcome == "worse"]
    assert str(line).startswith("WORSE: sim_switches_per_tick: accepted 0, found 0.1 (up to +5 % passes): changes of ")


def test_a_worse_count_says_what_to_do() -> None:
    """One line names the count, both values, what passes, what it means, and how to accept it."""
    (line,) = [each for each in compare_counts(BASE, found(arrays_per_token=150.0)) if each.outcome == "worse"]
    assert str(line) == (
        "WORSE: arrays_per_token: accepted 100, found 150, +50.0 % (up to +5 % passes): "
        "arrays made to append one token. Find what does more than before; "
        "where that is worth it, say why and accept it: `make guard ARGS=--accept` writes it anew"
    )


def test_a_better_count_is_told() -> None:
    """It can be accepted, so that it is not lost again."""
    (line,) = [each for each in compare_counts(BASE, found(arrays_per_token=50.0)) if each.outcome == "better"]
    assert str(line).startswith("better: arrays_per_token: accepted 100, found 50, -50.0 %; `make guard")


def test_other_versions_compare_what_does_not_depend_on_them() -> None:
    """Arrays need the versions of the libraries too, calls that of Python; windows and frames need none."""
    worse = dict.fromkeys(("windows_per_s", "python_calls_per_packet", "arrays_per_packet"), 200.0)
    library = replace(found(**worse), libraries={"numpy": "2.5", "onnxruntime": "1.32"})
    python = replace(found(**worse), python="3.12")
    outcomes = [
        {line.name: line.outcome for line in compare_counts(BASE, each) if line.name in worse}
        for each in (library, python)
    ]
    told = "not compared"
    assert outcomes == [
        {"windows_per_s": "worse", "python_calls_per_packet": "worse", "arrays_per_packet": told},
        {"windows_per_s": "worse", "python_calls_per_packet": told, "arrays_per_packet": told},
    ]
    assert "accepted with Python 3.11, numpy 2.4, onnxruntime 1.32, here is Python 3.12" in next(notes(BASE, python))


def test_ratios_may_be_worse_by_a_third_on_the_same_cpu() -> None:
    """Times are noisier: 30 %, and only where the same CPU took them."""
    name, *_ = ratios.MEANINGS
    for value, outcome in ((2.59, "as accepted"), (2.61, "worse"), (1.3, "better")):
        (line,) = compare_ratios(BASE, "A CPU", {name: value})
        assert line.outcome == outcome
    (line,) = compare_ratios(BASE, "Another CPU", {name: 9.0})
    assert line.outcome == "not compared"


def test_another_cpu_and_text_are_noted() -> None:
    """Both are told, neither fails by itself; the same figures need no note."""
    assert list(notes(BASE, BASE)) == []
    cpu, text = notes(BASE, replace(BASE, cpu="Another CPU", text=" one too three"))
    assert "accepted on A CPU, here is Another CPU" in cpu
    assert text.endswith("from word 2 on 'two three' was accepted, 'too three' is found")
    (text,) = notes(BASE, replace(BASE, text=" one"))
    assert text.endswith("from word 2 on 'two three' was accepted, '' is found")
