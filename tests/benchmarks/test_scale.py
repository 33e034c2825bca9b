"""`amanuensis bench scale`: times of windows in, simulated clusters out."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from amanuensis.benchmarks.scale import measured
from amanuensis.daemon.main import main

SERVICE = {"window_s": [1.0, 6.0], "took_s": [0.02, 0.05], "factors": [1.0], "workers": 2, "origin": "modelled"}


def test_clusters_are_simulated_from_times_of_another_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every size is calm, in a rush, and loses a node where it has two; what was modelled is called so."""
    file = tmp_path / "service.json"
    file.write_text(json.dumps({"service": SERVICE}))
    command = ["bench", "scale", "--nodes", "1", "3", "--seconds", "30", "--service", str(file)]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    cases = [(row["case"], row["nodes"]) for row in found["simulated"]]
    assert cases == [("steady", 1), ("a rush", 1), ("steady", 3), ("one dies", 3), ("a rush", 3)]
    one, three = found["simulated"][0], found["simulated"][2]
    assert three["carried"] == pytest.approx(3 * one["carried"], abs=2)
    assert found["simulated"][3]["lag_max_s"] > 4.0 > three["lag_max_s"]
    assert main(command) == 0
    assert "windows, modelled: 20.0 ms for 1 s" in capsys.readouterr().out


async def test_windows_are_timed_on_this_machine(builtin_model: Path) -> None:
    """Longer windows take longer, and single ones differ from their median."""
    service = await measured(builtin_model, 1)
    assert service.took_s[0] < service.took_s[-1]
    assert math.prod(service.factors) > 0
    assert service.origin == "measured"
