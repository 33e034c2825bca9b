"""Counted streams spoken to two real daemons behind a balancer that share their sessions through a real Ray cluster."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.error import HTTPError

import pytest

from tests.helpers.balancer import Balancer, balancer
from tests.helpers.counting_clients import CountingSpeaker, Watcher
from tests.helpers.ray_cluster import RayCluster, ray_cluster
from tests.helpers.service_chaos import Outcome, counted_stream, script_of
from tests.helpers.service_checks import EXACT, Judged, judged
from tests.helpers.service_faults import Schedule
from tests.helpers.service_host import Host, host
from tests.helpers.spoken_numbers import FORMAT

HANG_S: Final = 180.0  # only against hanging
WATCHERS: Final = 2  # of each session
KINDS: Final = ("kill_front", "stop_front", "freeze_front", "kill_store", "cut_clients")
AGAIN_S: Final = 0.1
FROZEN_S: Final = 4.5  # longer than a lease


async def suffer(
    model: Path, make_scene: Callable[..., Scene], folder: Path, seed: int, faults: tuple[str, ...], sessions: int = 2
) -> Judged:
    """Speak while faults strike, spread over the streams; return what is wrong.

    Args:
        model: folder of the model.
        make_scene: `Scene` or a kind of it, less its first four arguments.
        folder: for what the daemons leave behind.
        seed: of streams and faults.
        faults: kinds, in order.
        sessions: that speak at the same time.

    """
    outcome = Outcome(Schedule(seed, (), sessions, False, False))
    outcome.streams = [counted_stream(seed + n) for n in range(sessions)]
    async with AsyncExitStack() as stack, balancer(seed) as network:
        hosts = [await stack.enter_async_context(_front(model, folder / name)) for name in ("a", "b")]
        network.targets = [running.port for running in hosts]
        scene = make_scene(seed, hosts, network, outcome)
        try:
            async with asyncio.timeout(HANG_S):
                await scene.play(faults)
                outcome.ledgers = [await scene.ledger(speaker) for speaker in outcome.speakers]
        except TimeoutError:
            outcome.hung = True
        for running in hosts:
            await running.stop()
        outcome.rough_ends = [status for running in hosts for status in running.rough_ends]
        outcome.log = "".join(running.log.read_text() for running in hosts)
    return judged(outcome, [EXACT] * sessions)


def environment(cluster: RayCluster, folder: Path) -> dict[str, str]:
    """Return what makes a daemon one of the fronts of a cluster."""
    store = str(folder / "store")
    return {"RAY_ADDRESS": cluster.address, "AMANUENSIS_FRONTS_ENABLED": "true", "AMANUENSIS_FRONTS_FOLDER": store}


def kill_store(cluster: RayCluster) -> int:
    """Kill the process of the store with SIGKILL; return its number, 0 when there is none just now."""
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            if (path / "cmdline").read_bytes().startswith(b"ray::StoreActor") and _is_below(path, cluster):
                os.kill(int(path.name), signal.SIGKILL)
                return int(path.name)
    return 0


def _is_below(process: Path, cluster: RayCluster) -> bool:
    """Whether a process was started by a raylet of a cluster."""
    parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
    return f"--gcs-address={cluster.address}".encode() in (process.parent / parent / "cmdline").read_bytes()


@contextmanager
def quick_cluster() -> Iterator[RayCluster]:
    """Give a cluster whose store is not kept waiting by programs that compute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")
        with ray_cluster() as cluster:
            yield cluster


def _front(model: Path, folder: Path) -> AbstractAsyncContextManager[Host]:
    folder.mkdir()
    return host(model, folder)


async def _ledger_at(running: Host, session: str) -> dict[str, int] | None:
    while True:
        try:
            return await running.ledger(session)
        except HTTPError as error:
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
            await asyncio.sleep(AGAIN_S)  # it does not know yet where the session is


class Scene:
    """Two fronts, the network before them, and clients; `end_store` kills what they share."""

    def __init__(
        self,
        seed: int,
        hosts: list[Host],
        network: Balancer,
        outcome: Outcome,
        end_store: Callable[[], object],
    ) -> None:
        self._draw = random.Random(seed)
        self._end_store = end_store
        self._hosts = hosts
        self._network = network
        self._outcome = outcome

    async def play(self, faults: tuple[str, ...]) -> None:
        """Speak and watch until all sessions are over."""
        async with asyncio.TaskGroup() as tasks:
            for n, stream in enumerate(self._outcome.streams):
                script = script_of(stream, self._outcome.schedule.seed + n)
                speaker = CountingSpeaker(self._network.port, script, FORMAT)
                self._outcome.speakers.append(speaker)
                tasks.create_task(speaker.run())
                for _ in range(WATCHERS):
                    tasks.create_task(self._watch(speaker))
            tasks.create_task(self._strike_all(faults))

    async def _watch(self, speaker: CountingSpeaker) -> None:
        await speaker.known.wait()
        watcher = Watcher(self._network.port, speaker.session)
        self._outcome.watchers.append(watcher)
        await watcher.run()

    async def ledger(self, speaker: CountingSpeaker) -> dict[str, int] | None:
        """Return the ledger of a session from the front where it ended."""
        for running in self._hosts:
            ledger = await _ledger_at(running, speaker.session)
            if ledger is not None and ledger["received"] == speaker.n_samples:
                return ledger
        return None

    async def _strike_all(self, faults: tuple[str, ...]) -> None:
        speaker = self._outcome.speakers[0]
        for n, kind in enumerate(faults):
            await speaker.reached(round((n + self._draw.uniform(0.3, 0.9)) / len(faults) * speaker.n_samples))
            if not speaker.over:
                await getattr(self, f"_{kind}")()
                self._outcome.struck[kind] += 1

    async def _busy(self) -> Host:
        """Return the front that has most sessions."""
        counts = [(await running.metric("amanuensis_open_sessions"), n) for n, running in enumerate(self._hosts)]
        return self._hosts[max(counts)[1]]

    async def _kill_front(self) -> None:
        running = await self._busy()
        self._network.targets.remove(running.port)
        await running.kill()
        await self._start(running)

    async def _stop_front(self) -> None:
        running = await self._busy()
        self._network.targets.remove(running.port)
        await running.stop()
        await self._start(running)

    async def _start(self, running: Host) -> None:
        await running.start()
        self._network.targets.append(running.port)

    async def _freeze_front(self) -> None:
        """Have a front stand still until others have its sessions, and then go on as if it still had them."""
        running = await self._busy()
        self._network.targets.remove(running.port)
        os.kill(running.pid, signal.SIGSTOP)
        self._network.cut()
        await asyncio.sleep(FROZEN_S)
        os.kill(running.pid, signal.SIGCONT)
        self._network.targets.append(running.port)

    async def _kill_store(self) -> None:
        self._end_store()

    async def _cut_clients(self) -> None:
        self._network.cut()
