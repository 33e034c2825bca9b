"""A cluster at a glance, from what it tells."""

from __future__ import annotations

from typing import Any

import pytest

from amanuensis.daemon.cluster.nodes import Node
from amanuensis.daemon.cluster.runtime import ClusterError
from amanuensis.daemon.cluster.status import FRONTS, HOSTS, chosen, front_rows, host_rows, tables

HOST: dict[str, Any] = {
    "device": "cpu",
    "phase": "up",
    "why": "",
    "streams": {"front-a": 2, "front-b": 1},
    "capacity": 12.34,
    "encodes": {"cpu": 50},
    "restarts": 1,
    "skew_s": -0.5,
    "versions": {"amanuensis": "0.2"},
}
STATUS: dict[str, Any] = {
    "versions": {"amanuensis": "0.1"},
    "nodes": [{"name": "n1", "drained": True, "hosts": [HOST]}, {"name": "n2", "drained": False, "hosts": []}],
    "fronts": {
        "front-a": {
            "sessions": 2,
            "lag_ms": 1500.0,
            "queued": 3,
            "restarts": 0,
            "ledger_s": {"received": 100.0, "transcribed": 60.0, "silence": 39.0, "gap": 1.0},
        },
        "front-b": {},
    },
}
KNOWN = [Node("abcd01", "n1", "", 1, 0), Node("abcd02", "n2", "", 1, 0), Node("ffff03", "n3", "", 1, 0)]


def test_rows_say_it_all() -> None:
    """State, streams of all fronts, what is measured, and versions that differ; a node without a host is shown."""
    assert host_rows(STATUS) == [
        ("n1", "cpu", "up, drained", "3", "12.3", "50", "1", "-0.50", "amanuensis 0.2 there, 0.1 here"),
        ("n2", "-", "no host", "", "", "", "", "", ""),
    ]
    assert front_rows(STATUS) == [
        ("front-a", "2", "1.5", "3", "0", "100", "60", "39", "1"),
        ("front-b", "", "", "", "", "", "", "", ""),
    ]
    hosts, fronts = tables(STATUS)
    assert [len(hosts.columns), len(fronts.columns)] == [len(HOSTS), len(FRONTS)]


def test_a_node_is_found_by_name_or_id() -> None:
    """By its name, or by the beginning of its id that no other has."""
    assert chosen(KNOWN, "n2") is KNOWN[1]
    assert chosen(KNOWN, "ffff") is KNOWN[2]
    with pytest.raises(ClusterError, match=r"node 'abcd': 2 such nodes in the cluster; its nodes are n1, n2, n3"):
        chosen(KNOWN, "abcd")
    with pytest.raises(ClusterError, match="node 'n9': no such nodes"):
        chosen(KNOWN, "n9")
