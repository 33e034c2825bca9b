"""The store that fronts share: who has which session, and its files, so that any front can go on with any session.

It answers a write once the files hold it: they survive its own death. A store that begins on another machine knows
nothing, and is filled by the fronts from their spools.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgpack

from amanuensis.daemon.fronts.holdings import Holdings
from amanuensis.daemon.fronts.messages import (
    USUAL,
    Answer,
    Claim,
    Copy,
    EventMap,
    News,
    Times,
    Welcome,
    Wishes,
    Write,
)
from amanuensis.daemon.fronts.vault import Vault

log = logging.getLogger(__name__)

MAX_BYTES: Final = 2**32
MAX_FRONTS: Final = 256  # whose tokens are known; those that offered theirs longest ago are forgotten
RING: Final = 1024  # events of a session that wait for those who follow it
FOLLOWED_S: Final = 3.0  # who follows asks at least so often
EVENT_FILES: Final = ("session.log", "events-")  # what a journal is made of


@dataclass(slots=True)
class Ring:
    """The newest that a session has said: the last of `said` has the number `cursor`."""

    said: deque[EventMap] = field(default_factory=lambda: deque(maxlen=RING))
    cursor: int = 0
    asked_s: float = float("-inf")

    def add(self, events: Sequence[EventMap]) -> None:
        """Take events."""
        self.said.extend(events)
        self.cursor += len(events)

    def after(self, cursor: int) -> tuple[EventMap, ...] | None:
        """Return what was said after a number; None: that is not there any more."""
        n_new = self.cursor - cursor
        if not 0 <= n_new <= len(self.said):
            return None
        return tuple(self.said)[len(self.said) - n_new :]


class FrontStore:
    """Keeps the sessions of all fronts. Its methods are called from one event loop.

    Args:
        folder: for everything that outlives its process.
        times: how long is waited.
        max_bytes: of the files of all sessions.
        newest: era of the store that was last, as the cluster remembers it: what another one has left in the folder is
            out of date, and removed. Empty: nobody remembers, and what is there is taken up.
        clock: seconds.
        wall_clock: seconds since the epoch.

    Attributes:
        era: of this process of the store.

    """

    def __init__(
        self,
        folder: Path,
        times: Times = USUAL,
        max_bytes: int = MAX_BYTES,
        newest: str = "",
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._vault = Vault(folder, max_bytes)
        self._clock = clock
        self.era = secrets.token_hex(8)
        index = self._vault.read_index()
        if index is not None and newest and newest not in index["eras"]:
            log.warning("%s: a store on another machine came after this one; what it left here is removed", folder)
            index = None
        self._eras = [self.era] if index is None else [newest, self.era]  # it may die before the cluster knows of it
        self._born_s: float = wall_clock() if index is None else index["born_s"]
        self._holdings = Holdings(times, clock(), is_new=wall_clock() - self._born_s < times.fill_s)
        if index is not None:
            self._holdings.restore(index, clock())
        for session in self._vault.sessions:
            if session not in self._holdings:
                self._vault.remove(session)
        self._rings: dict[str, Ring] = {}
        self._engines: dict[str, Mapping[str, str]] = {}
        self._changed: dict[str, asyncio.Event] = {}
        self._is_unsaved = False
        self._tokens: dict[str, dict[str, Any]] = {} if index is None else index["tokens"]
        self._mark_tokens()
        self._save()

    def close(self) -> None:
        """Let another store have the folder."""
        self._vault.close()

    async def register(self, front: str) -> Welcome:
        """Welcome a front NAME/RUN; earlier runs of it are dead."""
        self._holdings.register(front, self._clock())
        self._engines = {name: engine for name, engine in self._engines.items() if name in self._holdings.fronts}
        return Welcome(self._born_s, version("amanuensis"))

    async def beat(self, front: str, engine: Mapping[str, str], wait_s: float = 0.0) -> Wishes:
        """Take a sign of life, and what engine a front has; return what it is asked for, at once if it is something."""
        self._holdings.beat(front, self._clock())
        self._engines[front] = engine
        if wait_s and not self._holdings.wanted(front):
            await self._change(front, wait_s)
            self._holdings.beat(front, self._clock())
        return Wishes(self._holdings.wanted(front), self._holdings.orphans(self._clock()), self.era, self._tokens_mark)

    async def offer_tokens(self, front: str, plain: Mapping[str, Any]) -> None:
        """Keep what a front knows of its tokens, hashes only, in the place of what it knew before."""
        name = front.rpartition("/")[0]
        self._tokens.pop(name, None)
        self._tokens[name] = dict(plain)
        while len(self._tokens) > MAX_FRONTS:
            del self._tokens[next(iter(self._tokens))]
        self._mark_tokens()
        self._save()

    async def other_tokens(self, front: str) -> dict[str, dict[str, Any]]:
        """Return the tokens of all fronts but one, by their names."""
        name = front.rpartition("/")[0]
        return {other: plain for other, plain in self._tokens.items() if other != name}

    def _mark_tokens(self) -> None:
        self._tokens_mark = sha256(msgpack.packb(self._tokens)).hexdigest()

    async def write(self, front: str, writes: Sequence[Write]) -> list[Answer]:
        """Keep what a front has to keep, of many sessions; each gets an answer."""
        self._holdings.beat(front, self._clock())
        answers = [self._take(front, write) for write in writes]
        if self._is_unsaved:
            self._save()  # before anybody is told
        return answers

    def _take(self, front: str, write: Write) -> Answer:
        verdict = self._holdings.judge(front, write, self._clock())
        ring = self._rings.setdefault(write.session, Ring()) if verdict != "fenced" else Ring()
        followed = self._clock() - ring.asked_s < FOLLOWED_S
        if verdict in ("fenced", "wait"):
            if verdict == "wait":
                self._vault.remove(write.session)  # what it had of it may be of another time
            return Answer("fenced" if verdict == "fenced" else "wait")
        if verdict == "again":
            return Answer("kept", followed)
        is_whole = bool(write.sizes)  # else it only says what becomes of the session
        if is_whole and not self._vault.fits(write.session, write.patches, write.sizes):
            return Answer("behind", followed)
        if not write.then and not self._vault.has_room(write.patches):
            return Answer("full", followed)
        self._vault.apply(write.session, write.patches)
        self._is_unsaved |= self._holdings.taken(write) or write.then != ""
        ring.add(write.said)
        if write.then == "release":
            self._holdings.release(write.session, self._clock())
        elif write.then == "forget":
            self._forget(write.session)
        if write.said or write.ended or write.then:
            self._tell(write.session)
        return Answer("kept", followed)

    def _forget(self, session: str) -> None:
        self._holdings.forget(session)
        self._vault.remove(session)
        self._rings.pop(session, None)

    async def claim(
        self, front: str, session: str, *, wait_s: float = 0.0, ask: bool = True, force: bool = False
    ) -> Claim:
        """Give a session to a front; where another has it, ask that one for it and wait a while."""
        claim = self._holdings.claim(front, session, self._clock(), ask=ask, force=force)
        if claim.kind == "held" and ask:
            self._tell(claim.owner)
        if claim.kind in ("held", "wait") and wait_s:
            await self._change(session, wait_s)
            claim = self._holdings.claim(front, session, self._clock(), ask=ask, force=force)
        if claim.kind == "unknown":
            self._rings.pop(session, None)
        if claim.kind == "granted":
            log.info("session %s: given to %s, epoch %d", session, front, claim.epoch)
            self._save()
            self._tell(session)
        return claim

    async def copy(self, session: str, *, events_only: bool = False) -> Copy | None:
        """Return the files of a session, and where its news stand; None: there is no such session."""
        if self._holdings.may_come(session, self._clock()):
            return Copy({}, 0, "", is_awaited=True)
        if session not in self._holdings:
            return None
        files = self._vault.read(session, EVENT_FILES if events_only else ("",))
        ring = self._rings.setdefault(session, Ring())
        ring.asked_s = self._clock()
        held = self._holdings[session]
        return Copy(files, ring.cursor, self.era, held.ended, self._engines.get(held.owner, {}))

    async def follow(self, session: str, era: str, cursor: int, wait_s: float = 0.0) -> News:
        """Return what a session has said after `cursor`, at once where it is something."""
        news = self._news(session, era, cursor)
        if wait_s and not (news.said or news.is_lost or news.is_gone or news.ended):
            await self._change(session, wait_s)
            news = self._news(session, era, cursor)
        return news

    def _news(self, session: str, era: str, cursor: int) -> News:
        if self._holdings.may_come(session, self._clock()):
            return News(cursor=cursor, is_lost=True)
        if session not in self._holdings:
            return News(is_gone=True)
        ring = self._rings.setdefault(session, Ring())
        ring.asked_s = self._clock()
        said = ring.after(cursor) if era == self.era else None
        if said is None:
            return News(is_lost=True)
        return News(said, ring.cursor, ended=self._holdings[session].ended)

    async def newest(self) -> str | None:
        """Return the session that was opened last and goes on."""
        return self._holdings.newest()

    async def _change(self, what: str, wait_s: float) -> None:
        """Wait until a session or a front has news, but no longer."""
        changed = self._changed.setdefault(what, asyncio.Event())
        try:
            async with asyncio.timeout(wait_s):
                await changed.wait()
        except TimeoutError:
            self._tell(what)  # others that wait for it ask again

    def _tell(self, what: str) -> None:
        if (changed := self._changed.pop(what, None)) is not None:
            changed.set()

    def _save(self) -> None:
        self._is_unsaved = False
        own = {"born_s": self._born_s, "tokens": self._tokens, "eras": self._eras}
        self._vault.write_index(self._holdings.to_plain() | own)
