"""One live run of a peer: it is started, spoken to as a microphone does, and what it showed, cost and held is noted."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from websockets.exceptions import WebSocketException

from amanuensis.benchmarks.measures import Sent, Shown, Take
from amanuensis.benchmarks.peers.peer import Link, Peer, PeerFailedError, Setup, interpreter
from amanuensis.benchmarks.processes import cpu_seconds, memory
from amanuensis.benchmarks.sound import SAMPLE_RATE
from amanuensis.benchmarks.systems import PACKET_S, PAUSE_S, SystemRun
from amanuensis.benchmarks.worker import QUIET

QUIET_S = 8.0  # without a new text after the sound: nothing more is coming; its client gives WhisperLive 15 s
PATIENCE_S = 120.0  # for the start, and for a peer that is behind
RETRY_S = 0.05


@dataclass(slots=True)
class _Meter:
    """Looks at the processes of a peer."""

    pid: int
    rss_mb: float = 0.0
    pss_mb: float = 0.0

    async def watch(self) -> None:
        """Look once a second until cancelled."""
        while True:
            held = memory(self.pid)
            self.rss_mb, self.pss_mb = max(self.rss_mb, held.rss_mb), max(self.pss_mb, held.pss_mb)
            await asyncio.sleep(1.0)


@dataclass(slots=True)
class _Stream:
    """Speaks into a link and listens to it."""

    link: Link
    pid: int
    finishes: bool
    shown: list[Shown] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    start: float = 0.0
    first_cpu_s: float = 0.0
    last_cpu_s: float = 0.0
    last_s: float = 0.0

    async def run(self, samples: NDArray[np.float32]) -> None:
        """Speak, and listen until nothing more comes."""
        self.first_cpu_s = cpu_seconds(self.pid)
        self.start = time.perf_counter()
        listening = asyncio.create_task(self._listen())
        try:
            await self._speak(samples)
            self._look()
            if self.finishes:
                await self.link.end()
                await asyncio.wait([listening], timeout=PATIENCE_S)
            else:
                await self._until_quiet(listening)
                await self.link.end()
                await asyncio.wait([listening], timeout=QUIET_S)
        finally:
            listening.cancel()
            (failure,) = await asyncio.gather(listening, return_exceptions=True)
        if isinstance(failure, Exception):
            raise PeerFailedError(f"{failure!r} after {self.last_s:.1f} s") from failure

    async def _speak(self, samples: NDArray[np.float32]) -> None:
        pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2")
        step = round(PACKET_S * SAMPLE_RATE)
        for at in range(0, len(pcm), step):
            until_s = min(at + step, len(pcm)) / SAMPLE_RATE
            await asyncio.sleep(max(0.0, until_s - self._now_s()))
            self.sent.append(Sent(until_s, until_s))
            await self.link.send(pcm[at : at + step].tobytes())

    async def _listen(self) -> None:
        async for kind, text in self.link.texts():
            self.shown.append(Shown(self._now_s(), kind, text))
            if text.strip():
                self._look()

    def _look(self) -> None:
        self.last_s = self._now_s()
        self.last_cpu_s = max(self.last_cpu_s, cpu_seconds(self.pid))  # one that has ended has no figure any more

    async def _until_quiet(self, listening: asyncio.Task[None]) -> None:
        """Go on with silence until the peer has said nothing new for a while; one that is behind gets its time."""
        over_s = self._now_s()
        packets = 0
        while not listening.done() and self._now_s() < min(self.last_s + QUIET_S, over_s + PATIENCE_S):
            packets += 1
            await asyncio.sleep(max(0.0, over_s + packets * PACKET_S - self._now_s()))
            await self.link.send(bytes(2 * round(PACKET_S * SAMPLE_RATE)))

    def _now_s(self) -> float:
        return time.perf_counter() - self.start


async def run_peer(peer: Peer, setup: Setup, samples: NDArray[np.float32]) -> SystemRun:
    """Start a peer, have it hear float32 sound at 16 kHz and a pause at live speed, and stop it.

    Raises:
        PeerFailedError: it is not installed, did not start or died.

    """
    sound = np.concatenate([samples, np.zeros(round(PAUSE_S * SAMPLE_RATE), np.float32)])
    async with _running(peer, setup) as (process, port, started), AsyncExitStack() as stack:
        link = await _opened(peer, process, port, stack)
        ready_s = time.perf_counter() - started
        meter = _Meter(process.pid)
        watching = asyncio.create_task(meter.watch())
        stream = _Stream(link, process.pid, peer.finishes)
        try:
            await stream.run(sound)
        finally:
            watching.cancel()
    take = Take(tuple(stream.shown), tuple(stream.sent))
    cost_s = stream.last_cpu_s - stream.first_cpu_s
    if not peer.finishes:  # it went on with silence: only the share of the sound counts
        cost_s *= min(1.0, len(sound) / SAMPLE_RATE / stream.last_s)
    return SystemRun(take, cost_s, meter.rss_mb, meter.pss_mb, ready_s, stream.last_s)


@asynccontextmanager
async def _running(peer: Peer, setup: Setup) -> AsyncIterator[tuple[asyncio.subprocess.Process, int, float]]:
    port = free_port()
    command = peer.command(interpreter(peer.environment), setup, port)
    threads = {"OMP_NUM_THREADS": str(setup.threads), "PYTHONUNBUFFERED": "1"}
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE if peer.is_library else errors,
            stderr=errors,
            env={**os.environ, **QUIET, **threads},
            start_new_session=True,
        )
        try:
            yield process, port, started
        except (PeerFailedError, WebSocketException, OSError) as error:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines()[-8:]
            raise PeerFailedError(f"{peer.name}: {error}; it said: {' | '.join(said)}") from error
        finally:
            await _stop(process)


async def _opened(peer: Peer, process: asyncio.subprocess.Process, port: int, stack: AsyncExitStack) -> Link:
    """Open a stream as soon as the peer takes one."""
    give_up = time.perf_counter() + PATIENCE_S
    while True:
        if process.returncode is not None:
            raise PeerFailedError(f"ended with status {process.returncode} before it was ready")
        try:
            return await stack.enter_async_context(peer.open(process, port))
        except OSError as error:
            if time.perf_counter() > give_up:
                raise PeerFailedError(f"not ready after {PATIENCE_S:.0f} s: {error}") from error
            await asyncio.sleep(RETRY_S)


async def _stop(process: asyncio.subprocess.Process) -> None:
    """End a process and all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            await asyncio.wait_for(process.wait(), 5.0)
        except TimeoutError:
            continue


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number
