"""A question to the store that may wait for it: it may be starting again."""

from __future__ import annotations

import asyncio
from typing import Any

from amanuensis.daemon.fronts.courier import AGAIN_S
from amanuensis.daemon.fronts.link import StoreLink, StoreLostError
from amanuensis.daemon.fronts.messages import Times
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
