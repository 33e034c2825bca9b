"""What measurements share."""

from __future__ import annotations

import json

import pytest

from amanuensis.benchmarks.common import Header, Spread, header, interleaved, report, timed


def test_spread_is_the_median_with_its_ends() -> None:
    """A spread keeps the median, the best, the worst and how many there were."""
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0, 3)


def test_cases_take_turns() -> None:
    """Every case runs once per round, in order."""
    order: list[str] = []
    results = interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2)
    assert order == ["a", "b", "a", "b"]
    assert {name: len(runs) for name, runs in results.items()} == {"a": 2, "b": 2}


def test_timed_counts_the_cpu_of_the_work() -> None:
    """Work costs CPU time of this process."""
    took = timed(lambda: sum(k * k for k in range(200_000)))
    assert took.cpu_s > 0


def test_header_names_device_model_command_and_commit() -> None:
    """No figure stands without what made it."""
    head = header("tiny", threads=2)
    assert head.device.startswith("cpu: ")
    assert (head.model, head.threads) == ("tiny", 2)
    assert head.commit
    assert "numpy" in head.versions


def test_report_prints_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the figures come first and the header is part of the object."""
    head = Header("cpu: x", 2, "m", 1, "amanuensis bench x", "abc", {}, 0.0)
    report(head, {"ours_cpu_s_per_s": 0.1}, ["not printed"], as_json=True)
    printed = json.loads(capsys.readouterr().out)
    assert printed["ours_cpu_s_per_s"] == 0.1
    assert printed["header"]["commit"] == "abc"
