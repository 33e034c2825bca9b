"""All sessions at a glance."""

from __future__ import annotations

import json

import pytest

from tests.helpers.daemon_client import connected, get, hello, pcm, running, speak
from tests.helpers.tone_engine import say, spell

WORDS = [0, 1, 2, 3]
SOUND = pcm(say(WORDS))


async def test_what_is_told_of_sessions_is_what_clients_see_of_them() -> None:
    """An open session, one whose speaker is gone, and one that is over stand there with their facts, and no words."""
    async with running() as (_, address):
        over = await speak(address, [SOUND])
        async with connected(address, hello()) as speaker:
            ready = await speaker.until(type="ready")
            path = f"/v1/watch/{ready['session']}"
            async with connected(address, hello("watch"), path) as watcher:
                await watcher.until(type="ready")
                await speaker.send(SOUND)
                await speaker.send({"type": "flush", "id": 1})
                await speaker.until(type="marked")
                body = (await get(address, "/v1/sessions"))[2]
            speaker.socket.transport.abort()
            await speaker.over()
            async with connected(address, hello("watch"), path) as watcher:
                await watcher.until(type="ready")
                later = json.loads((await get(address, "/v1/sessions"))[2])
    facts = json.loads(body)
    (session,) = facts["sessions"]
    assert (session["id"], session["state"], session["clients"]) == (ready["session"], "live", 2)
    assert session["audio_s"] == pytest.approx(len(SOUND) / 32000, abs=1e-3)
    assert session["engine"] == {"encoder": "cpu", "decoder": "cpu", "model": "tones", "why": "a test"}
    assert session["last_seq"] == speaker.find(type="marked")[-1]["seq"]
    ledger = session["ledger"]["seconds"]
    assert sum(ledger[fate] for fate in ("transcribed", "silence", "gap", "unsettled")) == ledger["received"]
    (ended,) = facts["ended"]
    assert (ended["id"], ended["reason"]) == (over.events[0]["session"], "end")
    assert ended["ledger"]["seconds"]["received"] == pytest.approx(len(SOUND) / 32000)
    assert (facts["ready"], facts["why"]) == (True, "")
    assert [it["state"] for it in later["sessions"]] == ["detached"]
    assert not any(word in body for word in spell(WORDS).split())
