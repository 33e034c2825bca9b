"""The page of meetings in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.daemon.meetings import jobs, worker
from tests.browser.test_captions_page import SAVED
from tests.daemon.meetings.conftest import utterance
from tests.helpers.axe import axe_script, violations
from tests.helpers.browser import Tab
from tests.helpers.recorded_meetings import RATE, finish, library, recording_daemon, speak, track
from tests.helpers.tone_engine import spell

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOKEN = "0123456789abcdef"
LINES = "[...document.querySelectorAll('#lines li')].map((line) => line.textContent)"
HEARD = """
window.heard = new Set();
new MutationObserver(() => {
  const word = document.querySelector(".word.playing");
  if (word) heard.add(word.textContent.trim());
}).observe(document.getElementById("lines"), { subtree: true, attributes: true, attributeFilter: ["class"] });
0
"""
JOB = "document.getElementById('job-text').textContent"


async def test_a_meeting_is_read_played_searched_renamed_and_exported(tab: Tab, tmp_path: Path) -> None:
    """All over the socket of the page, with the token of an admin; a clicked word is heard."""
    async with recording_daemon(tmp_path) as address, track(address, "me", id="monday", title="Weekly") as me:
        await speak(me, 0, 1)
        await me.send_audio(bytes(4 * RATE * 5))  # sound enough for a machine that is slow to look
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
        await tab.value(HEARD)
        await tab.value("document.querySelectorAll('.word')[0].click()")
        await tab.until("heard.size === 2")
        assert await tab.value("[...heard]") == [spell((0,)), spell((1,))]
        await tab.value("document.getElementById('stop').click()")
        await tab.value("document.getElementById('name').value = '<b>Kim</b>'")
        await tab.value("document.querySelector('#rename button').click()")
        await tab.until(f"{LINES}[0]?.includes('<b>Kim</b>:')")
        await tab.value(SAVED)
        await tab.value("document.querySelector('[data-format=txt]').click()")
        assert await tab.value("saved") == f"[0:00:00] <b>Kim</b>: {spell((0, 1))}\n[0:01:00] * a decision\n"
        await tab.value("document.getElementById('word-times').click()")
        assert await tab.value("document.querySelector('[data-format=md]').disabled") is True
        await tab.value(SAVED)
        await tab.value("document.querySelector('[data-format=txt]').click()")
        lines = str(await tab.value("saved")).splitlines()
        assert [line.split("\t")[2] for line in lines] == [f"<b>Kim</b>: {spell((0,))}", spell((1,)), "* a decision"]
        await tab.value(f"document.getElementById('phrase').value = '{spell((1,))}'")
        await tab.value("document.querySelector('#search button').click()")
        assert "1 found" in await tab.until(
            "!document.getElementById('hits').hidden && document.getElementById('hits').textContent"
        )
        await tab.value("document.querySelector('#hits button').click()")
        await tab.until(f"document.activeElement.textContent.trim() === '{spell((1,))}'")
        assert tab.problems == []
        if axe_script() is not None:
            assert await violations(tab) == []


async def test_a_meeting_is_transcribed_again_renamed_and_deleted(tab: Tab, tmp_path: Path) -> None:
    """With progress, and not before somebody has said that they are sure."""
    async with recording_daemon(tmp_path) as address, track(address, "me", id="monday", title="Weekly") as me:
        await speak(me, 0, 1)
        await finish(me)
    place = library(tmp_path)
    with place.open() as store, worker.at_work(place):  # the test is the worker
        async with recording_daemon(tmp_path) as address:
            await tab.go(f"http://{address}/meetings")
            await tab.until("document.querySelector('#list button')")
            await tab.value("document.querySelector('#list button').click()")
            await tab.until(f"{LINES}.length === 1 && document.querySelector('#model option')")
            await tab.value("document.querySelector('#again button').click()")
            await tab.until(f"{JOB} === 'again by builtin: waiting'")
            assert jobs.take_next(store) is not None
            jobs.advance(store, "monday", 500, 2000)
            await tab.until(f"{JOB} === 'again by builtin: running, 25 %'")
            assert await tab.value("document.querySelector('#list .job').textContent") == await tab.value(JOB)
            if axe_script() is not None:
                assert await violations(tab) == []
            session = store.find("monday").tracks[0].session
            jobs.keep_track(store, "monday", session, "builtin", [utterance("recognise speech")])
            jobs.finish(store, "monday")
            await tab.until(f"{LINES}[0] === '0:00:00 me: recognise speech' && document.getElementById('job').hidden")
            await tab.value("document.querySelector('#again button').click()")
            await tab.until(f"{JOB} === 'again by builtin: waiting'")
            await tab.value("document.getElementById('cancel').click()")
            await tab.until("document.getElementById('job').hidden")
            assert [job.state for job in jobs.every(store)] == ["cancelled"]
            await tab.value("document.getElementById('new-title').value = 'Weekly, <i>moved</i>'")
            await tab.value("document.querySelector('#retitle button').click()")
            await tab.until("document.getElementById('title').textContent === 'Weekly, <i>moved</i>'")
            await tab.value("document.getElementById('remove').click()")
            assert "Weekly, <i>moved</i>" in await tab.until(
                "document.getElementById('sure').open && document.getElementById('sure-text').textContent"
            )
            if axe_script() is not None:
                assert await violations(tab) == []
            await tab.value("document.getElementById('keep').click()")
            assert len(store.meetings()) == 1
            await tab.value("document.getElementById('remove').click()")
            await tab.value("document.getElementById('remove-now').click()")
            await tab.until("document.getElementById('state').textContent === 'no meetings yet'")
            assert store.meetings() == []
            assert tab.problems == []
