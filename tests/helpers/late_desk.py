"""A desk for voices whose answers wait until a test lets them come."""

from __future__ import annotations

import asyncio

from amanuensis.daemon.voice_desk import VoiceDesk
from amanuensis.stream.voice_jobs import VoiceAnswer, VoiceJob
from tests.helpers.voices import PitchEmbedder


class LateDesk(VoiceDesk):
    """Has no time for voices until it is opened."""

    def __init__(self) -> None:
        super().__init__(PitchEmbedder())
        self.opened = asyncio.Event()

    async def work(self, job: VoiceJob) -> VoiceAnswer:
        await self.opened.wait()
        return await super().work(job)
