"""The captions page in a real browser, for somebody who watches."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from amanuensis.daemon.addresses import Address
from tests.helpers.browser import Tab
from tests.helpers.captions_page import COMMITTED, PARTIAL, STATE, click, press, type_into
from tests.helpers.daemon_client import TestClient, connected, cut, get, hello, pcm, running
from tests.helpers.tcp_proxy import proxy
from tests.helpers.tone_engine import say, spell

pytestmark = pytest.mark.asyncio(loop_scope="session")

WORDS = [0, 1, 2, 3, 4, 5, 6, 0, 1, 2]
CHUNKS = cut(pcm(say(WORDS)), [3200])
TOKEN = "0123456789abcdef"
FOLLOW = "document.getElementById('follow').textContent"
PAGE = "document.getElementById('page')"
AT_END = f"{PAGE}.scrollHeight - {PAGE}.scrollTop - {PAGE}.clientHeight < 2"


@asynccontextmanager
async def page_of_a_speaker(tab: Tab) -> AsyncIterator[tuple[Address, TestClient]]:
    """Open the page of a daemon in which somebody is about to speak; it must do nothing that its policy forbids."""
    async with running() as (_, address), connected(address, hello()) as speaker:
        await speaker.until(type="ready")
        await tab.go(f"http://{address}/captions")
        await tab.until(f"{STATE} === 'live'")
        yield address, speaker
        assert tab.problems == []


async def end(speaker: TestClient) -> None:
    """Say that no more comes, and wait until all is final."""
    await speaker.send({"type": "end"})
    await speaker.over()


async def test_words_appear_while_sound_is_sent(tab: Tab) -> None:
    """Partial and committed words are in the page before the speaker has said all, and all of them after the end."""
    async with page_of_a_speaker(tab) as (_, speaker):
        for chunk in CHUNKS[: len(CHUNKS) // 2]:
            await speaker.send(chunk)
        assert await tab.until(f"{PARTIAL}?.textContent.trim()")
        shown = await tab.until(f"{COMMITTED}.split(/ +/).length >= 2 && {COMMITTED}")
        assert spell(WORDS[: len(WORDS) // 2]).startswith(shown)
        for chunk in CHUNKS[len(CHUNKS) // 2 :]:
            await speaker.send(chunk)
        await end(speaker)
        assert await tab.until(f"!{PARTIAL} && {COMMITTED} === '{spell(WORDS)}'")


async def test_a_session_by_its_name_shows_all_that_was_said(tab: Tab) -> None:
    """A page that comes late, or again, shows the session from its beginning; downloads and search have it, too."""
    async with page_of_a_speaker(tab) as (address, speaker):
        session = speaker.find(type="ready")[0]["session"]
        for chunk in CHUNKS:
            await speaker.send(chunk)
        await end(speaker)
        await tab.go(f"http://{address}/captions/{session}")
        assert await tab.until(f"{STATE} === 'ended (end)' && {COMMITTED}") == spell(WORDS)
        for form in ("txt", "srt", "vtt", "json"):
            await tab.value(SAVED)
            await tab.value(f"document.querySelector('[data-format={form}]').click()")
            assert await tab.value("saved") == (await get(address, f"/v1/sessions/{session}.{form}"))[2]
        await tab.value(SAVED)
        await tab.value(click("word-times"))
        await tab.value("document.querySelector('[data-format=vtt]').click()")
        timed = (await get(address, f"/v1/sessions/{session}.vtt?word_times=1"))[2]
        assert await tab.value("saved") == timed
        assert re.search(r"<[\d:.]+>bravo", timed)
        await tab.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
        await tab.call("Emulation.setFocusEmulationEnabled", enabled=True)
        await tab.value(click("copy"))
        await tab.until("document.getElementById('done').textContent === 'copied'")
        assert await tab.value("navigator.clipboard.readText()") == f"{spell(WORDS)}\n"
        await tab.value(type_into("query", "Alfa  brav"))
        assert await tab.value("document.getElementById('hits').textContent") == "2 of 2"
        assert await tab.value("[...CSS.highlights.get('hit')].map(String)") == ["alfa brav", "alfa brav"]
        for key, found in (("{ key: 'Enter' }", "1 of 2"), ("{ key: 'Enter', shiftKey: true }", "2 of 2")):
            await tab.value(press("query", key))
            assert await tab.value("document.getElementById('hits').textContent") == found
        await tab.value(press("query", "{ key: 'Escape' }"))
        assert await tab.value("document.getElementById('hits').textContent + CSS.highlights.get('hit').size") == "0"
        for wanted, found in (("twenty-one (or so) / [", "not found"), ("*", "not found"), ("delta echo", "1 of 1")):
            await tab.value(type_into("query", wanted))
            assert await tab.value("document.getElementById('hits').textContent") == found
        await tab.value(type_into("query", "zulu"))
        assert await tab.value("document.getElementById('hits').textContent") == "not found"


# Catches the next file that is saved, in place of the browser's folder for downloads.
SAVED = """void (globalThis.saved = new Promise((done) => {
  const make = URL.createObjectURL;
  URL.createObjectURL = (blob) => { URL.createObjectURL = make; blob.text().then(done); return make.call(URL, blob); };
}))"""


async def test_a_reader_who_scrolls_back_stays_there(tab: Tab) -> None:
    """The newest words are kept in sight until the reader pauses; then the button counts what came, and leads back."""
    async with page_of_a_speaker(tab) as (_, speaker):
        for _ in range(20):
            await tab.value(click("larger"))
        await tab.call("Emulation.setDeviceMetricsOverride", width=700, height=500, deviceScaleFactor=1, mobile=False)
        for chunk in CHUNKS[: len(CHUNKS) // 2]:
            await speaker.send(chunk)
        await tab.until(f"{COMMITTED}.split(/ +/).length >= 3")
        assert await tab.until(AT_END)
        await tab.value(click("follow"))
        await tab.value("document.getElementById('page').scrollTop = 0")
        for chunk in CHUNKS[len(CHUNKS) // 2 :]:
            await speaker.send(chunk)
        await end(speaker)
        await tab.until(f"{COMMITTED} === '{spell(WORDS)}'")
        assert await tab.value("document.getElementById('page').scrollTop") == 0
        assert await tab.until(f"/^Follow \\(\\d new words?\\)$/.test({FOLLOW})")
        await tab.value(click("follow"))
        assert await tab.value(AT_END)
        assert await tab.until(f"{FOLLOW} === 'Pause scrolling'")


async def test_a_page_whose_connection_is_cut_misses_nothing(tab: Tab) -> None:
    """It comes back to the same session where it was: every word is there once, also those said meanwhile."""
    async with proxy() as network, running() as (_, address), connected(address, hello()) as speaker:
        network.target = address.port
        await speaker.until(type="ready")
        await tab.go(f"http://127.0.0.1:{network.port}/captions")
        for chunk in CHUNKS[: len(CHUNKS) // 2]:
            await speaker.send(chunk)
        await tab.until(f"{COMMITTED}.split(/ +/).length >= 2")
        network.target = 0
        network.cut()
        for chunk in CHUNKS[len(CHUNKS) // 2 :]:
            await speaker.send(chunk)
        await tab.until(f"{STATE}.startsWith('connection lost') && !{PARTIAL}")
        await end(speaker)
        network.target = address.port
        await tab.until(f"{COMMITTED} === '{spell(WORDS)}' && !{PARTIAL}")
        session = speaker.find(type="ready")[0]["session"]
        written = (await get(address, f"/v1/sessions/{session}.srt"))[2]
        network.target = 0
        await tab.value(SAVED)
        await tab.value("document.querySelector('[data-format=srt]').click()")
        assert await tab.value("saved") == written
        await tab.until("document.getElementById('done').textContent.includes('what this page has')")


async def test_a_page_whose_connection_falls_silent_takes_another(tab: Tab) -> None:
    """A network that forwards nothing more, and says nothing of it, is given up; what a page asks for then comes."""
    async with proxy() as network, running() as (_, address), connected(address, hello()) as speaker:
        network.target = address.port
        await speaker.until(type="ready")
        await tab.go(f"http://127.0.0.1:{network.port}/captions")
        await tab.until(f"{STATE} === 'live'")
        await tab.value(SILENCE)
        await tab.until("document.body.dataset.heard ?? document.body.dataset.closed")
        network.freeze()
        await tab.until("document.body.dataset.closed === '4000'")


# Opens a connection as the page does, but takes a tenth of a second of silence for its end.
SILENCE = """import("/page/link.js").then(({ open }) => {
  const { dataset } = document.body, hello = { role: "watch", want: [] };
  const onEvent = ({ type }) => { if (type === "ready") dataset.heard = type; };
  open("/v1/watch/latest", hello, { onEvent, onClose: (code) => { dataset.closed = code; } }, 100);
})"""


async def test_what_the_reader_has_chosen_is_kept(tab: Tab) -> None:
    """Size, theme and reading out are as they were when the page is opened again; "auto" follows the system."""
    async with running() as (_, address):
        await tab.go(f"http://{address}/captions")
        size = await tab.value("getComputedStyle(document.getElementById('page')).fontSize")
        await tab.value(click("larger"))
        await tab.value(click("announce"))
        await tab.value(type_into("theme", "contrast", "change"))
        await tab.go(f"http://{address}/captions")
        assert await tab.value("getComputedStyle(document.body).backgroundColor") == "rgb(0, 0, 0)"
        assert await tab.value("document.getElementById('text').getAttribute('aria-live')") == "off"
        assert await tab.value("getComputedStyle(document.getElementById('page')).fontSize") > size
        await tab.value(type_into("theme", "auto", "change"))
        for scheme, paper in (("dark", "rgb(17, 19, 24)"), ("light", "rgb(255, 255, 255)")):
            await tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            assert await tab.value("getComputedStyle(document.body).backgroundColor") == paper


async def test_a_token_is_asked_for_and_then_a_cookie_is_enough(tab: Tab) -> None:
    """The page asks for a token; scripts see no cookie, and yet it comes in again without the token."""
    async with running(token=TOKEN) as (_, address):
        async with connected(address, hello(auth=TOKEN)) as speaker:
            session = (await speaker.until(type="ready"))["session"]
            for chunk in CHUNKS:
                await speaker.send(chunk)
            await tab.go(f"http://{address}/captions/{session}")
            await tab.until("!document.getElementById('login').hidden")
            await tab.value(type_into("token", TOKEN))
            await tab.value("document.getElementById('login').requestSubmit()")
            await tab.until(f"{STATE} === 'live'")
            assert await tab.value("document.cookie + document.getElementById('token').value") == ""
            await tab.go(f"http://{address}/captions/{session}")
            await tab.until(f"{STATE} === 'live'")
            await end(speaker)
        assert await tab.until(f"{STATE} === 'ended (end)' && {COMMITTED}") == spell(WORDS)


async def test_a_token_in_the_fragment_leaves_the_address(tab: Tab) -> None:
    """`#token=` lets the page in and is gone at once, from the address and from the history."""
    async with (
        running(token=TOKEN) as (_, address),
        connected(address, hello(auth=TOKEN)) as speaker,
    ):
        await speaker.until(type="ready")
        await tab.go(f"http://{address}/captions#token={TOKEN}")
        await tab.until(f"{STATE} === 'live'")
        assert await tab.until("location.hash === '' && document.cookie === ''")
