"""Brings what the sessions of a front have kept to the store: what has come meanwhile goes in one call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from amanuensis.daemon.fronts.link import StoreLink, StoreLostError
from amanuensis.daemon.fronts.messages import Answer, Times, Write
from amanuensis.daemon.fronts.shared_store import SharedStore

log = logging.getLogger(__name__)

AGAIN_S: Final = 0.1  # after a call that was not answered, or was answered with `wait`


class Courier:
    """Brings writes.

    Args:
        link: to the store.
        front: whose sessions they are of.
        times: how long is waited.
        on_lost: told once when the store has not answered for too long.

    Attributes:
        is_lost: it has not, up to now.

    """

    def __init__(self, link: StoreLink, front: str, times: Times, on_lost: Callable[[], None] = lambda: None) -> None:
        self.is_lost = False
        self._link = link
        self._front = front
        self._times = times
        self._on_lost = on_lost
        self._waiting: dict[SharedStore, None] = {}
        self._awake = asyncio.Event()

    def wake(self, store: SharedStore) -> None:
        """Take note that a session has something to be brought."""
        self._waiting[store] = None
        self._awake.set()

    async def run(self) -> None:
        """Bring what there is, for good."""
        while True:
            await self._awake.wait()
            self._awake.clear()
            stores, self._waiting = self._waiting, {}
            writes = {store: write for store in stores if (write := store.take()) is not None}
            if writes:
                answers = await self._bring(list(writes.values()))
                for store, answer in zip(writes, answers, strict=True):
                    self._answer(store, answer)

    def _answer(self, store: SharedStore, answer: Answer) -> None:
        try:
            is_again = store.answered(answer)
        except Exception:  # one session must not keep the others from being told
            log.exception("session %s: stopped being told", store.name)
            return
        if is_again:
            wait_s = 0.0 if answer.kind == "behind" else AGAIN_S
            asyncio.get_running_loop().call_later(wait_s, self.wake, store)

    async def _bring(self, writes: Sequence[Write]) -> list[Answer]:
        """Have the store take writes, however long that takes."""
        loop = asyncio.get_running_loop()
        since_s = loop.time()
        while True:
            try:
                answers: list[Answer] = await self._link.call("write", self._front, writes, limit_s=self._times.call_s)
            except StoreLostError as error:
                if not self.is_lost and loop.time() - since_s > self._times.lost_s:
                    self.is_lost = True
                    log.error("the store of the fronts does not answer: clients are sent to other fronts: %s", error)
                    self._on_lost()
                await asyncio.sleep(AGAIN_S)
            else:
                self.is_lost = False
                return answers
