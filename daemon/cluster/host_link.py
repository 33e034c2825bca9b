"""One host of the cluster as a front sees it: asked how it does all the time, and given up when it is silent."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from amanuensis.daemon.cluster.answers import Refusal
from amanuensis.daemon.cluster.model_store import pieces
from amanuensis.daemon.cluster.nodes import Node, host_on
from amanuensis.daemon.cluster.placement import HostView
from amanuensis.daemon.cluster.runtime import in_short
from amanuensis.daemon.cluster.spec import HostSpec, differences, versions
from amanuensis.daemon.cluster.window_pieces import apart
from amanuensis.npu.engine.api import EngineInfo, EngineLostError
from amanuensis.npu.voice_vector import VoiceVector
from amanuensis.npu.window import WindowJob, WindowResult

log = logging.getLogger(__name__)
State = Literal["starting", "up", "down", "failed", "refused"]
LATENCY_MEMORY: Final = 0.2  # share of the newest measurement
DOUBT_BEATS: Final = 2  # without an answer: what has no place yet goes elsewhere, if it can
SKEW_TOLD_S: Final = 1.0  # a clock that is further off is told of in the log


@dataclass(frozen=True, slots=True)
class ClusterRules:
    """How hosts are watched.

    Attributes:
        look_s: between two looks at the nodes of the cluster.
        beat_s: between two questions to a host.
        silent_s: a host that answers nothing for so long is given up; its windows go to others.
        down_s: the same for one whose engine has no process for so long.
        losses: of hosts while they had a window, after which that is given up.
        starting_s: for a first host to take windows.
        lost_s: no host takes windows for so long: the engine is lost; None: windows wait for ever.

    """

    look_s: float = 1.0
    beat_s: float = 0.5
    silent_s: float = 5.0
    down_s: float = 3.0
    losses: int = 3
    starting_s: float = 900.0
    lost_s: float | None = None


class HostLostError(Exception):
    """A host was given up while it had a window; the message says why."""


class HostLink:
    """A front's way to one host.

    Args:
        node: of the host.
        spec: what it is to run.
        front: the name of this front.
        rules: how it is watched.
        changed: called when windows may be sent where they could not be, or the other way round.

    Attributes:
        state: of the host; windows are sent to one that is up.
        why: it is not up.
        facts: what it told last.
        latency_s: of the way there and back.
        skew_s: of its wall clock against ours.
        restarts: of its engine, and of itself, since it was first seen.

    """

    def __init__(
        self, node: Node, spec: HostSpec, front: str, rules: ClusterRules, changed: Callable[[], None]
    ) -> None:
        self.node = node
        self.spec = spec
        self.state: State = "starting"
        self.why = "its actor is being started: that needs a free CPU of the node"
        self.facts: dict[str, Any] = {}
        self.latency_s = 0.0
        self.skew_s = 0.0
        self.restarts = 0
        self._engine_restarts: int | None = None  # as it told last
        self._front = front
        self._rules = rules
        self._changed = changed
        self._actor: Any = None
        self._silent_s = 0.0  # in beats of ours: a suspended machine or a stopped daemon is no silence of the host
        self._given_up: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._giving: asyncio.Task[None] | None = None
        self._watching = asyncio.create_task(self._watch())

    @property
    def name(self) -> str:
        """Node and device, for people."""
        return f"{self.node.name} ({self.spec.device})"

    @property
    def info(self) -> EngineInfo | None:
        """What it runs, once it does."""
        return EngineInfo(**self.facts["info"]) if self.facts.get("info") else None

    def view(self, *, drained: bool) -> HostView:
        """Return the host as placement sees it."""
        streams: Mapping[str, int] = self.facts.get("streams", {})
        others = sum(count for front, count in streams.items() if front != self._front)
        return HostView(
            capacity=self.facts.get("capacity", 0.0),
            usable=self.state == "up",
            drained=drained,
            others=others,
            latency_s=self.latency_s,
            silent=self._silent_s >= DOUBT_BEATS * self._rules.beat_s,
        )

    async def decode(
        self, stream: int, serial: int, job: WindowJob, deadline_s: float, crashes: int
    ) -> WindowResult | Refusal:
        """Have the host decode a window; arguments as of `EngineHost.decode`, with the deadline on this clock.

        Raises:
            HostLostError: it was given up, or its actor died; it answers no more, or into the void.

        """
        wait_s = deadline_s - time.monotonic()
        options = {"wait_s": wait_s, "crashes": crashes}
        answer = await self._ask(self._actor.decode, self._front, stream, serial, *apart(job), **options)
        if isinstance(answer, Refusal) and answer.kind == EngineLostError.__name__:
            self._give_up(answer.message)
            raise HostLostError(answer.message)
        assert isinstance(answer, WindowResult | Refusal)
        return answer

    async def embed(self, features: NDArray[np.float32]) -> VoiceVector | Refusal:
        """Have the host compute the vector of a voice; HostLostError as of `decode`."""
        answer = await self._ask(self._actor.embed, features)
        assert isinstance(answer, VoiceVector | Refusal)
        return answer

    def crashes(self, serial: int, known: int) -> int:
        """Return how often engines died at a window as far as this host told; at least what is known."""
        told: Mapping[int, int] = self.facts.get("crashes", {})
        return max(known, told.get(serial, 0))

    def close_stream(self, stream: int) -> None:
        """Have the host forget a stream."""
        if self.state == "up":
            self._actor.close_stream.remote(self._front, stream)

    def wake(self) -> None:
        """Have the host wake its device."""
        if self.state == "up":
            self._actor.wake.remote()

    def gone(self, why: str) -> None:
        """Take note that the node is there no more."""
        self._watching.cancel()
        self._set("down", why)

    async def aclose(self) -> None:
        """Leave the host, which goes on for other fronts."""
        self._watching.cancel()
        if self._giving:
            self._giving.cancel()
        if self._actor is not None and self.state != "down":
            with suppress(Exception):  # it may have gone: nothing is left to be said then
                async with asyncio.timeout(self._rules.beat_s):
                    await self._actor.leave.remote(self._front)
        self._set("down", "the engine was closed")

    # -- how it does

    async def _watch(self) -> None:
        while True:
            try:
                if self._actor is None:
                    self._actor = await asyncio.to_thread(host_on, self.node, self.spec)
                await self._look()
            except Exception as error:
                self._silent(in_short(error), of_ray=_is_death(error))
                if _is_death(error):
                    self._actor = None  # taken up again when Ray has started it anew; else another is made
            await asyncio.sleep(self._rules.beat_s)

    async def _look(self) -> None:
        """Ask once; a host that does not answer is given up after a while, and asked again."""
        known = bool(self.facts)  # else the answer comes when the actor has been started, which says nothing of the way
        question = _asked(self._actor.describe.remote(self._front))
        sent_s, sent_at_s = time.monotonic(), time.time()
        try:
            while not question.done():
                await asyncio.wait({question}, timeout=self._rules.beat_s)
                self._silent_s += 0.0 if question.done() else self._rules.beat_s
                if self._silent_s > self._rules.silent_s:
                    self._silent(f"it has not answered for {self._rules.silent_s:g} s")
        finally:
            question.cancel()
        facts = question.result()
        self._silent_s = 0.0
        if known:
            self._measure_way(time.monotonic() - sent_s, facts["clock_s"] - sent_at_s)
        self._take(facts)

    def _take(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        self._count_restarts(facts["stats"])
        if other := differences(versions(), facts.get("versions", {})):
            self._set("refused", f"it runs other versions: {other}; install the same on every node")
        elif facts["phase"] == "failed":
            self._set("failed", facts["why"])
        elif facts["phase"] == "up":
            self._take_engine(facts["stats"])
        else:
            self._set("starting", facts["why"] or "its engine is being started")
            if facts["phase"] == "wants files" and (self._giving is None or self._giving.done()):
                self._giving = asyncio.create_task(self._give_files())

    def _count_restarts(self, stats: Mapping[str, Any] | None) -> None:
        """Count what its engine was restarted; one that was started anew counts from 0 again."""
        if stats is not None:
            now, before = stats["restarts"], self._engine_restarts
            if before is not None:
                self.restarts += now - before if now >= before else now
            self._engine_restarts = now

    def _take_engine(self, stats: Mapping[str, Any]) -> None:
        if stats["lost"] or stats["down_s"] > self._rules.down_s:
            self._give_up(f"its engine is down: {stats['lost'] or stats['down_why']}")
        else:
            self._set("up", "")

    def _silent(self, why: str, *, of_ray: bool = False) -> None:
        """Take note that a question was not answered, and that of an actor that has died."""
        if self.state in ("starting", "failed", "refused") and not of_ray:
            self._set(self.state, why if self.state == "starting" else self.why)
        else:
            self._give_up(why)

    def _give_up(self, why: str) -> None:
        if self.state == "up":
            self.restarts += 1
            log.warning("host %s is given up: %s", self.name, why)
        self._set("down", why)

    def _set(self, state: State, why: str) -> None:
        before, self.state, self.why = self.state, state, why
        if before == "up" and state != "up":
            self._given_up.set_result(why)
            self._given_up = asyncio.get_running_loop().create_future()
        if before != state:
            if state in ("failed", "refused"):
                log.error("host %s is not used: %s", self.name, why)
            elif state == "up":
                log.info("host %s takes windows", self.name)
                if self.facts.get("nice"):
                    log.warning(
                        "host %s runs at niceness %d, after all other programs of its node: start Ray there with "
                        "RAY_worker_niceness=0",
                        self.name,
                        self.facts["nice"],
                    )
            self._changed()

    def _measure_way(self, took_s: float, ahead_s: float) -> None:
        """Take note of how long question and answer took, and how far the host's clock was ahead of the question."""
        self.latency_s += (LATENCY_MEMORY if self.latency_s else 1.0) * (took_s - self.latency_s)
        skew_s = ahead_s - took_s / 2
        if abs(skew_s) <= took_s / 2:
            skew_s = 0.0  # less than what can be told over this way
        if abs(skew_s) > SKEW_TOLD_S >= abs(self.skew_s):
            log.warning("the clock of node %s is %.1f s off ours; words do not depend on it", self.node.name, skew_s)
        self.skew_s = skew_s

    # -- what it is asked

    async def _ask(self, method: Any, *arguments: object, **options: object) -> object:
        """Call a method of the actor; what it answers after it was given up is not heard."""
        given_up = self._given_up
        answer: asyncio.Future[object] | None = None
        reference = None
        try:
            reference = method.remote(*arguments, **options)
            answer = _asked(reference)
            either: set[asyncio.Future[Any]] = {answer, given_up}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
        except Exception as error:  # of Ray, of many kinds: the actor or its node died, the way there is cut
            why = in_short(error)
            self._give_up(why)
            raise HostLostError(why) from error
        finally:
            if answer is not None and not answer.done():
                answer.cancel()
                _forget(reference)
        raise HostLostError(given_up.result())

    async def _give_files(self) -> None:
        """Give the host the files of the model, unless another front does."""
        actor, front, folder = self._actor, self._front, Path(self.spec.folder)
        try:
            if not await actor.begin_files.remote(front):
                return
            log.info("giving model %s to node %s", self.spec.model, self.node.name)
            for file in self.spec.files:
                left = pieces(folder, file)
                while (piece := await asyncio.to_thread(next, left, None)) is not None:
                    _check(await actor.take_file.remote(front, file.name, piece))
            _check(await actor.finish_files.remote(front))
        except Exception as error:
            log.warning("model %s cannot be given to node %s: %s", self.spec.model, self.node.name, error)
            await asyncio.sleep(self._rules.silent_s)


def _asked(reference: Awaitable[Any]) -> asyncio.Future[Any]:
    """Return what a call of an actor will return; its error is nobody's once whoever asked was cancelled."""
    question = asyncio.ensure_future(_answer_of(reference))
    question.add_done_callback(lambda it: it.cancelled() or it.exception())
    return question


def _check(refusal: Refusal | None) -> None:
    if refusal is not None:
        refusal.again()


def _is_death(error: Exception) -> bool:
    from ray.exceptions import RayActorError

    return isinstance(error, RayActorError)


def _forget(reference: object) -> None:
    """Have the actor stop what nobody waits for any more."""
    import ray

    with suppress(Exception):  # it may be gone
        ray.cancel(reference)


async def _answer_of(reference: Awaitable[Any]) -> Any:
    return await reference
