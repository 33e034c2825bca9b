"""The page as a source for OBS: text on nothing at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from amanuensis.daemon.config import Config, ServerSettings
from amanuensis.daemon.server import Daemon
from amanuensis.daemon.token_file import write_tokens
from amanuensis.daemon.tokens import TokenTable, new_token
from tests.helpers.browser import Tab
from tests.helpers.captions_page import COMMITTED, PARTIAL, STATE
from tests.helpers.daemon_client import connected, cut, hello, pcm, running
from tests.helpers.png import read_png
from tests.helpers.tone_engine import ToneEngine, ToneTokenizer, say

pytestmark = pytest.mark.asyncio(loop_scope="session")

WORDS = [0, 1, 2, 3, 4, 5, 6, 0, 1, 2]
CHUNKS = cut(pcm(say(WORDS)), [3200])
LINES = "document.getElementById('text').clientHeight / 60"
GREEN = (0, 255, 0)
MEDIA = [{"name": "prefers-color-scheme", "value": "dark"}, {"name": "prefers-reduced-motion", "value": "reduce"}]
# Becomes "gone" once text was shown and has faded away again.
WATCH_FADE = """{
  const text = document.getElementById("text"), { dataset, classList } = document.body;
  new MutationObserver(() => {
    if (text.innerText && !classList.contains("faded")) dataset.text = "shown";
    else if (dataset.text === "shown" && classList.contains("faded") && !text.innerText) dataset.text = "gone";
  }).observe(document.body, { childList: true, subtree: true, attributeFilter: ["class"] });
}"""


async def test_overlay_is_transparent_but_for_its_text(tab: Tab) -> None:
    """Nothing is painted before somebody speaks; then lines stand in their place and colour, and the rest is clear."""
    query = "overlay=1&lines=2&size=60&position=top-left&width=60&color=00ff00&background=0000&fade=0&partial=0"
    async with running() as (_, address), connected(address, hello()) as speaker:
        await speaker.until(type="ready")
        await tab.call("Emulation.setEmulatedMedia", features=MEDIA)
        await tab.go(f"http://{address}/captions?{query}")
        await tab.until(f"{STATE} === 'live'")
        assert not read_png(await tab.picture())[..., 3].any()
        for chunk in CHUNKS:
            await speaker.send(chunk)
        await tab.until(f"{COMMITTED}.split(' ').length > 7")
        picture = await tab.picture()
        assert 2 * 1.3 <= await tab.value(LINES) <= 2 * 1.3 + 0.5
        assert await tab.value(f"getComputedStyle({PARTIAL} ?? document.createElement('i')).display") in ("none", "")
        pixels = read_png(picture)
        height, width = pixels.shape[:2]
        painted = np.argwhere(pixels[..., 3])
        assert len(painted) > 500
        assert painted.max(axis=0)[0] < height / 2
        assert painted.max(axis=0)[1] < 0.7 * width
        solid = pixels[pixels[..., 3] == 255][:, :3]
        assert len(solid) > 200
        assert (solid == GREEN).all()
        assert tab.problems == []


async def test_text_fades_away_when_nobody_speaks(tab: Tab) -> None:
    """Some time after the last word the picture is clear again, and old words do not come back with new ones."""
    async with running() as (_, address), connected(address, hello()) as speaker:
        await speaker.until(type="ready")
        await tab.call("Emulation.setEmulatedMedia", features=MEDIA)
        await tab.go(f"http://{address}/captions?overlay=1&fade=0.2")
        await tab.until(f"{STATE} === 'live'")
        await tab.value(WATCH_FADE)
        for chunk in CHUNKS:
            await speaker.send(chunk)
        await tab.until("document.body.dataset.text === 'gone'")
        assert not read_png(await tab.picture())[..., 3].any()


async def test_a_wrong_parameter_is_named(tab: Tab) -> None:
    """Whoever sets the overlay up is told which value is wrong and what is allowed."""
    async with running() as (_, address):
        await tab.go(f"http://{address}/captions?overlay=1&size=huge&lines=3&position=left")
        said = (await tab.until("document.getElementById('notice').innerText")).splitlines()
        assert said[0] == "size=huge is not allowed: it must be a number from 8 to 400"
        assert said[1].startswith("position=left is not allowed: it must be one of top, top-left,")
        assert read_png(await tab.picture())[..., 3].any()


async def test_a_token_in_the_address_is_enough_to_watch(tab: Tab, tmp_path: Path) -> None:
    """A source for OBS needs no login: a token that only watches and expires may stand in its address."""
    now = datetime.now(UTC)
    made = [new_token("obs", ["watch"], now, now + timedelta(days=1)), new_token("speaker", ["speak"], now)]
    write_tokens(tmp_path / "tokens.json", TokenTable(tuple(token for token, _ in made)))
    (obs, of_speaker) = (secret for _, secret in made)
    settings = ServerSettings("127.0.0.1:0", tokens_file=str(tmp_path / "tokens.json"))
    daemon = Daemon(Config(settings), ToneEngine(), ToneTokenizer())
    async with daemon.listening() as address, connected(address, hello(auth=of_speaker)) as speaker:
        await speaker.until(type="ready")
        await tab.go(f"http://{address}/captions?overlay=1&token={obs}")
        await tab.until(f"{STATE} === 'live'")
        for chunk in CHUNKS:
            await speaker.send(chunk)
        assert await tab.until(f"{COMMITTED}.split(' ').length > 3")
