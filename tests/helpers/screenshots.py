"""Pictures for the documents, from a real run: `script/screenshots`."""

from __future__ import annotations

import asyncio
import base64
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from amanuensis.benchmarks.sound import SAMPLE_RATE, conversation
from amanuensis.daemon.client import Client, Hello, connect
from amanuensis.npu import store
from amanuensis.stream.formats import AudioFormat
from tests.helpers.browser import Tab, open_tab
from tests.helpers.captions_page import COMMITTED, PARTIAL, STATE
from tests.helpers.daemon_process import COMMAND, running_daemon
from tests.helpers.terminal import Screen, run_in_terminal

CHUNK_S = 0.1
WIDTH, HEIGHT = 900, 430
SETTLED_WORDS = 34  # of the conversation, when a picture of it is made
TERMINAL_WORDS = 48
OVERLAY = "overlay=1&lines=2&size=34&fade=0"
BACKDROP = "document.documentElement.style.background = '#3b6a8f'"


async def main(folder: Path) -> None:
    """Make all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, running_daemon(store.builtin_folder(), Path(scratch)) as daemon:
        async with open_tab(Path(scratch) / "browser") as tab:
            await tab.call(
                "Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT, deviceScaleFactor=1, mobile=False
            )
            async with spoken(daemon.url):
                await tab.go(f"http://{daemon.address}/captions")
                await tab.until(f"{STATE} === 'live' && {PARTIAL} && {COMMITTED}.split(' ').length > {SETTLED_WORDS}")
                await shoot(tab, folder / "captions.png")
            async with spoken(daemon.url):
                await tab.go(f"http://{daemon.address}/captions?{OVERLAY}")
                await tab.value(BACKDROP)
                await tab.until(f"{PARTIAL} && {COMMITTED}.split(' ').length > 20")
                await shoot(tab, folder / "overlay.png")
            await terminal(tab, folder / "terminal.png")


async def shoot(tab: Tab, file: Path) -> None:
    """Write what the tab shows."""
    file.write_bytes(base64.b64decode((await tab.call("Page.captureScreenshot", format="png"))["data"]))
    print(f"{file}: {file.stat().st_size} bytes", file=sys.stderr)


@asynccontextmanager
async def spoken(url: str) -> AsyncIterator[None]:
    """Speak the bundled conversation in real time into a session of its own meanwhile."""
    async with connect(url, Hello("speak", AudioFormat("s16le", SAMPLE_RATE, 1))) as client:
        tasks = [asyncio.create_task(_speak(client)), asyncio.create_task(_read(client))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _speak(client: Client) -> None:
    sound = (conversation() * np.iinfo(np.int16).max).astype("<i2")
    step = round(CHUNK_S * SAMPLE_RATE)
    for at in range(0, len(sound), step):
        await client.send_audio(sound[at : at + step].tobytes())
        await asyncio.sleep(CHUNK_S)


async def _read(client: Client) -> None:
    async for _ in client:
        pass


async def terminal(tab: Tab, file: Path) -> None:
    """Run `amanuensis listen` on the conversation and draw its terminal."""
    sound = Path(__file__).resolve().parents[2] / "daemon" / "data" / "demo.flac"
    words = ["listen", "--input", f"file:{sound.name}"]
    screen = await asyncio.to_thread(run_in_terminal, [*COMMAND, *words], sound.parent, _is_full)
    page = base64.b64encode(screen.html(f"$ amanuensis {' '.join(words)}").encode()).decode()
    await tab.call("Emulation.setDeviceMetricsOverride", width=WIDTH, height=300, deviceScaleFactor=1, mobile=False)
    await tab.go(f"data:text/html;charset=utf-8;base64,{page}")
    await shoot(tab, file)


def _is_full(screen: Screen) -> bool:
    lines = [line for line in screen.text.splitlines() if not line.startswith("amanuensis:")]
    return screen.has_grey and len(" ".join(lines).split()) > TERMINAL_WORDS


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
