"""Those who watch sessions here, whichever front has them, and the sessions of others that are followed for them."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from amanuensis.daemon.ended_session import EndedSession
from amanuensis.daemon.fronts.asking import ask_copy
from amanuensis.daemon.fronts.courier import AGAIN_S
from amanuensis.daemon.fronts.crowd import Crowd
from amanuensis.daemon.fronts.followed import FollowedSession
from amanuensis.daemon.fronts.link import StoreLink, StoreLostError
from amanuensis.daemon.fronts.messages import Copy, News, Times
from amanuensis.daemon.journal import JournalLimits
from amanuensis.daemon.spool.header import NAME, read_header
from amanuensis.daemon.spool.log_file import SpoolError

log = logging.getLogger(__name__)

POLL_S: Final = 1.0  # news come at once; without any the store is asked so often


class Followers:
    """The watchers of a front.

    Args:
        link: to the store.
        times: how long is waited.
        limits: of journals.

    Attributes:
        crowds: the clients here, by session.

    """

    def __init__(self, link: StoreLink, times: Times, limits: Callable[[], JournalLimits]) -> None:
        self.crowds: dict[str, Crowd] = {}
        self._link = link
        self._times = times
        self._limits = limits
        self._followed: dict[str, tuple[FollowedSession, asyncio.Task[None]]] = {}

    def crowd(self, name: str) -> Crowd:
        """Return the clients of a session here."""
        return self.crowds.setdefault(name, Crowd())

    async def follow(self, name: str) -> FollowedSession | EndedSession | None:
        """Return a session that another front has, with all that it has said up to now; None: there is none.

        Raises:
            ProtocolError: the store does not answer.

        """
        while (followed := self.find(name)) is not None:
            if await self._refresh(followed, 0.0):
                if not followed.is_gone:  # or nobody had watched it, and it is not followed any more
                    break
            else:
                await asyncio.sleep(AGAIN_S)
        if followed is None:
            copy = await ask_copy(self._link, self._times, name, events_only=True)
            if copy is None:
                return None
            followed = FollowedSession(name, self.crowd(name), self._limits())
            followed.take_copy(copy)
            self._followed[name] = (followed, asyncio.create_task(self._keep_up(followed)))
        return followed.as_ended() if followed.ended else followed

    def find(self, name: str) -> FollowedSession | None:
        """Return a session that is followed."""
        followed, _ = self._followed.get(name, (None, None))
        return None if followed is None or followed.is_gone else followed

    def stop(self, name: str) -> None:
        """Follow a session no more: it is here now."""
        followed, task = self._followed.pop(name, (None, None))
        if followed is not None and task is not None:
            followed.is_gone = True
            task.cancel()

    def tidy(self, is_here: Callable[[str], bool]) -> None:
        """Follow only what somebody watches."""
        for name, crowd in list(self.crowds.items()):
            if not crowd.clients and not is_here(name):
                self.stop(name)
                del self.crowds[name]

    def send_away(self, code: int, why: str) -> None:
        """Close the connections of all who follow."""
        for followed, _ in self._followed.values():
            followed.crowd.send_away(code, why)

    async def close(self) -> None:
        """Follow nothing more."""
        tasks = [task for _, task in self._followed.values()]
        for name in list(self._followed):
            self.stop(name)
        await asyncio.gather(*tasks, return_exceptions=True)

    @staticmethod
    def owns(copy: Copy, token: str) -> bool:
        """Whether a token is the one by which a session is resumed."""
        with TemporaryDirectory(prefix="amanuensis-") as folder:
            (Path(folder) / NAME).write_bytes(copy.files[NAME])
            try:
                header = read_header(Path(folder))
            except SpoolError as error:
                log.warning("%s", error)
                return False
        return hmac.compare_digest(header.resume_token.encode(), token.encode())

    async def _keep_up(self, followed: FollowedSession) -> None:
        while not (followed.is_gone or followed.ended):
            if not await self._refresh(followed, POLL_S):
                await asyncio.sleep(AGAIN_S)

    async def _refresh(self, followed: FollowedSession, wait_s: float) -> bool:
        """Take what the session has said since; return whether the store has answered, and nobody else took it."""
        place = followed.place
        try:
            limit_s = wait_s + self._times.call_s
            news: News = await self._link.call("follow", followed.id, *place, wait_s, limit_s=limit_s)
            copy: Copy | None = None
            if news.is_lost:
                copy = await self._link.call("copy", followed.id, events_only=True, limit_s=self._times.call_s)
        except StoreLostError:
            return False
        if place != followed.place or followed.is_gone:
            return followed.is_gone
        if news.is_gone or (news.is_lost and copy is None):
            followed.is_gone = True
            followed.send_away()
        elif copy is not None and copy.is_awaited:
            return False
        elif copy is not None:
            followed.take_copy(copy)
        else:
            return followed.take_news(news)
        return True
