"""Several daemons in one process that share their sessions, and a store that dies, forgets, and is cut off."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from amanuensis.daemon.addresses import Address
from amanuensis.daemon.config import Config, LimitSettings, ServerSettings
from amanuensis.daemon.fronts.front import Front
from amanuensis.daemon.fronts.keeper import FrontKeeper
from amanuensis.daemon.fronts.link import StoreLink, StoreLostError
from amanuensis.daemon.fronts.messages import Times
from amanuensis.daemon.fronts.store import FrontStore
from amanuensis.daemon.server import Daemon
from amanuensis.daemon.spool.spool_folder import SpoolFolder
from tests.helpers.daemon_client import TestClient
from tests.helpers.tone_engine import ToneEngine, ToneTokenizer

ROOM = 2**30
QUICK = Times(lease_s=1.0, settle_s=2.0, fill_s=6.0, adopt_s=0.5, handover_s=1.0, lost_s=2.5, call_s=0.7)


class Depot:
    """A store, and whoever takes its place.

    Args:
        folder: of its disk.
        times: how long is waited.

    Attributes:
        store: None while there is none.

    """

    def __init__(self, folder: Path, times: Times = QUICK) -> None:
        self.folder = folder
        self.times = times
        self.store: FrontStore | None = None
        self._elsewhere = folder.with_name(f"{folder.name}-elsewhere")
        self._newest = ""
        self.start()

    def start(self) -> None:
        """Have a store on what the last one has left."""
        self.store = FrontStore(self.folder, self.times, newest=self._newest)
        self._newest = self.store.era

    def kill(self) -> None:
        """Have none."""
        if self.store is not None:
            self.store.close()
        self.store = None

    def move(self) -> None:
        """Have none; the next one is at the other machine, where it may have been before."""
        self.kill()
        self.folder, self._elsewhere = self._elsewhere, self.folder

    def lose_disk(self) -> None:
        """Have none, and nothing of what it knew."""
        self.kill()
        shutil.rmtree(self.folder)


class Wire:
    """The way from one front to the store.

    Attributes:
        is_cut: nothing passes.
        loses_answers: what is asked is done, and nobody hears of it.

    """

    def __init__(self, depot: Depot) -> None:
        self.is_cut = False
        self.loses_answers = False
        self._depot = depot

    @property
    def _store(self) -> FrontStore | None:
        return self._depot.store

    async def call(self, method: str, *args: Any, limit_s: float, **named: Any) -> Any:
        await asyncio.sleep(0)
        store = self._store
        if self.is_cut or store is None:
            raise StoreLostError("cut off")
        answer = await getattr(store, method)(*args, **named)
        await asyncio.sleep(0)
        if self.is_cut or self.loses_answers or store is not self._store:
            raise StoreLostError("the answer is lost")
        return answer


class Way(Wire):
    """The way of one front to a store that is elsewhere.

    Args:
        link: to it.

    """

    def __init__(self, link: StoreLink) -> None:
        self.is_cut = False
        self.loses_answers = False
        self._link = link

    async def call(self, method: str, *args: Any, limit_s: float, **named: Any) -> Any:
        if self.is_cut:
            raise StoreLostError("cut off")
        return await self._link.call(method, *args, limit_s=limit_s, **named)


@dataclass
class RunningFront:
    """A daemon among others.

    Attributes:
        name: of the front.
        daemon: of it.
        address: where clients find it.
        wire: to the store.

    """

    name: str
    daemon: Daemon
    address: Address
    wire: Wire
    _front: Front = field(repr=False)
    _stack: AsyncExitStack = field(repr=False)

    async def kill(self) -> None:
        """Have it vanish as far as others can see: it reaches no store and no client any more."""
        self.wire.is_cut = True
        for session in self.daemon.sessions.live:
            for client in list(session.hub.clients):
                client.abandon(1011, "killed")
        self._front._times = replace(QUICK, lost_s=0.0)  # the dead wait for nothing
        await self._stack.aclose()

    async def stop(self) -> None:
        """End it in good order."""
        await self._stack.aclose()


@asynccontextmanager
async def front(
    name: str, folder: Path, wire: Wire, times: Times = QUICK, *, is_recording: bool = False, **limits: Any
) -> AsyncIterator[RunningFront]:
    """Run one front."""
    async with AsyncExitStack() as stack:
        spool = SpoolFolder(folder / name, "spool.max_bytes", ROOM)
        recordings = SpoolFolder(folder / f"{name}-recordings", "recording.max_bytes", ROOM) if is_recording else None
        keeper = FrontKeeper(spool, recordings, "asked" if is_recording else "off")
        stack.callback(keeper.close)
        keeper.front = shared = Front(wire, keeper, name, times)
        config = Config(ServerSettings("127.0.0.1:0"), limits=LimitSettings(**limits))
        daemon = Daemon(config, ToneEngine(), ToneTokenizer(), keeper=keeper, front=shared)
        address = await stack.enter_async_context(daemon.listening())
        yield RunningFront(name, daemon, address, wire, shared, stack)


async def begin(client: TestClient, chunks: Sequence[bytes]) -> dict[str, Any]:
    """Speak the beginning, until some of it is committed; return the `ready`."""
    ready = await client.until(type="ready")
    for chunk in chunks:
        await client.send(chunk)
    await client.until(type="commit")
    return ready


async def finish(client: TestClient, chunks: Sequence[bytes]) -> None:
    """Speak what the session wants next of all chunks, and end it."""
    ready = await client.until(type="ready")
    for chunk in chunks[ready["next"] :]:
        await client.send(chunk)
    await client.send({"type": "end"})
    assert await client.over() == (1000, "end")
