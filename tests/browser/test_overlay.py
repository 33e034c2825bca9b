"""The page as a source for OBS: text on nothing at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

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


# What is seen of the box of text, in parts of the picture, and how.
LOOK = """(() => {
  const text = document.getElementById("text"), page = getComputedStyle(document.getElementById("page"));
  const { left, right, top, bottom } = text.getBoundingClientRect();
  const { textAlign, webkitTextStrokeWidth, backgroundColor } = getComputedStyle(text);
  return { x: (left + right) / 2 / innerWidth, y: (top + bottom) / 2 / innerHeight, left: left / innerWidth,
           align: textAlign, stroke: parseFloat(webkitTextStrokeWidth),
           box: backgroundColor, font: page.fontFamily, lang: text.lang, text: text.innerText.replace(/\\s+/g, " ") };
})()"""


# Words of a speaker, and some that may still change.
SAY = """Promise.all([import("/page/session_model.js"), import("/page/transcript_view.js")]).then(([m, v]) => {
  const model = new m.SessionModel(), view = new v.TranscriptView(document.getElementById("text"));
  const words = [{ text: " said", from: 0, to: 1, conf: 1, spk: "Ann" }];
  view.apply([...model.begin("a"), ...model.take({ type: "commit", seq: 1, utt: 0, words })]);
  view.apply(model.take({ type: "partial", utt: 0, rev: 1, text: " and heard", from: 0, to: 1 }));
})"""


async def test_each_parameter_shows(tab: Tab) -> None:
    """Where the text stands, how it is set, and what of it is shown, as docs/captions-page.md says."""
    async with running() as (_, address):

        async def look(query: str) -> dict[str, Any]:
            await tab.go(f"http://{address}/captions?overlay=1&{query}")
            await tab.value(SAY)
            return dict(await tab.value(LOOK))

        for row, y in (("top", 0.0), ("middle", 0.5), ("bottom", 1.0)):
            for column, x in (("-left", 0.0), ("", 0.5), ("-right", 1.0)):
                seen = await look(f"position={row}{column}&width=20&size=20")
                assert abs(seen["x"] - x) < 0.25
                assert abs(seen["y"] - y) < 0.25
                assert seen["align"] == (column.removeprefix("-") or "center")
        seen = await look("margin=20&align=right&position=top-left&font=DejaVu Sans&lang=ar")
        assert abs(seen["left"] - 0.2) < 0.01
        assert (seen["align"], seen["lang"], seen["text"]) == ("right", "ar", "Ann: said and heard")
        assert seen["font"].startswith('"DejaVu Sans"')
        seen = await look("outline=1&speakers=0&partial=0")
        assert seen["stroke"] > 0
        assert seen["box"] == "rgba(0, 0, 0, 0)"
        assert seen["text"] == "said"
        assert tab.problems == []


async def test_one_session_is_shown_though_another_is_newer(tab: Tab) -> None:
    """`session` names it; what the newest one says does not come in between."""
    async with running() as (_, address), connected(address, hello()) as speaker, connected(address, hello()) as newer:
        session = (await speaker.until(type="ready"))["session"]
        await newer.until(type="ready")
        await tab.go(f"http://{address}/captions?overlay=1&fade=0&session={session}")
        await tab.until(f"{STATE} === 'live'")
        for chunk in CHUNKS:
            await newer.send(chunk)
        await newer.settled()
        for chunk in cut(pcm(say([6, 5, 4, 3])), [3200]):
            await speaker.send(chunk)
        assert (await tab.until(f"{COMMITTED}.split(' ').length > 1 && {COMMITTED}")).startswith("golf foxtrot")


async def test_a_source_without_a_token_says_so_in_the_picture(tab: Tab) -> None:
    """Where there is no login to be seen, a scene that stays empty would not tell why."""
    async with running(token="0123456789abcdef") as (_, address):
        await tab.go(f"http://{address}/captions?overlay=1")
        said = await tab.until("document.getElementById('notice').innerText")
        assert said.startswith("this server asks for a token: add token=TOKEN")
        assert read_png(await tab.picture())[..., 3].any()


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
