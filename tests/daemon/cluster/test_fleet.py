"""The hosts as one front sees them, without any cluster: how it leaves."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from amanuensis.daemon.cluster import fleet
from amanuensis.daemon.cluster.fleet import Fleet
from amanuensis.daemon.cluster.host_link import ClusterRules
from amanuensis.daemon.cluster.spec import HostSpec
from amanuensis.npu.engine.supervision import Supervision

HANGS_S = 30.0  # it takes milliseconds


async def test_it_leaves_also_while_an_answer_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancellation that meets the answer of the registry ends the task that asked for it."""
    answers: list[asyncio.Future[dict[str, object]]] = []

    def ask(*_: object) -> asyncio.Future[dict[str, object]]:
        answers.append(asyncio.get_running_loop().create_future())
        return answers[-1]

    asked = SimpleNamespace(remote=ask)
    monkeypatch.setattr(fleet, "registry", lambda: SimpleNamespace(report=asked, leave=SimpleNamespace(remote=print)))
    monkeypatch.setattr(fleet, "nodes", list)
    spec = HostSpec("own", "/nowhere", (), "cpu", threads=1, supervision=Supervision())
    for turns in range(6):
        front = Fleet(spec, "front", ClusterRules())
        async with asyncio.timeout(HANGS_S):
            while not answers:
                await asyncio.sleep(0)
            answers.pop().set_result({})
            for _ in range(turns):
                await asyncio.sleep(0)
            await front.aclose()
