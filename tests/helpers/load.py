"""A speaker in real time, with and without a crowd that watches and sessions that wait, measured from outside."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from amanuensis.daemon.client import AmanuensisClient, Event, Hello, connect
from tests.helpers.many_watchers import Times
from tests.helpers.service_host import ROOT, Host, host
from tests.helpers.soak import look
from tests.helpers.spoken_numbers import FORMAT, RATE, Counted

CHUNK_S = 0.1
LIMITS = {
    "SESSIONS": "64",
    "SESSIONS_EACH": "64",
    "CONNECTIONS": "1024",
    "CONNECTIONS_EACH": "1024",
    "MAX_LOAD": "0",
    "PING_S": "20",
    "QUEUE_EVENTS": "1024",
    "BACKLOG_S": "10",
}
TICKS_S = os.sysconf("SC_CLK_TCK")


@dataclass
class Spoken:
    """One session spoken in real time.

    Attributes:
        watchers: of it.
        events: that the speaker was told, durable ones.
        commit_s: for each committed word, from the sending of its last sound to its arrival.
        fan_out_s: for each event and watcher, from its first arrival anywhere to its arrival there.
        untold: durable events that a watcher was not told once and in order.
        daemon_cpu, engine_cpu: seconds of CPU a second.
        daemon_mb, engine_mb: resident at the end.

    """

    watchers: int
    events: list[Event] = field(default_factory=list)
    commit_s: list[float] = field(default_factory=list)
    fan_out_s: list[float] = field(default_factory=list)
    untold: int = 0
    daemon_cpu: float = 0.0
    engine_cpu: float = 0.0
    daemon_mb: float = 0.0
    engine_mb: float = 0.0

    def line(self) -> str:
        """Return it for people."""
        commit = f"commit latency median {np.median(self.commit_s):.3f} s, p99 {np.quantile(self.commit_s, 0.99):.3f} s"
        fan_out = ""
        if self.fan_out_s:
            p50, p99 = (1000 * np.quantile(self.fan_out_s, q) for q in (0.5, 0.99))
            fan_out = f"; fan-out median {p50:.1f} ms, p99 {p99:.1f} ms of {len(self.fan_out_s)}"
        return (
            f"load: {self.watchers:3d} watchers: {commit} of {len(self.commit_s)} words{fan_out}; daemon "
            f"{100 * self.daemon_cpu:.0f} % of a core, {self.daemon_mb:.0f} MB; "
            f"engine {100 * self.engine_cpu:.0f} % of a core, {self.engine_mb:.0f} MB"
        )


async def measure(model: Path, folder: Path, stream: Counted, crowds: Sequence[int], idle: int) -> list[Spoken]:
    """Speak a stream once for each crowd; while there is one, so many sessions are open in which nobody speaks."""
    async with host(model, folder, LIMITS) as daemon:
        spoken = []
        for watchers in crowds:
            async with waiting(daemon, idle if watchers else 0):
                spoken.append(await speak(daemon, stream, watchers))
    return spoken


@asynccontextmanager
async def waiting(daemon: Host, sessions: int) -> AsyncIterator[None]:
    """Have sessions open in which nobody says anything."""
    async with AsyncExitStack() as stack:
        for _ in range(sessions):
            await stack.enter_async_context(connect(daemon.url, Hello(audio=FORMAT)))
        yield


async def speak(daemon: Host, stream: Counted, watchers: int) -> Spoken:
    """Speak a stream in real time while so many watch."""
    spoken, told_s = Spoken(watchers), dict[str, float]()
    async with connect(daemon.url, Hello(audio=FORMAT)) as client:
        crowd = await _crowd(daemon, client.session, watchers) if watchers else None
        before, started_s = _cpu_s(daemon), time.monotonic()
        sent_s: list[float] = []
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_say(client, stream, sent_s))
            async for event in client:
                _note(spoken, event, sent_s, told_s)
        taken_s = time.monotonic() - started_s
        daemon_s, engine_s = (now - then for now, then in zip(_cpu_s(daemon), before, strict=True))
        spoken.daemon_cpu, spoken.engine_cpu = daemon_s / taken_s, engine_s / taken_s
        held = await look(daemon, 0.0)
        spoken.daemon_mb, spoken.engine_mb = held.daemon_mb, held.engine_mb
        if crowd is not None:
            output, _ = await crowd.communicate()
            _compare(spoken, json.loads(output), told_s)
    return spoken


async def _crowd(daemon: Host, session: str, watchers: int) -> asyncio.subprocess.Process:
    """Start the watchers and wait until all of them watch."""
    words = ("-m", "tests.helpers.many_watchers", str(daemon.port), session, str(watchers))
    crowd = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=asyncio.subprocess.PIPE, cwd=ROOT, limit=2**26
    )
    assert crowd.stdout is not None
    assert await crowd.stdout.readline() == b"watching\n"
    return crowd


async def _say(client: AmanuensisClient, stream: Counted, sent_s: list[float]) -> None:
    """Send the sound in real time, and note when each chunk went."""
    pcm, n_bytes, due_s = stream.pcm, round(CHUNK_S * RATE) * FORMAT.frame_bytes, time.monotonic()
    for start in range(0, len(pcm), n_bytes):
        due_s += CHUNK_S
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        sent_s.append(time.monotonic())
        await client.send_audio(pcm[start : start + n_bytes])
    await client.end()


def _note(spoken: Spoken, event: Event, sent_s: list[float], told_s: dict[str, float]) -> None:
    now_s = time.monotonic()
    if event["type"] == "partial":
        told_s[f"{event['utt']}.{event['rev']}"] = now_s
    elif "seq" in event:
        told_s[str(event["seq"])] = now_s
        spoken.events.append(event)
    if event["type"] == "commit":
        chunks = (min(int(word["to"] / 1000 / CHUNK_S), len(sent_s) - 1) for word in event["words"])
        spoken.commit_s += [now_s - sent_s[chunk] for chunk in chunks]


def _compare(spoken: Spoken, times: Times, told_s: dict[str, float]) -> None:
    """Note how long events took to all watchers, and which durable ones did not come to each of them once."""
    for key, came_s in times.items():
        first_s = min([*came_s, told_s.get(key, came_s[0])])
        spoken.fan_out_s += [at_s - first_s for at_s in came_s]
    spoken.untold = sum(len(times.get(str(event["seq"]), [])) != spoken.watchers for event in spoken.events)


def _cpu_s(daemon: Host) -> tuple[float, float]:
    """Return the seconds of CPU that daemon and engine have taken."""
    (engine,) = daemon.engines()
    daemon_s, engine_s = (
        sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])) / TICKS_S
        for pid in (daemon.pid, engine)
    )
    return daemon_s, engine_s
