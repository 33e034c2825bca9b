"""`amanuensis bench cluster-scaling` on a small load: real nodes, node deaths, and the simulation beside them."""

from __future__ import annotations

import json

import pytest

from amanuensis.benchmarks.network_nodes import namespaces_work
from amanuensis.daemon.main import main

pytest.importorskip("ray")


def test_real_loads_stand_beside_simulated_ones(capfd: pytest.CaptureFixture[str]) -> None:
    """One, two and four nodes, one of them cut off and killed: the same lags are told of both worlds."""
    command = ["bench", "cluster-scaling", "--model", "builtin", "--seconds", "15", "--first", "3", "--most", "3"]
    assert main([*command, "--files", "2", "--troubled", "3", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)["cluster_scaling"]
    assert [it["nodes"] for it in found["nodes"]] == [1, 2]
    assert all(it["loads"] and it["archive_x"] > 0 for it in found["nodes"])
    cases = {(case["nodes"], case["struck"]): case for case in found["cases"]}  # of several loads the last
    struck = [(2, "one is cut off"), (2, "one is killed")][0 if namespaces_work() else 1 :]
    assert list(cases) == [(1, ""), (2, ""), *struck, (4, "")]
    for case in cases.values():
        assert case["real"]["gaps_ms"] == 0
        assert case["real"]["ticks_per_s"] > 0
        if case["struck"] != "one is cut off":
            assert case["simulated"]["ticks_per_s"] == pytest.approx(2.0, rel=0.1)
    for undisturbed in (cases[1, ""], cases[2, ""]):
        assert undisturbed["simulated"]["lags"]["most_ms"] < 1000
    if namespaces_work():
        cut_off = cases[2, "one is cut off"]
        # For 5 of 15 s nothing comes from the node that is silent; the other one goes on.
        assert 1.0 < cut_off["simulated"]["ticks_per_s"] < 1.8
        assert cut_off["simulated"]["lags"]["most_ms"] > 4000
        assert cut_off["real"]["lag_most_ms"] > 4000
