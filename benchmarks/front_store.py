"""How long a front waits for the store that it shares with others: a Ray actor, and Redis in its place.

    PYTHONPATH=FOLDER_WITH_REDIS python -m amanuensis.benchmarks.front_store --cluster HOST:PORT [--redis HOST:PORT]

Each writer appends records to its own session and waits for every answer, as a front does. Redis does the least that
keeps the promise: a script that compares the epoch, appends, and puts the record into a list for those who follow.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

from amanuensis.benchmarks.common import commit
from amanuensis.daemon.fronts.messages import Answer, Patch, Write
from amanuensis.daemon.fronts.ray_link import RayLink
from amanuensis.daemon.fronts.settings import FrontSettings

SIZES: Final = {"record_500_bytes": 500, "chunk_6400_bytes": 6400}
WRITERS: Final = (1, 16)
APPENDS: Final = 1600  # of each way, shared by the writers
WARM_UP: Final = 64
LIMIT_S: Final = 10.0
LOG: Final = "audio-00000000.log"
SCRIPT: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('APPEND', KEYS[2], ARGV[2])
redis.call('RPUSH', KEYS[3], ARGV[2])
redis.call('LTRIM', KEYS[3], -1024, -1)
return 1
"""

Append: TypeAlias = Callable[[int, bytes], Awaitable[None]]  # of a writer, and its bytes


class RayStore:
    """Appends through the actor, one call each, or one call for all writers."""

    def __init__(self, link: RayLink, writers: int) -> None:
        self._link = link
        self._front = f"bench/{secrets.token_hex(4)}"
        self._names = [secrets.token_hex(6) for _ in range(writers)]
        self._sizes = [0] * writers
        self._number = 1

    def _write(self, writer: int, data: bytes) -> Write:
        offset, self._number = self._sizes[writer], self._number + 1
        self._sizes[writer] += len(data)
        sizes = {LOG: self._sizes[writer]}
        return Write(self._names[writer], 1, self._number, (Patch(LOG, offset, data),), sizes, is_first=offset == 0)

    async def append(self, writer: int, data: bytes) -> None:
        """Append to the session of a writer."""
        await self._call([self._write(writer, data)])

    async def append_together(self, _: int, data: bytes) -> None:
        """Append to the sessions of all writers in one call, as the front of them does."""
        await self._call([self._write(writer, data) for writer in range(len(self._names))])

    async def forget(self) -> None:
        """Leave nothing behind."""
        self._number += 1
        await self._call([Write(name, 1, self._number, then="forget") for name in self._names])

    async def _call(self, writes: Sequence[Write]) -> None:
        answers: list[Answer] = await self._link.call("write", self._front, writes, limit_s=LIMIT_S)
        assert {answer.kind for answer in answers} == {"kept"}


class RedisStore:
    """Appends through a script of Redis."""

    def __init__(self, client: Any, writers: int) -> None:
        self._client = client
        self._names = [secrets.token_hex(6) for _ in range(writers)]
        self._script = client.register_script(SCRIPT)

    async def open(self) -> None:
        """Give each writer its session."""
        for name in self._names:
            await self._client.set(f"{name}:epoch", "1")

    async def append(self, writer: int, data: bytes) -> None:
        """Append to the session of a writer."""
        name = self._names[writer]
        assert await self._script(keys=[f"{name}:epoch", f"{name}:log", f"{name}:news"], args=["1", data])

    async def forget(self) -> None:
        """Leave nothing behind."""
        for name in self._names:
            await self._client.delete(f"{name}:epoch", f"{name}:log", f"{name}:news")


async def measured(append: Append, writers: int, n_bytes: int) -> dict[str, float]:
    """Return the median and the 95th percentile of the waits of some writers, in ms."""
    waits_s: list[float] = []
    data = secrets.token_bytes(n_bytes)

    async def write(writer: int) -> None:
        for n in range((APPENDS + WARM_UP) // writers):
            started_s = time.perf_counter()
            await append(writer, data)
            if n >= WARM_UP // writers:
                waits_s.append(time.perf_counter() - started_s)

    await asyncio.gather(*(write(writer) for writer in range(writers)))
    return percentiles(waits_s)


def percentiles(waits_s: Sequence[float]) -> dict[str, float]:
    """Return the median and the 95th percentile in ms."""
    ordered = sorted(waits_s)
    at = {"p50_ms": 0.5, "p95_ms": 0.95}
    return {name: round(1000 * ordered[int(part * len(ordered))], 3) for name, part in at.items()}


async def run(cluster: str, redis_at: str | None) -> dict[str, Any]:
    """Measure both, one after the other for each case."""
    found: dict[str, Any] = {"commit": commit(), "appends": APPENDS}
    client: Any = None
    if redis_at is not None:
        host, _, port = redis_at.rpartition(":")
        client = importlib.import_module("redis.asyncio").Redis(host=host, port=int(port))
    with tempfile.TemporaryDirectory() as folder:
        link = RayLink(FrontSettings(folder=folder), cluster)
        await link.call("register", "bench/0", limit_s=60.0)
        for size, n_bytes in SIZES.items():
            for writers in WRITERS:
                case = found[f"{size}, {writers} writers"] = {}
                ray = RayStore(link, writers)
                case["ray_actor"] = await measured(ray.append, writers, n_bytes)
                case["ray_actor_together"] = await measured(ray.append_together, 1, n_bytes)
                await ray.forget()
                if client is not None:
                    other = RedisStore(client, writers)
                    await other.open()
                    case["redis"] = await measured(other.append, writers, n_bytes)
                    await other.forget()
    if client is not None:
        await client.aclose()
    return found


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(prog="python -m amanuensis.benchmarks.front_store", description=__doc__)
    parser.add_argument("--cluster", default="auto", help="HOST:PORT of a Ray cluster that this machine is a node of")
    parser.add_argument("--redis", help="HOST:PORT of a Redis server; needs the package redis")
    chosen = parser.parse_args()
    print(json.dumps(asyncio.run(run(chosen.cluster, chosen.redis)), indent=1))


if __name__ == "__main__":
    main()
