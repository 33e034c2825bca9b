"""A question to the store that may wait for it: it may be starting again."""

from __future__ import annotations

import asyncio
from typing import Any

from amanuensis.daemon.fronts.courier import AGAIN_S
from amanuensis.daemon.fronts.link import StoreLink, StoreLostError
from amanuensis.daemon.fronts.messages import Copy, Times
from amanuensis.daemon.hub import TRY_AGAIN
from amanuensis.daemon.protocol import ProtocolError


async def ask(link: StoreLink, times: Times, method: str, *args: Any, **named: Any) -> Any:
    """Call a method of the store, again and again for a while.

    Raises:
        ProtocolError: it does not answer; another front may do better.

    """
    loop = asyncio.get_running_loop()
    until_s = loop.time() + times.lost_s
    while True:
        try:
            return await link.call(method, *args, limit_s=times.call_s, **named)
        except StoreLostError as error:
            if loop.time() >= until_s:
                message = f"the store that this server shares with others does not answer: {error}; connect again"
                raise ProtocolError("full", message, TRY_AGAIN) from None
        await asyncio.sleep(AGAIN_S)


async def ask_copy(link: StoreLink, times: Times, session: str, *, events_only: bool = False) -> Copy | None:
    """Return a copy of a session, once the store knows what there is of it; None: there is no such session.

    Raises:
        ProtocolError: as `ask`.

    """
    loop = asyncio.get_running_loop()
    until_s = loop.time() + times.lost_s
    while True:
        copy: Copy | None = await ask(link, times, "copy", session, events_only=events_only)
        if copy is None or not copy.is_awaited:
            return copy
        if loop.time() >= until_s:
            raise ProtocolError("full", f"session {session!r} is not known yet; connect again", TRY_AGAIN)
        await asyncio.sleep(AGAIN_S)
