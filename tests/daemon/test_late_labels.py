"""Who speaks, for those that join a session while people talk."""

from __future__ import annotations

import asyncio
from contextlib import closing

from amanuensis.daemon.durable_view import DurableView
from amanuensis.daemon.voice_desk import VoiceDesk
from amanuensis.stream.voice_jobs import VoiceAnswer, VoiceJob
from tests.daemon.test_session_speakers import DIALOGUE, NAMES, PIECE, talk
from tests.helpers.daemon_client import TestClient, connected, cut, hello, running
from tests.helpers.voices import PitchEmbedder

CHUNKS = cut(DIALOGUE, [PIECE])
TWO_VOICES = len(cut(talk(120.0, 190.0), [PIECE]))


class LateDesk(VoiceDesk):
    """Has no time for voices until it is opened."""

    def __init__(self) -> None:
        super().__init__(PitchEmbedder())
        self.opened = asyncio.Event()

    async def work(self, job: VoiceJob) -> VoiceAnswer:
        await self.opened.wait()
        return await super().work(job)


def view(client: TestClient) -> DurableView:
    """Return what a client knows in the end."""
    known = DurableView()
    for event in client.events:
        known.take(event)
    return known


async def test_who_joins_late_is_told_who_spoke_before() -> None:
    """Voices are found out only after a watcher came: it knows the speaker of each word, as the speaker does."""
    with closing(LateDesk()) as desk:
        async with running(voices=desk) as (_, address), connected(address, hello()) as speaker:
            session = (await speaker.until(type="ready"))["session"]
            for chunk in CHUNKS[:TWO_VOICES]:
                await speaker.send(chunk)
            await speaker.until(type="commit")
            async with connected(address, hello("watch"), path=f"/v1/watch/{session}") as watcher:
                snapshot = await watcher.until(type="snapshot")
                assert snapshot["words"]
                assert not any("spk" in word for word in snapshot["words"])
                desk.opened.set()
                for chunk in CHUNKS[TWO_VOICES:]:
                    await speaker.send(chunk)
                await speaker.send({"type": "end"})
                await speaker.over()
                await watcher.over()
    assert [word.get("spk") for word in view(speaker).words] == NAMES
    assert [word.get("spk") for word in view(watcher).words] == NAMES
