"""A real browser for tests: Chromium without a window, spoken to by the Chrome DevTools Protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncIterator, Sequence
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
FAKE_SOUND = (
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
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


def fake_microphone(sound: Path) -> Sequence[str]:
    """Return flags for a microphone that plays a WAV file once, from when it is opened, without asking the user."""
    return (*FAKE_SOUND, f"--use-file-for-fake-audio-capture={sound}%noloop")


class Tab:
    """One page of the browser.

    Attributes:
        problems: errors that the pages have had so far: exceptions, refused loads, violations of their policy.

    """

    def __init__(self, socket: ClientConnection) -> None:
        self.problems: list[str] = []
        self._socket = socket
        self._numbers = count(1)

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result; AssertionError when the browser refuses it."""
        number = next(self._numbers)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = await self._next()
            if message.get("id") == number:
                assert "result" in message, message
                result: dict[str, Any] = message["result"]
                return result

    async def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self._socket.recv())
        if message.get("method") == "Runtime.exceptionThrown":
            details = message["params"]["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description") or details["text"])
        if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
            self.problems.append(message["params"]["entry"]["text"])
        return message

    async def go(self, url: str) -> None:
        """Open an address and wait until the page is loaded."""
        for domain in ("Page", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        await self.call("Page.navigate", url=url)
        while (await self._next()).get("method") != "Page.loadEventFired":
            pass

    async def value(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript, awaited if it is a promise; it may do what a click may."""
        answer = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def picture(self) -> bytes:
        """Return what is seen as a PNG, on nothing: where the page paints nothing it is transparent."""
        transparent = {"r": 0, "g": 0, "b": 0, "a": 0}
        await self.call("Emulation.setDefaultBackgroundColorOverride", color=transparent)
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])

    async def until(self, expression: str) -> Any:
        """Wait until an expression of JavaScript is true in the page and return its value."""
        return await self.value(UNTIL % expression)


@asynccontextmanager
async def open_tab(folder: Path, flags: Sequence[str] = ()) -> AsyncIterator[Tab]:
    """Start the browser with a profile of its own in a folder, and end it afterwards."""
    path = browser_path()
    assert path is not None
    process = await asyncio.create_subprocess_exec(
        path, *FLAGS, *flags, f"--user-data-dir={folder}", "about:blank", stderr=asyncio.subprocess.PIPE
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
