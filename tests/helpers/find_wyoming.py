"""Looks for Wyoming as Home Assistant does: `python find_wyoming.py ADDRESS` prints addresses and port of the first.

ADDRESS is that of the interface to look on. It runs by itself in a booted machine.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

KIND = "_wyoming._tcp.local."
ANSWER_MS = 60_000  # only against hanging


async def main(interface: str) -> None:
    """Print what is found."""
    seeker, found = AsyncZeroconf(interfaces=[interface]), asyncio.Queue[str]()

    def note(name: str, **_: Any) -> None:
        found.put_nowait(name)

    browser = AsyncServiceBrowser(seeker.zeroconf, KIND, handlers=[note])
    info = AsyncServiceInfo(KIND, await found.get())
    await info.async_request(seeker.zeroconf, ANSWER_MS)
    print(*info.parsed_addresses(), info.port)
    await browser.async_cancel()
    await seeker.async_close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
