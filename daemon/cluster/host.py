"""One device of one node of the cluster, as a Ray actor: a supervised engine that several fronts use.

Every window carries all that its answer depends on, so whatever is kept here may be lost: a stream that was not heard
of is opened, one that is silent is forgotten, and a host without fronts ends itself, so that its CPU is free.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from amanuensis.daemon.cluster.answers import Refusal
from amanuensis.daemon.cluster.capacity import Learnt, streams_carried
from amanuensis.daemon.cluster.model_store import Delivery, find
from amanuensis.daemon.cluster.runtime import in_short
from amanuensis.daemon.cluster.spec import HostSpec, versions
from amanuensis.daemon.cluster.window_pieces import joined
from amanuensis.npu.engine.api import EngineError, SupersededError
from amanuensis.npu.engine.process import SupervisedEngine, start_engine
from amanuensis.npu.voice_vector import VoiceVector
from amanuensis.npu.window import WindowJob, WindowResult

log = logging.getLogger(__name__)
Phase = Literal["starting", "wants files", "up", "failed"]
SILENCE_S: Final = 120.0  # a stream without a window for so long is forgotten; its next one opens it again
GIVER_S: Final = 30.0  # a front that gives files and is silent for so long has gone
ALONE_S: Final = 60.0  # a front that asks nothing for so long has gone
LINGER_S: Final = 10.0  # a host that no front uses any more waits for one so long, as when a daemon is restarted
RETRY_S: Final = 30.0  # before an engine that could not be started is tried again
CARE_S: Final = 1.0


@dataclass(slots=True)
class HeldStream:
    """A stream of a front: its number at the engine, its newest window, and when that came."""

    number: int
    serial: int
    seen_s: float


class EngineHost:
    """The actor; its methods are called by fronts.

    Args:
        spec: `HostSpec.to_plain` of what it runs.

    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._plain = spec
        self._spec: HostSpec | None = None
        self._engine: SupervisedEngine | None = None
        self._phase: Phase = "starting"
        self._why = ""
        self._capacity = 0.0  # as measured at the start
        self._learnt = Learnt(1)
        self._streams: dict[tuple[str, int], HeldStream] = {}
        self._asked_s: dict[str, float] = {}  # by front
        self._alone_since_s: float | None = None
        self._delivery: tuple[str, Delivery, float] | None = None  # front, files, when it last gave
        self._began_s = time.monotonic()
        self._tasks: list[asyncio.Task[None]] = []

    async def describe(self, front: str = "") -> dict[str, Any]:
        """Return what this host is and how it does; begin to start the engine.

        Args:
            front: who uses it; "": somebody who only looks.

        """
        if front:
            self._asked_s[front] = time.monotonic()
            self._begin()
        engine, now_s = self._engine, time.monotonic()
        return {
            "versions": versions(),
            "phase": self._phase,
            "why": self._why,
            "device": self._plain.get("device", ""),
            "model": self._plain.get("model", ""),
            "info": asdict(engine.info) if engine else None,
            "stats": asdict(engine.stats()) if engine else None,
            "capacity": self._carried(),
            "streams": self._streams_of_fronts(),
            "crashes": self._crashes_of(front),
            "pid": os.getpid(),
            "nice": os.nice(0),
            "engine_pid": engine.pid if engine else None,
            "age_s": now_s - self._began_s,
            "clock_s": time.time(),
        }

    async def decode(
        self, front: str, stream: int, serial: int, job: WindowJob, *features: bytes, wait_s: float, crashes: int = 0
    ) -> WindowResult | Refusal:
        """Decode a window.

        Args:
            front: whose stream it is.
            stream: its number at that front.
            serial: of the window in its stream: of two that overtake each other on the way the later counts.
            job: the window without its features.
            features: these, in pieces: see `amanuensis.daemon.cluster.window_pieces`.
            wait_s: from now to its deadline, negative when that is over.
            crashes: of engines of other hosts at this window.

        """
        if self._engine is None:
            return Refusal("EngineLostError", f"the host has no engine: {self._why or self._phase}")
        held = self._hold(self._engine, front, stream, serial)
        if serial < held.serial:
            return Refusal.of(SupersededError("a newer window of the stream came before this one was started"))
        held.serial, held.seen_s = serial, time.monotonic()
        try:
            whole = joined(job, features)
            result = await self._engine.decode(held.number, whole, time.monotonic() + wait_s, crashes)
        except EngineError as error:
            return Refusal.of(error)
        self._learnt.answered(result.encode_ms + result.decode_ms)
        return result

    async def embed(self, features: NDArray[np.float32]) -> VoiceVector | Refusal:
        """Compute the vector of a voice."""
        if self._engine is None:
            return Refusal("NotEmbeddedError", "the host has no engine")
        try:
            return await self._engine.embed(features)
        except EngineError as error:
            return Refusal.of(error)

    async def close_stream(self, front: str, stream: int) -> None:
        """Forget a stream and what waits of it."""
        held = self._streams.pop((front, stream), None)
        if held is not None and self._engine is not None:
            self._engine.close_stream(held.number)

    async def leave(self, front: str) -> None:
        """Forget a front and its streams."""
        self._asked_s.pop(front, None)
        for owner, stream in [key for key in self._streams if key[0] == front]:
            await self.close_stream(owner, stream)

    async def wake(self) -> None:
        """Wake the device."""
        if self._engine is not None:
            self._engine.wake()

    async def begin_files(self, front: str) -> bool:
        """Return whether this front is to give the model's files: they are wanted, and no other front gives them."""
        if self._phase != "wants files":
            return False
        if self._delivery is not None:
            giver, delivery, seen_s = self._delivery
            if giver != front and time.monotonic() - seen_s < GIVER_S:
                return False
            await asyncio.to_thread(delivery.drop)
        self._delivery = (front, Delivery(self._spec_of()), time.monotonic())
        return True

    async def take_file(self, front: str, name: str, piece: bytes) -> Refusal | None:
        """Take a piece of a file that a front gives, in order."""
        if self._delivery is None or self._delivery[0] != front:
            return Refusal("EngineError", "another front gives the files of the model")
        delivery = self._delivery[1]
        self._delivery = (front, delivery, time.monotonic())
        try:
            await asyncio.to_thread(delivery.take, name, piece)
        except (EngineError, OSError) as error:
            return await self._refuse_files(error)
        return None

    async def finish_files(self, front: str) -> Refusal | None:
        """Verify what came and start the engine with it."""
        if self._delivery is None or self._delivery[0] != front:
            return Refusal("EngineError", "another front gives the files of the model")
        try:
            await asyncio.to_thread(self._delivery[1].finish)
        except (EngineError, OSError) as error:
            return await self._refuse_files(error)
        await asyncio.to_thread(self._delivery[1].drop)
        self._delivery, self._phase = None, "starting"
        return None

    # -- the life of the engine

    def _begin(self) -> None:
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._care())]

    async def _run(self) -> None:
        """Start the engine, again and again while that fails; from then on its own supervision brings it back."""
        while self._engine is None:
            try:
                await self._start()
            except Exception as error:  # told to the fronts, by the name of this node
                self._phase, self._why = "failed", in_short(error)
                log.warning("the engine cannot be started: %s", self._why)
            await asyncio.sleep(RETRY_S if self._phase == "failed" else CARE_S if self._engine else 0.2)

    async def _start(self) -> None:
        spec = self._spec_of()
        if self._phase == "wants files":
            return
        folder = await asyncio.to_thread(find, spec)
        if folder is None:
            self._phase, self._why = "wants files", f"model {spec.model} is not on this node"
            return
        self._phase, self._why = "starting", ""
        engine = await start_engine(spec.engine_config(folder), spec.supervision)
        try:
            self._capacity = spec.capacity or await streams_carried(engine, folder, spec.device)
        except BaseException:
            await engine.aclose()
            raise
        self._learnt = Learnt(engine.info.batch)
        self._engine, self._phase = engine, "up"

    def _carried(self) -> float:
        """Return how many streams this host carries, as told or else as measured."""
        return float(self._plain.get("capacity", 0.0)) or self._learnt.streams(self._capacity)

    def _spec_of(self) -> HostSpec:
        if self._spec is None:
            self._spec = HostSpec.from_plain(self._plain)
        return self._spec

    async def _refuse_files(self, error: Exception) -> Refusal:
        """Give up files that cannot be had; whoever gave them may try again later."""
        assert self._delivery is not None
        await asyncio.to_thread(self._delivery[1].drop)
        self._delivery = None
        self._why = f"the files of the model cannot be taken: {in_short(error)}"
        return Refusal("EngineError", self._why)

    async def _care(self) -> None:
        """Forget who is silent; end this actor when nobody is left."""
        while True:
            await asyncio.sleep(CARE_S)
            now_s = time.monotonic()
            for key, held in list(self._streams.items()):
                if now_s - held.seen_s > SILENCE_S:
                    await self.close_stream(*key)
            self._asked_s = {front: at_s for front, at_s in self._asked_s.items() if now_s - at_s < ALONE_S}
            if self._asked_s:
                self._alone_since_s = None
            elif self._alone_since_s is None:
                self._alone_since_s = now_s
            elif now_s - self._alone_since_s > LINGER_S:
                await self._end()

    async def _end(self) -> None:
        import ray

        if self._engine is not None:
            await self._engine.aclose()
        with suppress(Exception):  # on its way out
            ray.kill(ray.get_runtime_context().current_actor, no_restart=True)

    # -- streams

    def _hold(self, engine: SupervisedEngine, front: str, stream: int, serial: int) -> HeldStream:
        held = self._streams.get((front, stream))
        if held is None:
            held = HeldStream(engine.open_stream(), serial, time.monotonic())
            self._streams[front, stream] = held
        return held

    def _crashes_of(self, front: str) -> dict[int, int]:
        """Return how often engines died at windows of a front, by the serial number of the window."""
        by_number = self._engine.crashes() if self._engine is not None else {}
        return {
            held.serial: by_number[held.number]
            for (owner, _), held in self._streams.items()
            if owner == front and held.number in by_number
        }

    def _streams_of_fronts(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for front, _ in self._streams:
            counts[front] = counts.get(front, 0) + 1
        return counts
