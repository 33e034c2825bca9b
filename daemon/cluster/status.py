"""A cluster at a glance: nodes with their hosts, and the fronts that use them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from amanuensis.daemon.cluster.nodes import Node, hosts_there, nodes, registry
from amanuensis.daemon.cluster.runtime import ClusterError, in_short
from amanuensis.daemon.cluster.spec import differences, versions

if TYPE_CHECKING:
    from rich.table import Table

Status: TypeAlias = Mapping[str, Any]
ANSWER_S: Final = 5.0  # for a host or the registry
HOSTS: Final = ("node", "device", "state", "streams", "capacity", "encodes", "restarts", "clock s", "versions")
FRONTS: Final = ("front", "sessions", "lag s", "queued", "restarts", "audio s", "text s", "silence s", "gap s")


async def look() -> dict[str, Any]:
    """Return what the cluster tells; this process is connected to it.

    Raises:
        ClusterError: its registry does not answer.

    """
    known, there = await asyncio.gather(asyncio.to_thread(nodes), asyncio.to_thread(hosts_there))
    told = await _registry_call("look")
    hosts = await asyncio.gather(*(_described(node, actor) for node, actor in there))
    drained = {node for node, (is_drained, _) in told["drains"].items() if is_drained}
    return {
        "versions": versions(),
        "nodes": [
            {
                "name": node.name,
                "id": node.id,
                "address": node.address,
                "cpus": node.cpus,
                "npus": node.npus,
                "drained": node.id in drained,
                "hosts": [facts for on, facts in hosts if on == node.id],
            }
            for node in sorted(known, key=lambda node: node.name)
        ],
        "fronts": told["fronts"],
    }


async def drain(name: str, *, drained: bool) -> Node:
    """Have a node get nothing new, or again; return it.

    Args:
        name: of the node, or the beginning of its id.
        drained: whether it is to be.

    Raises:
        ClusterError: there is no such node, or the registry does not answer.

    """
    node = chosen(await asyncio.to_thread(nodes), name)
    await _registry_call("drain", node.id, drained, time.time())
    return node


def chosen(known: Sequence[Node], name: str) -> Node:
    """Return the node that is meant; ClusterError where there is none, or more than one."""
    by_name = [node for node in known if node.name == name]
    found = by_name or [node for node in known if len(name) >= 4 and node.id.startswith(name)]
    if len(found) != 1:
        names = ", ".join(sorted(node.name for node in known))
        raise ClusterError(f"node {name!r}: {len(found) or 'no'} such nodes in the cluster; its nodes are {names}")
    return found[0]


def host_rows(status: Status) -> list[tuple[str, ...]]:
    """Return a row for every host, and one for a node without any, in the order of HOSTS."""
    rows: list[tuple[str, ...]] = []
    for node in status["nodes"]:
        drained = ", drained" if node["drained"] else ""
        rows += [
            (
                node["name"],
                host["device"],
                f"{host['phase']}{drained}{': ' + host['why'] if host['why'] else ''}",
                str(sum(host["streams"].values())),
                f"{host['capacity']:.1f}",
                str(sum(host["encodes"].values())),
                str(host["restarts"]),
                f"{host['skew_s']:+.2f}",
                differences(status["versions"], host["versions"]) or "as here",
            )
            for host in node["hosts"]
        ] or [(node["name"], "-", f"no host{drained}", "", "", "", "", "", "")]
    return rows


def front_rows(status: Status) -> list[tuple[str, ...]]:
    """Return a row for every front, in the order of FRONTS."""
    return [
        (
            name,
            str(front.get("sessions", "")),
            f"{front['lag_ms'] / 1000:.1f}" if "lag_ms" in front else "",
            str(front.get("queued", "")),
            str(front.get("restarts", "")),
            *(_seconds(front, fate) for fate in ("received", "transcribed", "silence", "gap")),
        )
        for name, front in sorted(status["fronts"].items())
    ]


def tables(status: Status) -> list[Table]:
    """Return both as tables for a terminal."""
    from rich.table import Table

    made = []
    for title, columns, rows in (
        ("hosts", HOSTS, host_rows(status)),
        ("daemons", FRONTS, front_rows(status)),
    ):
        table = Table(*columns, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        made.append(table)
    return made


def _seconds(front: Mapping[str, Any], fate: str) -> str:
    ledger_s: Mapping[str, float] = front.get("ledger_s", {})
    return f"{ledger_s[fate]:.0f}" if fate in ledger_s else ""


async def _described(node: str, actor: Any) -> tuple[str, dict[str, Any]]:
    """Return the id of a host's node and what the host tells of itself."""
    sent_s = time.time()
    facts: dict[str, Any]
    try:
        async with asyncio.timeout(ANSWER_S):
            facts = await actor.describe.remote()
    except Exception as error:  # it hangs, has just died, or is of another version
        why = f"no answer in {ANSWER_S:g} s" if isinstance(error, TimeoutError) else in_short(error)
        facts = {"phase": "silent", "why": why}
    stats = facts.get("stats") or {}
    clock_s = facts.get("clock_s")
    return node, {
        "device": facts.get("device", "?"),
        "model": facts.get("model", "?"),
        "phase": facts["phase"],
        "why": facts["why"],
        "capacity": facts.get("capacity", 0.0),
        "streams": facts.get("streams", {}),
        "encodes": stats.get("encodes", {}),
        "decodes": stats.get("decodes", {}),
        "restarts": stats.get("restarts", 0),
        "busy_s": round(stats.get("busy_s", 0.0), 3),
        "versions": facts.get("versions", {}),
        "skew_s": round(clock_s - (sent_s + time.time()) / 2, 3) if clock_s else 0.0,
        "nice": facts.get("nice"),
        "pid": facts.get("pid"),
        "engine_pid": facts.get("engine_pid"),
    }


async def _registry_call(method: str, *arguments: object) -> Any:
    try:
        actor = await asyncio.to_thread(registry)
        async with asyncio.timeout(4 * ANSWER_S):
            return await getattr(actor, method).remote(*arguments)
    except Exception as error:
        why = f"no answer in {4 * ANSWER_S:g} s" if isinstance(error, TimeoutError) else in_short(error)
        raise ClusterError(f"the registry of the cluster cannot be asked ({why}); try again") from error
