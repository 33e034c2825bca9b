"""A real browser for tests: Chromium without a window, spoken to by the Chrome DevTools Protocol."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0"),
)
# Waits for the page's own changes instead of asking again and again.
UNTIL = """new Promise((done) => {
  const found = () => (%s);
  if (found()) return done(found());
  const observer = new MutationObserver(() => { if (found()) { observer.disconnect(); done(found()); } });
  observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
})"""


def browser_path() -> str | None:
    """Return the browser of this machine, None when there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """One page of the browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = count(1)

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result; AssertionError when the browser refuses it."""
        number = next(self._numbers)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(await self._socket.recv())
            if message.get("id") == number:
                assert "result" in message, message
                result: dict[str, Any] = message["result"]
                return result

    async def go(self, url: str) -> None:
        """Open an address and wait until the page is loaded."""
        await self.call("Page.enable")
        await self.call("Page.navigate", url=url)
        while json.loads(await self._socket.recv()).get("method") != "Page.loadEventFired":
            pass

    async def until(self, expression: str) -> Any:
        """Wait until an expression of JavaScript is true in the page and return its value."""
        answer = await self.call(
            "Runtime.evaluate", expression=UNTIL % expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")


@asynccontextmanager
async def open_tab(folder: Path) -> AsyncIterator[Tab]:
    """Start the browser with a profile of its own in an empty folder, and end it afterwards."""
    path = browser_path()
    assert path is not None
    process = await asyncio.create_subprocess_exec(
        path, *FLAGS, f"--user-data-dir={folder}", "about:blank", stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        while b"DevTools listening on ws://" not in (line := await process.stderr.readline()):
            assert line, "the browser has ended"
        address = line.decode().split("ws://")[1].split("/")[0]
        drain = asyncio.create_task(process.stderr.read())
        async with connect(f"ws://{address}/devtools/page/{await _first_page(line)}", max_size=None) as socket:
            yield Tab(socket)
        drain.cancel()
    finally:
        process.kill()
        await process.wait()


async def _first_page(line: bytes) -> str:
    async with connect(line.decode().split(" on ")[1].strip(), max_size=None) as socket:
        targets = (await Tab(socket).call("Target.getTargets"))["targetInfos"]
        page: str = next(target["targetId"] for target in targets if target["type"] == "page")
        return page
