"""The engine over the hosts of a Ray cluster: windows go where there is room, and elsewhere when a host is lost.

A window is answered once, whatever happens to hosts: one that is given up is not heard any more, and what it had goes
to another, unless a newer window of the stream has come meanwhile, as with `amanuensis.npu.engine.schedule`.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.daemon.cluster.answers import Refusal
from amanuensis.daemon.cluster.fleet import Fleet
from amanuensis.daemon.cluster.host_link import ClusterRules, HostLink, HostLostError
from amanuensis.daemon.cluster.model_store import manifest
from amanuensis.daemon.cluster.placement import Placement
from amanuensis.daemon.cluster.runtime import ClusterError, connect
from amanuensis.daemon.cluster.spec import HostSpec
from amanuensis.npu.engine.api import (
    EngineBusyError,
    EngineConfig,
    EngineError,
    EngineInfo,
    EngineLostError,
    EngineStats,
    NodeStats,
    NotEmbeddedError,
    PoisonWindowError,
    SupersededError,
)
from amanuensis.npu.engine.supervision import Supervision
from amanuensis.npu.engine.tally import Tally
from amanuensis.npu.log_mel import MAX_WINDOW_FRAMES
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.voice_vector import VoiceVector
from amanuensis.npu.window import WindowJob, WindowResult

LOST_S: Final = 60.0  # twice what `daemon.pipeline.RESTARTS` takes: a node may come back meanwhile


async def start_ray_engine(
    config: EngineConfig,
    address: str = "auto",
    supervision: Supervision | None = None,
    rules: ClusterRules | None = None,
    capacity: float = 0.0,
) -> RayEngine:
    """Connect to a cluster, have every node run an engine, and wait until a first one takes windows.

    Args:
        config: what to run, as for one machine; `max_streams` are those of this front.
        address: of the cluster: see `runtime.connect`.
        supervision: of the engine process on each host; where it bounds the restarts, a cluster without hosts is lost
            after a minute.
        rules: how hosts are watched.
        capacity: streams that each host carries; 0: each measures that.

    Raises:
        ClusterError: there is no cluster, or no node of it can be used, each with its reason.

    """
    await asyncio.to_thread(connect, address)
    spec = await asyncio.to_thread(_spec_of, config, supervision or Supervision(), capacity)
    lost_s = LOST_S if supervision is not None and supervision.restarts is not None else None
    engine = RayEngine(spec, config.max_streams, rules or ClusterRules(lost_s=lost_s))
    try:
        await engine.start()
    except BaseException:
        await engine.aclose()
        raise
    return engine


def _spec_of(config: EngineConfig, supervision: Supervision, capacity: float) -> HostSpec:
    return HostSpec(
        model=ModelFiles.load(config.model).manifest.name,
        folder=str(config.model.resolve()),
        files=manifest(config.model),
        device=config.device,
        threads=config.threads,
        precision=config.precision,
        encoder=config.encoder,
        decoder=config.decoder,
        voices=config.voices is not None,
        capacity=capacity,
        supervision=replace(supervision, restarts=None),
    )


@dataclass(eq=False, slots=True)
class Ticket:
    """A window on its way.

    Attributes:
        stream: whose.
        serial: of the window in this front.
        overtaken: why nobody needs it any more, once that is so and it is at no host.
        losses: hosts that were lost with it.
        crashes: engines that died at it.

    """

    stream: int
    serial: int
    job: WindowJob
    deadline_s: float
    overtaken: asyncio.Future[str]
    losses: int = 0
    crashes: int = 0
    waiting: bool = True  # it is at no host


class RayEngine:
    """`Engine` (see `amanuensis.npu.engine.api`) over many hosts; made by `start_ray_engine`."""

    def __init__(self, spec: HostSpec, max_streams: int, rules: ClusterRules) -> None:
        self._spec = spec
        self._rules = rules
        self.front = f"{socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}"
        self._fleet = Fleet(spec, self.front, rules)
        self._placement = Placement(max_streams)
        self._numbers = itertools.count(1)
        self._tickets: dict[int, Ticket] = {}  # the newest of each stream
        self._tally = Tally()
        self._nodes: dict[str, Tally] = {}
        self._info: EngineInfo | None = None  # of the first host
        self._in_flight = self._superseded = self._poisoned = 0
        self._gone: EngineError | None = None
        self._started_s = time.monotonic()
        self._down_since_s: float | None = None

    # -- Engine

    @property
    def info(self) -> EngineInfo:
        hosts = [(link, info) for link in self._fleet.up() if (info := link.info) is not None]
        first = hosts[0][1] if hosts else self._info
        if first is None:
            raise EngineError("no host of the cluster has taken windows yet")
        infos = [info for _, info in hosts] or [first]
        return replace(
            first,
            model=self._spec.model,
            encoder=_joined(info.encoder for info in infos),
            decoder=_joined(info.decoder for info in infos),
            precision=_joined(info.precision for info in infos),
            max_window_s=min(info.max_window_s for info in infos),
            batch=sum(info.batch for info in infos),
            voices=next((info.voices for info in infos if info.voices), ""),
            why="Ray cluster: " + (", ".join(sorted(link.name for link, _ in hosts)) or "no host takes windows now"),
        )

    def stats(self) -> EngineStats:
        tally, now_s = self._tally, time.monotonic()
        self._notice_down(now_s)
        down_s = 0.0 if self._down_since_s is None else now_s - self._down_since_s
        return EngineStats(
            encodes=dict(tally.encodes),
            decodes=dict(tally.decodes),
            restarts=self._fleet.restarts,
            superseded=self._superseded,
            queued=self._in_flight,
            lost=str(self._gone) if isinstance(self._gone, EngineLostError) else "",
            busy_s=tally.busy_ms / 1000,
            work=dict(tally.work),
            device_share=tally.device_us / 1e6 / max(now_s - self._started_s, 1e-3),
            fallbacks=dict(tally.fallbacks),
            fallback=tally.fallback,
            on_host=tally.on_host,
            down_s=down_s,
            down_why=self._fleet.trouble() if down_s else "",
            poisoned=self._poisoned,
            embeddings=dict(tally.embeddings),
            nodes={name: self._node_stats(name) for name in {*self._nodes, *(link.node.name for link in self.hosts)}},
        )

    def open_stream(self) -> int:
        self._placement.see(self._fleet.views())
        if why := self._placement.refusal():
            raise EngineBusyError(f"{why}; try again later")
        stream = next(self._numbers)
        self._placement.opened(stream)
        return stream

    def close_stream(self, stream: int) -> None:
        place = self._placement.where(stream)
        self._placement.closed(stream)
        if ticket := self._tickets.pop(stream, None):
            _overtake(ticket, "the stream was closed")
        if place in self._fleet.links:
            self._fleet.links[place].close_stream(stream)

    def wake(self) -> None:
        for link in self._fleet.up():
            link.wake()

    async def decode(self, stream: int, job: WindowJob, deadline_s: float) -> WindowResult:
        self._check(stream, job)
        overtaken: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        ticket = Ticket(stream, next(self._numbers), job, deadline_s, overtaken)
        if older := self._tickets.get(stream):
            _overtake(older, "a newer window of the stream came before this one was started")
        self._tickets[stream] = ticket
        self._in_flight += 1
        try:
            return await self._carry(ticket)
        except SupersededError:
            self._superseded += 1
            raise
        except PoisonWindowError:
            self._poisoned += 1
            raise
        finally:
            self._in_flight -= 1
            if self._tickets.get(stream) is ticket:
                del self._tickets[stream]

    async def embed(self, features: NDArray[np.float32]) -> VoiceVector:
        able = [link for link in self._fleet.up() if link.info is not None and link.info.voices]
        if not able:
            raise NotEmbeddedError("no host of the cluster computes vectors of voices now")
        link = min(able, key=lambda link: link.latency_s)
        try:
            answer = await link.embed(features)
        except HostLostError as error:
            raise NotEmbeddedError(f"host {link.name} was lost: {error}") from error
        if isinstance(answer, Refusal):
            answer.again()
        self._tally.count_voice(answer)
        self._node_tally(link).count_voice(answer)
        return answer

    async def aclose(self) -> None:
        self._gone = self._gone or EngineError("the engine was closed")
        for ticket in list(self._tickets.values()):
            ticket.waiting = True
            _overtake(ticket, "the engine was closed")
        await self._fleet.aclose()

    # -- the cluster

    @property
    def hosts(self) -> list[HostLink]:
        """All hosts that are known, whether they take windows or not."""
        return list(self._fleet.links.values())

    def report(self, facts: Callable[[], dict[str, Any]]) -> None:
        """Have the cluster told of this front, once a second.

        Args:
            facts: makes what is told: plain values.

        """
        self._fleet.facts = facts

    async def start(self) -> None:
        """Wait until a first host takes windows; called by `start_ray_engine`."""
        end_s = time.monotonic() + self._rules.starting_s
        while not self._fleet.up():
            if self._fleet.hopeless or time.monotonic() > end_s:
                raise ClusterError(f"no node of the cluster can be used: {self._fleet.trouble()}")
            try:
                async with asyncio.timeout(self._rules.look_s):
                    await self._fleet.change()
            except TimeoutError:
                continue
        self._info = self._fleet.up()[0].info

    # -- windows

    def _check(self, stream: int, job: WindowJob) -> None:
        if self._gone:
            raise self._gone
        if not self._placement.is_open(stream):
            raise EngineError(f"stream {stream} is not open")
        features, n_mels = job.features, self.info.n_mels
        right = features.dtype == np.float32 and features.ndim == 2 and features.shape[0] == n_mels
        if not (right and 1 <= features.shape[1] <= MAX_WINDOW_FRAMES):
            allowed = f"float32 [{n_mels}, 1 to {MAX_WINDOW_FRAMES}]"
            raise EngineError(f"features are {features.dtype} {list(features.shape)}; the model takes {allowed}")

    async def _carry(self, ticket: Ticket) -> WindowResult:
        """Have a window decoded, by as many hosts as it takes."""
        while True:
            link = await self._host_for(ticket)
            ticket.waiting = False
            try:
                answer = await link.decode(ticket.stream, ticket.serial, ticket.job, ticket.deadline_s, ticket.crashes)
            except HostLostError as error:
                self._lost(ticket, link, str(error))
                continue
            if isinstance(answer, Refusal):
                answer.again()
            self._tally.count(answer)
            self._node_tally(link).count(answer)
            return answer

    async def _host_for(self, ticket: Ticket) -> HostLink:
        """Return the host for a window, waiting while there is none."""
        while True:
            self._notice_down(time.monotonic())
            if self._gone:
                raise self._gone
            if ticket.overtaken.done():
                raise SupersededError(ticket.overtaken.result())
            self._placement.see(self._fleet.views())
            place = self._placement.place(ticket.stream)
            if place is not None:
                return self._fleet.links[place]
            change = asyncio.ensure_future(self._fleet.change())
            either: set[asyncio.Future[Any]] = {change, ticket.overtaken}
            await asyncio.wait(either, timeout=self._rules.look_s, return_when=asyncio.FIRST_COMPLETED)
            change.cancel()

    def _lost(self, ticket: Ticket, link: HostLink, why: str) -> None:
        """Take a window back from a host that was given up; PoisonWindowError when that has happened too often."""
        ticket.waiting = True
        if self._gone:
            raise self._gone
        ticket.losses += 1
        ticket.crashes = link.crashes(ticket.serial, ticket.crashes)
        if ticket.crashes >= self._spec.supervision.job_crashes:
            raise PoisonWindowError(ticket.crashes, f"{link.name}: {why}")
        if ticket.losses >= self._rules.losses:
            raise PoisonWindowError(ticket.losses, f"{link.name}: {why}")
        if self._tickets.get(ticket.stream) is not ticket:
            _overtake(ticket, "a newer window of the stream came before this one was started")

    # -- counts

    def _notice_down(self, now_s: float) -> None:
        """Take note since when no host takes windows."""
        if any(view.takes for view in self._fleet.views().values()):
            self._down_since_s = None
        elif self._down_since_s is None:
            self._down_since_s = now_s
        elif self._rules.lost_s is not None and now_s - self._down_since_s > self._rules.lost_s:
            why = f"no host of the cluster took windows for {self._rules.lost_s:g} s: {self._fleet.trouble()}"
            self._gone = self._gone or EngineLostError(why)

    def _node_tally(self, link: HostLink) -> Tally:
        return self._nodes.setdefault(link.node.name, Tally())

    def _node_stats(self, name: str) -> NodeStats:
        tally, links = self._nodes.get(name) or Tally(), [link for link in self.hosts if link.node.name == name]
        return NodeStats(
            encodes=dict(tally.encodes),
            decodes=dict(tally.decodes),
            restarts=sum(link.restarts for link in links),
            busy_s=tally.busy_ms / 1000,
            up=any(link.state == "up" for link in links),
            capacity=sum(link.view(drained=False).capacity for link in links),
        )


def _overtake(ticket: Ticket, why: str) -> None:
    """Tell a window that nobody needs it; one that is at a host may be answered all the same."""
    if ticket.waiting and not ticket.overtaken.done():
        ticket.overtaken.set_result(why)


def _joined(names: Any) -> str:
    return ", ".join(sorted(Counter(names)))
