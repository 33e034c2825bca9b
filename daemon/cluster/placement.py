"""Which host a stream goes to, and whether one more stream is taken. Pure.

A host carries as many streams as it was measured to. A new stream goes where, with it, least of the capacity is used,
and a slow way there counts as work. It stays there as long as it can: while the host takes windows, is not drained, and
is not overloaded when another has room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

TICK_S: Final = 0.5  # a window is due so often: a way that takes as long makes a host look as busy as a full one
FULL: Final = 1.0
LEAST_CAPACITY: Final = 0.01  # of a host so slow that it carries not even one stream


@dataclass(frozen=True, slots=True)
class HostView:
    """A host as placement sees it.

    Attributes:
        capacity: streams that it carries, as measured.
        usable: whether it takes windows now.
        drained: whether it is to get nothing new.
        others: streams of other fronts on it.
        latency_s: of the way there and back, without the engine.
        silent: whether it was asked how it does and has not answered for longer than usual; it may be dying.

    """

    capacity: float
    usable: bool = True
    drained: bool = False
    others: int = 0
    latency_s: float = 0.0
    silent: bool = False

    @property
    def takes(self) -> bool:
        """Whether windows may be sent there."""
        return self.usable and not self.drained

    def load(self, own: int) -> float:
        """Return the share of its capacity that is used with so many streams of this front."""
        return (own + self.others) / max(self.capacity, LEAST_CAPACITY)


@dataclass(slots=True)
class Placement:
    """Where the streams of one front are.

    Attributes:
        max_streams: of this front, whatever the hosts carry.

    """

    max_streams: int
    _hosts: dict[str, HostView] = field(default_factory=dict)
    _places: dict[int, str] = field(default_factory=dict)  # by stream
    _counts: Counter[str] = field(default_factory=Counter)  # of streams, by host
    _open: set[int] = field(default_factory=set)

    def see(self, hosts: Mapping[str, HostView]) -> None:
        """Take note of the hosts that there are now."""
        self._hosts = dict(hosts)

    def opened(self, stream: int) -> None:
        """Take note of a stream; it gets a place with its first window."""
        self._open.add(stream)

    def closed(self, stream: int) -> None:
        """Forget a stream; once more does no harm."""
        self._open.discard(stream)
        self._put(stream, None)

    def is_open(self, stream: int) -> bool:
        """Return whether a stream is open."""
        return stream in self._open

    def place(self, stream: int) -> str | None:
        """Return the host for the next window of an open stream, None while no host takes any."""
        here = self._places.get(stream)
        found = self._better_than(here) if here is not None and self._takes(here) else self._best(stream)
        self._put(stream, found)
        return found

    def where(self, stream: int) -> str | None:
        """Return the host that a stream is on, None while it is on none."""
        return self._places.get(stream)

    def streams(self) -> Counter[str]:
        """Return how many streams of this front are on each host."""
        return Counter(self._counts)

    def refusal(self) -> str:
        """Return why no stream can be opened; "" when one can.

        While no host takes windows streams are opened all the same: as with an engine that is down, they wait.
        """
        if len(self._open) >= self.max_streams:
            return f"all {self.max_streams} streams of this daemon are in use"
        takers = [host for host in self._hosts.values() if host.takes]
        if not takers:
            return ""
        carried, others = sum(host.capacity for host in takers), sum(host.others for host in takers)
        used = len(self._open) + others
        if used + 1 <= max(carried, FULL):
            return ""
        elsewhere = f", {others} of them of other daemons," if others else ""
        return f"the cluster carries {carried:.1f} streams on {_hosts(takers)}; {used}{elsewhere} are open"

    def _put(self, stream: int, host: str | None) -> None:
        before = self._places.pop(stream, None)
        if before is not None:
            self._counts[before] -= 1
            if not self._counts[before]:
                del self._counts[before]
        if host is not None:
            self._places[stream] = host
            self._counts[host] += 1

    def _takes(self, host: str) -> bool:
        return host in self._hosts and self._hosts[host].takes

    def _best(self, stream: int) -> str | None:
        """Return the host that is least busy with one stream more."""
        here, counts = self._places.get(stream), self._counts
        takers = [name for name in self._hosts if self._takes(name)]
        takers = [name for name in takers if not self._hosts[name].silent] or takers  # machines die by the rack
        return min(takers, key=lambda name: (self._cost(name, counts[name] + (name != here)), name), default=None)

    def _better_than(self, here: str) -> str:
        """Return another host for a stream of an overloaded one, when it has room for the stream; else the same."""
        counts = self._counts
        if self._hosts[here].load(counts[here]) <= FULL:
            return here
        roomy = [
            name
            for name, host in self._hosts.items()
            if name != here and self._takes(name) and not host.silent and host.load(counts[name] + 1) <= FULL
        ]
        return min(roomy, key=lambda name: (self._cost(name, counts[name] + 1), name), default=here)

    def _cost(self, name: str, own: int) -> float:
        host = self._hosts[name]
        return host.load(own) + host.latency_s / TICK_S


def _hosts(hosts: Iterable[HostView]) -> str:
    number = len(list(hosts))
    return "1 host" if number == 1 else f"{number} hosts"
