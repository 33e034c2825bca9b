"""One of several daemons that share their sessions: takes up those of others, hands over, lets go."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from weakref import WeakSet, WeakValueDictionary

from amanuensis.daemon.connection import NOT_ALLOWED
from amanuensis.daemon.ended_session import EndedSession
from amanuensis.daemon.fronts.asking import ask, ask_copy
from amanuensis.daemon.fronts.courier import Courier
from amanuensis.daemon.fronts.crowd import Crowd
from amanuensis.daemon.fronts.followed import FollowedSession
from amanuensis.daemon.fronts.followers import Followers
from amanuensis.daemon.fronts.landing import discard, lay_down
from amanuensis.daemon.fronts.link import StoreLink, StoreLostError
from amanuensis.daemon.fronts.messages import USUAL, Claim, Copy, Times, Welcome, Wishes, Write
from amanuensis.daemon.fronts.mirror import Seen, seen_in
from amanuensis.daemon.fronts.shared_store import NO_ROOM, SharedStore
from amanuensis.daemon.fronts.token_exchange import TokenExchange
from amanuensis.daemon.guarded_store import GuardedStore
from amanuensis.daemon.hub import TRY_AGAIN
from amanuensis.daemon.keeper import Keeper
from amanuensis.daemon.listeners import ServeError
from amanuensis.daemon.live_session import GOING_AWAY, SHUTDOWN, LiveSession
from amanuensis.daemon.protocol import Hello, ProtocolError
from amanuensis.daemon.sessions import FullError, Sessions
from amanuensis.daemon.spool.header import NAME, SessionHeader, read_header
from amanuensis.daemon.spool.log_file import SpoolError
from amanuensis.daemon.spool.recovered import RecoveredSession
from amanuensis.daemon.spool.spool_folder import SpoolFolder
from amanuensis.npu.engine.api import EngineBusyError
from amanuensis.stream.events import Warning  # noqa: A004 - the name on the wire

log = logging.getLogger(__name__)

BEAT_S: Final = 0.5  # a sign of life at least so often; what the front is asked for comes at once
PAUSE_S: Final = 0.05  # between two of them
BEGIN_S: Final = 60.0  # for a store whose process Ray may have to start first
MOVED: Final = "the session goes on at another server; connect again"
LOST: Final = "the store that this server shares with others does not answer"


@dataclass(frozen=True, slots=True)
class Taking:
    """A session on its way here: the epoch under which this front has it, and what the store has of its files."""

    epoch: int
    seen: Seen = field(default_factory=dict)


class Front:
    """A daemon among others.

    Args:
        link: to the store.
        keeper: of its sessions.
        name: of this front; a later run of the same daemon has the same.
        times: how long is waited.

    """

    def __init__(self, link: StoreLink, keeper: Keeper, name: str, times: Times = USUAL) -> None:
        self.name = f"{name}/{secrets.token_hex(4)}"
        self._link = link
        self._keeper = keeper
        self._times = times
        self._courier = Courier(link, self.name, times, self._lose_contact)
        self._followers = Followers(link, times, lambda: self._sessions.journal_limits)
        self._sessions: Sessions
        self._stores: WeakSet[SharedStore] = WeakSet()
        self._era = ""  # of the store
        self._taking: dict[str, Taking] = {}
        self._leaving: set[str] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def trouble(self) -> str:
        """Why no session can be shared now; empty when one can."""
        return LOST if self._courier.is_lost else ""

    # The life of the front

    async def begin(self, sessions: Sessions, tokens: TokenExchange) -> None:
        """Share the sessions and tokens of a daemon from now on, and take up what an earlier run has left.

        Raises:
            ServeError: the store does not answer, or runs another version of this program.

        """
        self._sessions = sessions
        sessions.elsewhere = self
        welcome = await self._register()
        self._spawn(self._courier.run())
        self._spawn(self._beat(tokens))
        for folder in self._keeper.folders:
            for path in folder.left():
                async with self._lock(path.name):
                    if self._sessions.find(path.name) is None:  # nor was it offered as one that has no front
                        await self._take_up_left(folder, path, welcome.born_s)

    async def _register(self) -> Welcome:
        try:
            patient = replace(self._times, lost_s=BEGIN_S)
            welcome: Welcome = await ask(self._link, patient, "register", self.name)
        except ProtocolError as error:
            raise ServeError(str(error)) from None
        if welcome.version != version("amanuensis"):
            raise ServeError(
                f"the store of the fronts runs amanuensis {welcome.version}, and this is {version('amanuensis')}: "
                "install the same on all machines, stop all fronts, and end the store (docs/fronts.md)"
            )
        return welcome

    async def close(self) -> None:
        """Let other fronts have the sessions, once those are suspended."""
        waiting = [asyncio.ensure_future(store.kept()) for store in list(self._stores)]
        if waiting:
            await asyncio.wait(waiting, timeout=2 * self._times.call_s)
        tasks = [*waiting, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._followers.close()

    async def _beat(self, tokens: TokenExchange) -> None:
        """Give signs of life, and do what is asked for."""
        while True:
            info = self._sessions.engine_info
            engine = {"encoder": info.encoder, "decoder": info.decoder, "model": info.model, "why": info.why}
            try:
                wishes: Wishes = await self._link.call(
                    "beat", self.name, engine, BEAT_S, limit_s=BEAT_S + self._times.call_s
                )
                await tokens.follow(self._link, self.name, wishes, self._times)
            except StoreLostError:
                wishes = Wishes(era=self._era)
            if wishes.era != self._era:  # a store that took the place of another is told what there is
                self._era = wishes.era
                for store in list(self._stores):
                    store.touch()
            for name in wishes.wanted:
                if name not in self._leaving:
                    self._leaving.add(name)
                    self._spawn(self._hand_over(name))
            for name in wishes.orphans:
                if self._sessions.find(name) is None and self._sessions.refusal() is None:
                    await self._adopt(name)
            self._followers.tidy(lambda name: self._sessions.find(name) is not None)
            await asyncio.sleep(PAUSE_S)

    # Shares

    def share(self, store: GuardedStore, header: SessionHeader, tell: Callable[[Warning], None]) -> SharedStore:
        """Share a session that was just opened."""
        return self._shared(store, header, tell, Taking(1), Crowd(), is_first=True)

    def share_again(self, store: GuardedStore, found: RecoveredSession, tell: Callable[[Warning], None]) -> SharedStore:
        """Share a session that was taken up; who watched it here is told what has come since."""
        crowd = self._followers.crowd(found.header.id)
        if crowd.clients:
            for entry in found.journal.replay(crowd.seq):
                crowd.tell(entry)
        crowd.seq = max(crowd.seq, found.journal.last_seq)
        taking = self._taking.pop(found.header.id)
        return self._shared(store, found.header, tell, taking, crowd, newest_chunk=found.place.next_chunk - 1)

    def _shared(
        self,
        store: GuardedStore,
        header: SessionHeader,
        tell: Callable[[Warning], None],
        taking: Taking,
        crowd: Crowd,
        **more: Any,
    ) -> SharedStore:
        self._followers.crowds[header.id] = crowd
        shared = SharedStore(
            store,
            header.id,
            taking.epoch,
            self._courier,
            crowd,
            opened_s=header.opened.wall_s,
            frame_bytes=header.audio.frame_bytes,
            seen=taking.seen,
            on_fenced=lambda store: self._spawn(self._let_go(store)),
            on_full=lambda _: tell(Warning("spool_stopped", f"this session would not survive this server: {NO_ROOM}")),
            **{"is_first": False} | more,
        )
        self._stores.add(shared)
        return shared

    # Sessions that come

    async def bring(self, hello: Hello) -> None:
        """Have the session here that a speaker comes back to, if another front has it or had it.

        Raises:
            FullError: there is no room for it.
            ProtocolError: the token is wrong, or the store does not answer.

        """
        name = hello.session or ""
        if self._sessions.find(name) is not None:
            return
        async with self._lock(name):
            copy = await self._copy(name) if self._sessions.find(name) is None else None
            if copy is None or NAME not in copy.files:
                return
            if not self._followers.owns(copy, hello.resume_token or ""):
                raise ProtocolError("wrong_resume_token", f"this is not the resume_token of {name!r}", NOT_ALLOWED)
            if (full := self._sessions.refusal()) is not None:
                raise FullError(full)
            claim = await self._claim(name)
            if claim.kind == "granted":
                await self._go_on(name, claim.epoch)
            elif claim.kind != "unknown":
                raise ProtocolError("full", f"session {name!r} is not free yet; connect again", TRY_AGAIN)

    async def follow(self, name: str) -> LiveSession | FollowedSession | EndedSession | None:
        """Return a session that another front has, for watchers; None: there is none."""
        async with self._lock(name):
            return self._sessions.find(name) or await self._followers.follow(name)

    def followed(self, name: str) -> FollowedSession | None:
        """Return a session that is followed here, or was just asked for."""
        return self._followers.find(name)

    async def newest(self) -> str | None:
        """Return the name of the session that was opened last at any front and goes on."""
        newest: str | None = await self._ask("newest")
        return newest

    async def _adopt(self, name: str) -> None:
        """Go on with a session that has no front."""
        async with self._lock(name):
            if self._sessions.find(name) is not None:
                return
            claim: Claim = await self._ask("claim", self.name, name, ask=False)
            if claim.kind == "granted":
                await self._go_on(name, claim.epoch)

    async def _take_up_left(self, folder: SpoolFolder, path: Path, born_s: float) -> None:
        """Go on with a session that an earlier run of this front has left, unless another front has it."""
        try:
            header = read_header(path)
        except SpoolError as error:
            log.warning("%s", error)
            folder.set_aside(path)
            return
        claim = await self._claim(path.name, ask=False)
        if claim.kind == "granted":
            await self._go_on(path.name, claim.epoch, is_own=True)
        elif claim.kind in ("unknown", "wait") and header.opened.wall_s < born_s:  # the store has lost what it knew
            self._take_up(folder, path, Taking(1), is_own=True)
        else:
            discard(folder, path, self._sessions.journal_limits)

    async def _claim(self, name: str, *, ask: bool = True) -> Claim:
        """Ask for a session until it is clear who has it, or for long; a front that does not hand it over loses it."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._times.handover_s
        while True:
            claim: Claim = await self._ask("claim", self.name, name, wait_s=BEAT_S, ask=ask)
            if claim.kind == "held" and ask and loop.time() >= until_s:
                log.warning("session %s: %s does not hand it over; it is taken from it", name, claim.owner)
                claim = await self._ask("claim", self.name, name, force=True)
            is_late = loop.time() >= until_s
            if claim.kind in ("granted", "unknown") or (claim.kind == "held" and not ask) or is_late:
                return claim

    async def _go_on(self, name: str, epoch: int, *, is_own: bool = False) -> None:
        """Take up a session that was granted."""
        copy = await self._copy(name)
        if copy is None:
            return
        self._followers.stop(name)
        try:
            folder, path = lay_down(self._keeper, name, copy.files)
        except SpoolError as error:
            log.error("session %s: cannot be taken up here: %s", name, error)
            await self._give_back(name, epoch)
            return
        if not self._take_up(folder, path, Taking(epoch, seen_in(path)), is_own=is_own):
            await self._give_back(name, epoch)

    def _take_up(self, folder: SpoolFolder, path: Path, taking: Taking, *, is_own: bool) -> bool:
        self._taking[path.name] = taking
        try:
            found = RecoveredSession(path, self._sessions.journal_limits)
            self._sessions.take_up(folder, found, is_own=is_own)
        except (SpoolError, EngineBusyError) as error:
            log.error("session %s: cannot be taken up here: %s", path.name, error)
        except Exception:
            log.exception("session %s: cannot be taken up here", path.name)
        else:
            return True
        finally:
            self._taking.pop(path.name, None)
        if self._sessions.find(path.name) is None:
            discard(folder, path, self._sessions.journal_limits)
        return False

    async def _give_back(self, name: str, epoch: int) -> None:
        if self._sessions.find(name) is None:
            await self._ask("write", self.name, [Write(name, epoch, 2**62, then="release")])

    # Sessions that go

    async def _hand_over(self, name: str) -> None:
        """Have the store take the last of a session, and let another front have it."""
        try:
            async with self._lock(name):
                session = self._sessions.find(name)
                store = session.store if session is not None else None
                if isinstance(store, SharedStore):
                    store.shared_hub.mute()
                    await self._stop(name)
                    await store.kept()
                    await self._watch_from_afar(name)
        except ProtocolError:  # another front has it already
            log.info("session %s: was taken meanwhile", name)
        finally:
            self._leaving.discard(name)

    async def _let_go(self, store: SharedStore) -> None:
        """Stop with a session that another front has, and tell nobody."""
        log.warning("session %s: another front has it", store.name)
        store.shared_hub.turn_back(GOING_AWAY, MOVED)
        async with self._lock(store.name):
            session = self._sessions.find(store.name)
            if session is not None and session.store is store:
                if isinstance(session, LiveSession):
                    session.forsaken_bytes = store.unkept_bytes
                await self._stop(store.name)
                await self._watch_from_afar(store.name)

    async def _stop(self, name: str) -> None:
        """Have a session stop at once, as if the process had died; its watchers stay."""
        session = self._sessions.find(name)
        if isinstance(session, LiveSession):
            if session.speaker is not None:
                session.speaker.abandon(GOING_AWAY, MOVED)
                session.speaker = None
            session.ending = session.ending or SHUTDOWN  # whoever speaks into it here begins another
            if session.task is not None:
                session.task.cancel()
                await asyncio.gather(session.task, return_exceptions=True)
            session = self._sessions.find(name)
        if isinstance(session, EndedSession):
            self._sessions.drop_ended(name)
            session.store.suspend()

    async def _watch_from_afar(self, name: str) -> None:
        """Remove what is here of a session that went, and have its watchers follow it where it is."""
        for folder in self._keeper.folders:
            for path in folder.left():
                if path.name == name:
                    discard(folder, path, self._sessions.journal_limits)
        self._sessions.on_over(name)
        if self._followers.crowd(name).clients and await self._followers.follow(name) is None:
            self._followers.crowd(name).send_away(GOING_AWAY, MOVED)

    def _lose_contact(self) -> None:
        """Send all clients to other fronts: nothing can be told here."""
        for store in list(self._stores):
            store.shared_hub.send_away(GOING_AWAY, LOST)
        self._followers.send_away(GOING_AWAY, LOST)

    # The store

    async def _copy(self, name: str) -> Copy | None:
        return await ask_copy(self._link, self._times, name)

    async def _ask(self, method: str, *args: Any, **named: Any) -> Any:
        """Call the store; wait for it a while.

        Raises:
            ProtocolError: it does not answer; another front may do better.

        """
        return await ask(self._link, self._times, method, *args, **named)

    def _lock(self, name: str) -> asyncio.Lock:
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = asyncio.Lock()
        return lock

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the sharing of sessions has a fault", exc_info=error)
