"""The nodes of a Ray cluster and the actors on them, as Ray tells them. All of these calls block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from amanuensis.daemon.cluster.host import EngineHost
from amanuensis.daemon.cluster.registry import NAME, Registry
from amanuensis.daemon.cluster.runtime import NAMESPACE, load_ray, shared_actor
from amanuensis.daemon.cluster.spec import HostSpec
from amanuensis.npu.engine.api import Device

HOST: Final = "engine"  # first part of the names of hosts


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster, alive.

    Attributes:
        id: of Ray, in hexadecimal.
        name: that it was started with, else its address; with some of its id where two have the same.
        cpus, npus: that it offers.

    """

    id: str
    name: str
    address: str
    cpus: float
    npus: float

    def devices(self, asked: Device) -> tuple[Device, ...]:
        """Return the devices of this node that are to have a host each, given what the settings ask for."""
        on_cpu, on_npu = self.cpus >= 1, self.npus >= 1
        offered: dict[Device, bool] = {"npu": on_npu, "cpu": on_cpu, "sim": on_cpu}
        wanted: tuple[Device, ...] = ("npu", "cpu") if asked == "auto" else (asked,)
        return tuple(device for device in wanted if offered[device])


def nodes() -> list[Node]:
    """Return the nodes that are alive."""
    alive = [entry for entry in load_ray().nodes() if entry["Alive"]]
    return named(
        [
            Node(
                entry["NodeID"],
                str(entry.get("NodeName") or entry["NodeManagerAddress"]),
                str(entry["NodeManagerAddress"]),
                float(entry["Resources"].get("CPU", 0)),
                float(entry["Resources"].get("npu", 0)),
            )
            for entry in alive
        ]
    )


def named(found: Sequence[Node]) -> list[Node]:
    """Return the nodes with names of which no two are the same."""
    times = Counter(node.name for node in found)
    return [
        node
        if times[node.name] == 1
        else Node(node.id, f"{node.name}-{node.id[:6]}", node.address, node.cpus, node.npus)
        for node in found
    ]


def host_name(spec: HostSpec, node: Node) -> str:
    """Return the name of a host's actor, which fronts that ask for the same share."""
    return f"{HOST} {spec.device} {spec.key} {node.id}"


def host_on(node: Node, spec: HostSpec) -> Any:
    """Return the actor that runs something on a node, made where there is none yet."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    needs: Mapping[str, Any] = {"resources": {"npu": 1}, "num_cpus": 0} if spec.device == "npu" else {"num_cpus": 1}
    here = NodeAffinitySchedulingStrategy(node.id, soft=False)
    actor = shared_actor(EngineHost, host_name(spec, node), scheduling_strategy=here, **needs)
    return actor.remote(spec.to_plain())


def hosts_there() -> list[tuple[str, Any]]:
    """Return the id of the node of every host in the cluster, and its actor."""
    ray = load_ray()
    found = []
    for entry in ray.util.list_named_actors(all_namespaces=True):
        name = entry["name"].split(" ")
        if entry["namespace"] == NAMESPACE and name[0] == HOST:
            try:
                found.append((name[-1], ray.get_actor(entry["name"], NAMESPACE)))
            except ValueError:  # it has ended meanwhile
                continue
    return found


def registry() -> Any:
    """Return the registry's actor, made where there is none yet."""
    return shared_actor(Registry, NAME, num_cpus=0).remote()
