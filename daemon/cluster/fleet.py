"""All hosts of a cluster as one front sees them: nodes come and go, some are drained, some cannot be used."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from amanuensis.daemon.cluster.host_link import ClusterRules, HostLink
from amanuensis.daemon.cluster.nodes import nodes, registry
from amanuensis.daemon.cluster.placement import HostView
from amanuensis.daemon.cluster.registry import Drains, merged
from amanuensis.daemon.cluster.runtime import in_short
from amanuensis.daemon.cluster.spec import HostSpec

log = logging.getLogger(__name__)


class Fleet:
    """The hosts.

    Args:
        spec: what they are to run; its device is what the settings ask for.
        front: the name of this front.
        rules: how they are watched.

    Attributes:
        links: by name.
        why: the cluster itself cannot be asked, if so.
        facts: makes what this front tells of itself.
        restarts: of engines and hosts since this front saw them first, those that are gone included.

    """

    def __init__(self, spec: HostSpec, front: str, rules: ClusterRules) -> None:
        self.links: dict[str, HostLink] = {}
        self.why = ""
        self.facts: Callable[[], dict[str, Any]] = dict
        self._spec = spec
        self._front = front
        self._rules = rules
        self._drains: Drains = {}
        self._restarts_before = 0  # of hosts that are gone
        self._looked = False
        self._changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._registry: Any = None
        self._tasks = [asyncio.create_task(self._look_out()), asyncio.create_task(self._report())]

    @property
    def restarts(self) -> int:
        return self._restarts_before + sum(link.restarts for link in self.links.values())

    def views(self) -> dict[str, HostView]:
        """Return the hosts as placement sees them."""
        return {name: link.view(drained=self.is_drained(link.node.id)) for name, link in self.links.items()}

    def up(self) -> list[HostLink]:
        """Return the hosts that take windows, drained ones included."""
        return [link for link in self.links.values() if link.state == "up"]

    def is_drained(self, node: str) -> bool:
        """Return whether a node, by its id, gets nothing new."""
        return self._drains.get(node, (False, 0.0))[0]

    def trouble(self) -> str:
        """Return why no host takes windows, by the name of each."""
        if self.why:
            return self.why
        if not self.links:
            return f"no node of the cluster offers a device for --device {self._spec.device}"
        drained = {name for name, link in self.links.items() if link.state == "up"}
        return "; ".join(
            f"{name}: {'drained' if name in drained else link.why}" for name, link in sorted(self.links.items())
        )

    async def say_drained(self, node: str, *, drained: bool) -> None:
        """Have all fronts send nothing new to a node, by its id, or again."""
        self._registry = self._registry or await asyncio.to_thread(registry)
        self._hear(await self._registry.drain.remote(node, drained, time.time()))

    @property
    def hopeless(self) -> bool:
        """Whether no host there is can take windows as things are."""
        return self._looked and all(link.state in ("failed", "refused") for link in self.links.values())

    async def change(self) -> None:
        """Wait until windows may be sent where they could not be, or the other way round."""
        await asyncio.shield(self._changed)

    async def aclose(self) -> None:
        """Leave all hosts."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(link.aclose() for link in self.links.values()))
        if self._registry is not None:
            self._registry.leave.remote(self._front)

    def _tell_change(self) -> None:
        changed, self._changed = self._changed, asyncio.get_running_loop().create_future()
        changed.set_result(None)

    async def _look_out(self) -> None:
        """Follow the nodes of the cluster."""
        while True:
            try:
                self._see(await asyncio.to_thread(self._wanted))
                self.why, self._looked = "", True
            except Exception as error:  # the head is away: hosts that are known go on
                self.why = f"the cluster cannot be asked for its nodes: {in_short(error)}"
            await asyncio.sleep(self._rules.look_s)

    def _wanted(self) -> dict[str, tuple[Any, HostSpec]]:
        """Return the hosts that there should be, by name."""
        specs = [
            (node, replace(self._spec, device=device)) for node in nodes() for device in node.devices(self._spec.device)
        ]
        return {f"{node.name} ({spec.device})": (node, spec) for node, spec in specs}

    def _see(self, wanted: Mapping[str, tuple[Any, HostSpec]]) -> None:
        for name, link in list(self.links.items()):
            if name not in wanted or wanted[name][0].id != link.node.id:
                link.gone("its node is no part of the cluster any more")
                self._restarts_before += link.restarts
                del self.links[name]
                log.warning("host %s has gone", name)
                self._tell_change()
        for name, (node, spec) in wanted.items():
            if name not in self.links:
                self.links[name] = HostLink(node, spec, self._front, self._rules, self._tell_change)

    async def _report(self) -> None:
        """Tell the registry of this front, and hear which nodes are drained."""
        while True:
            try:
                if self._registry is None:
                    self._registry = await asyncio.to_thread(registry)
                async with asyncio.timeout(self._rules.silent_s):
                    self._hear(await self._registry.report.remote(self._front, self.facts(), self._drains))
            except Exception as error:
                log.debug("the registry of the cluster does not answer: %s", error)
                self._registry = None
            await asyncio.sleep(self._rules.look_s)

    def _hear(self, told: Drains) -> None:
        before = {node for node in self._drains if self.is_drained(node)}
        self._drains = merged(self._drains, told)
        if before != {node for node in self._drains if self.is_drained(node)}:
            log.info("nodes drained: %s", ", ".join(sorted(node for node in told if told[node][0])) or "none")
            self._tell_change()
