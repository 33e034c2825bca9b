"""The page of meetings in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.test_captions_page import SAVED
from tests.helpers.axe import axe_script, violations
from tests.helpers.browser import Tab
from tests.helpers.recorded_meetings import finish, recording_daemon, speak, track
from tests.helpers.tone_engine import spell

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOKEN = "0123456789abcdef"
LINES = "[...document.querySelectorAll('#lines li')].map((line) => line.textContent)"


async def test_a_meeting_is_read_played_searched_renamed_and_exported(tab: Tab, tmp_path: Path) -> None:
    """All over the socket of the page, with the token of an admin; a clicked word is heard."""
    async with recording_daemon(tmp_path) as address, track(address, "me", id="monday", title="Weekly") as me:
        await speak(me, 0, 1)
        await me.note("n", "a decision", at=60_000)
        await finish(me)
    async with recording_daemon(tmp_path, token=TOKEN) as address:
        await tab.go(f"http://{address}/meetings")
        await tab.until("!document.getElementById('login').hidden")
        tab.problems.clear()
        await tab.value(f"document.getElementById('token').value = '{TOKEN}'")
        await tab.value("document.querySelector('#login button').click()")
        await tab.until("document.querySelector('#list button')")
        await tab.value("document.querySelector('#list button').click()")
        first, note = await tab.until(f"{LINES}.length === 2 && {LINES}")
        assert (first, note) == (f"0:00:00 me: {spell((0, 1))}", "0:01:00 a decision")
        await tab.value("document.querySelectorAll('.word')[1].click()")
        assert await tab.until("document.querySelector('.word.playing')?.textContent.trim()") == spell((1,))
        await tab.value("document.getElementById('stop').click()")
        await tab.value("document.getElementById('name').value = '<b>Kim</b>'")
        await tab.value("document.querySelector('#rename button').click()")
        await tab.until(f"{LINES}[0]?.includes('<b>Kim</b>:')")
        await tab.value(SAVED)
        await tab.value("document.querySelector('[data-format=txt]').click()")
        assert await tab.value("saved") == f"[0:00:00] <b>Kim</b>: {spell((0, 1))}\n[0:01:00] * a decision\n"
        await tab.value(f"document.getElementById('phrase').value = '{spell((1,))}'")
        await tab.value("document.querySelector('#search button').click()")
        assert "1 found" in await tab.until(
            "!document.getElementById('hits').hidden && document.getElementById('hits').textContent"
        )
        assert tab.problems == []
        if axe_script() is not None:
            assert await violations(tab) == []
