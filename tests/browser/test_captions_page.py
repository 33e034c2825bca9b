"""The captions page in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.browser import browser_path, open_tab
from tests.helpers.daemon_client import connected, cut, hello, pcm, running
from tests.helpers.tone_engine import say, spell

pytestmark = pytest.mark.skipif(browser_path() is None, reason="no chromium: apt-get install chromium")

WORDS = [0, 1, 2, 3, 4, 5, 6, 0, 1, 2]
CHUNKS = cut(pcm(say(WORDS)), [3200])
TOKEN = "0123456789abcdef"
STATE = "document.getElementById('state').textContent"
PARTIAL = "document.querySelector('#text .partial')"
COMMITTED = (
    "[...document.querySelectorAll('#text p')].map((p) => [...p.childNodes].filter((node) => node.id !== 'partial')"
    ".map((node) => node.textContent).join('')).join(' ').trim()"
)


async def test_words_appear_while_sound_is_sent(tmp_path: Path) -> None:
    """Partial and committed words are in the page before the speaker has said all, and all of them after the end."""
    async with running() as (_, address), open_tab(tmp_path) as tab, connected(address, hello()) as speaker:
        await speaker.until(type="ready")
        await tab.go(f"http://{address}/captions")
        await tab.until(f"{STATE} === 'live'")
        for chunk in CHUNKS[: len(CHUNKS) // 2]:
            await speaker.send(chunk)
        assert await tab.until(f"{PARTIAL}?.textContent.trim()")
        shown = await tab.until(f"{COMMITTED}.split(/ +/).length >= 2 && {COMMITTED}")
        assert spell(WORDS[: len(WORDS) // 2]).startswith(shown)
        for chunk in CHUNKS[len(CHUNKS) // 2 :]:
            await speaker.send(chunk)
        await speaker.send({"type": "end"})
        await speaker.over()
        assert await tab.until(f"!{PARTIAL} && {COMMITTED} === '{spell(WORDS)}'")


async def test_token_and_a_session_that_is_over(tmp_path: Path) -> None:
    """Without the token the page says how to give it; with it a session that has ended can be read by its name."""
    async with running(token=TOKEN) as (_, address), open_tab(tmp_path) as tab:
        async with connected(address, hello(auth=TOKEN)) as speaker:
            session = (await speaker.until(type="ready"))["session"]
            for chunk in CHUNKS:
                await speaker.send(chunk)
            await speaker.send({"type": "end"})
            await speaker.over()
        await tab.go(f"http://{address}/captions?session={session}")
        await tab.until(f"{STATE}.includes('#token=TOKEN')")
        await tab.go("about:blank")  # another fragment alone loads nothing
        await tab.go(f"http://{address}/captions?session={session}#token={TOKEN}")
        assert await tab.until(f"{STATE} === 'ended (end)' && {COMMITTED}") == spell(WORDS)


async def test_a_token_is_shown_once_and_then_a_cookie(tmp_path: Path) -> None:
    """The token leaves the address at once; scripts see no cookie, and yet the page comes in again without the token."""
    async with running(token=TOKEN) as (_, address), open_tab(tmp_path) as tab:
        async with connected(address, hello(auth=TOKEN)) as speaker:
            await speaker.until(type="ready")
            await tab.go(f"http://{address}/captions#token={TOKEN}")
            await tab.until(f"{STATE} === 'live'")
            assert await tab.until("location.hash === '' && document.cookie === ''")
            await tab.go("about:blank")
            await tab.go(f"http://{address}/captions")
            assert await tab.until(f"{STATE} === 'live'")
