"""What the fronts of a cluster tell of themselves, and which nodes are drained: one small Ray actor for all of them.

It may be lost: the fronts tell again each second what they do, and what they knew of drained nodes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

NAME: Final = "registry"
SILENT_S: Final = 10.0  # a front that has told nothing for so long is shown no more
MAX_FRONTS: Final = 1000
MAX_NODES: Final = 10_000

Drains = dict[str, tuple[bool, float]]  # by id of the node: whether it is drained, and since when (wall clock)


def merged(ours: Mapping[str, tuple[bool, float]], theirs: Mapping[str, tuple[bool, float]]) -> Drains:
    """Return what was said last of each node, the newest of them where there are too many."""
    newest = dict(ours)
    for node, said in theirs.items():
        if node not in newest or newest[node][1] < said[1]:
            newest[node] = (said[0], said[1])
    kept = sorted(newest.items(), key=lambda item: -item[1][1])[:MAX_NODES]
    return dict(kept)


@dataclass(slots=True)
class Registry:
    """The actor."""

    _fronts: dict[str, tuple[float, dict[str, Any]]] = field(default_factory=dict)
    _drains: Drains = field(default_factory=dict)

    async def report(self, front: str, facts: dict[str, Any], drains: Drains) -> Drains:
        """Take what a front tells, and what it knows of drained nodes; return what is known of these."""
        self._forget()
        if front in self._fronts or len(self._fronts) < MAX_FRONTS:
            self._fronts[front] = (time.monotonic(), facts)
        self._drains = merged(self._drains, drains)
        return self._drains

    async def leave(self, front: str) -> None:
        """Forget a front."""
        self._fronts.pop(front, None)

    async def drain(self, node: str, drained: bool, at_s: float) -> Drains:
        """Say that a node is to get nothing new, or may again; return what is known."""
        self._drains = merged(self._drains, {node: (drained, at_s)})
        return self._drains

    async def look(self) -> dict[str, Any]:
        """Return what is known: `fronts` by name, each with what it told and `silent_s`, and `drains`."""
        self._forget()
        now_s = time.monotonic()
        fronts = {name: facts | {"silent_s": round(now_s - at_s, 1)} for name, (at_s, facts) in self._fronts.items()}
        return {"fronts": fronts, "drains": self._drains}

    def _forget(self) -> None:
        now_s = time.monotonic()
        self._fronts = {name: told for name, told in self._fronts.items() if now_s - told[0] < SILENT_S}
