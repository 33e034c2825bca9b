"""The comparison in the measurement of streaming."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from amanuensis.benchmarks.stream_cost import compare, find_peers, readable
from amanuensis.benchmarks.worker import Run, Worker, WorkerError


def runs(*cpu_s: float) -> list[Run]:
    """Runs that took so many CPU seconds."""
    return [Run(wall_s=cpu, cpu_s=cpu, steps=300, rss_mb=200.0) for cpu in cpu_s]


def test_ratio_says_how_many_times_ours_a_peer_needs() -> None:
    """Costs are medians per second of speech; the ratio is the peer's over ours."""
    figures = compare({"ours": runs(1.0, 3.0, 2.0), "other": runs(30.0, 40.0, 20.0)}, seconds=10.0)
    assert figures["ours_cpu_s_per_s"] == pytest.approx(0.2)
    assert figures["peers"] == {"other": {"cpu_s_per_s": pytest.approx(3.0), "ratio": pytest.approx(15.0)}}
    assert json.loads(json.dumps(figures))["seconds"] == 10.0


def test_without_peers_the_lines_say_how_to_get_them() -> None:
    """A figure without a comparison says so."""
    lines = readable(compare({"ours": runs(1.0)}, seconds=10.0), alone=True)
    assert "script/peers" in lines[-1]


def test_a_named_interpreter_is_taken_as_it_is(tmp_path: Path) -> None:
    """--peers-python wins over the usual place."""
    assert find_peers(tmp_path / "python") == tmp_path / "python"


def test_a_worker_answers_one_line_per_run(tmp_path: Path) -> None:
    """A worker says its versions, then runs cases by name."""
    script = tmp_path / "worker.py"
    script.write_text(
        "from amanuensis.benchmarks.worker import serve_runs\nserve_runs({'seven': lambda: 7}, ['numpy'])\n"
    )
    with Worker(Path(sys.executable), [str(script)], threads=1) as worker:
        assert worker.versions["numpy"][0].isdigit()
        assert worker.run("seven").steps == 7
        assert worker.run("seven").rss_mb > 0


def test_a_worker_that_dies_is_named(tmp_path: Path) -> None:
    """The error has the command that failed."""
    with pytest.raises(WorkerError, match="status 3"):
        Worker(Path(sys.executable), ["-c", "raise SystemExit(3)"], threads=1)
