"""Vectors of voices that an engine is asked for beside its windows: few at a time, each answered or refused at once."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.engine.api import NotEmbeddedError
from amanuensis.npu.engine.child import Child
from amanuensis.npu.engine.frames import Message, embed_message, voice_vector_of
from amanuensis.npu.engine.tally import Tally
from amanuensis.npu.speaker_sound import DEVICE_FRAMES
from amanuensis.npu.voice_vector import VoiceVector

log = logging.getLogger(__name__)
MAX_WAITING: Final = 4  # at the process, the one that it computes included; a CPU is quicker than such a queue
MAX_CRASHES: Final = 2  # of the process at a vector, in a row: after that words have the device for themselves


class Embeds:
    """What was asked and not answered.

    Args:
        tally: of what was answered.

    Attributes:
        off: why no vector is asked for any more; empty while they are.

    """

    def __init__(self, tally: Tally) -> None:
        self.off = ""
        self._tally = tally
        self._asked: dict[int, asyncio.Future[VoiceVector]] = {}
        self._running: int | None = None
        self._crashes = 0

    @property
    def waiting(self) -> bool:
        """Whether something was asked of the process that it has not answered."""
        return bool(self._asked)

    async def ask(self, child: Child | None, number: int, features: NDArray[np.float32]) -> VoiceVector:
        """Ask a process for a vector; see `api.VoiceEngine.embed`."""
        if self.off or child is None or child.info is None or not child.info.voices:
            raise NotEmbeddedError(self.off or "no device of the engine computes vectors of voices now")
        if not 1 <= len(features) <= DEVICE_FRAMES:
            raise NotEmbeddedError(f"a voice of {len(features)} frames; a device takes 1 to {DEVICE_FRAMES}")
        if len(self._asked) >= MAX_WAITING:
            raise NotEmbeddedError(f"{len(self._asked)} vectors of voices wait for the engine already")
        answer: asyncio.Future[VoiceVector] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        child.send(embed_message(number, features))
        try:
            return await answer
        finally:
            if answer.cancelled():  # it is answered all the same, into the void
                child.send({"type": "forget", "id": number})

    def take(self, message: Message) -> None:
        """Take what the process says of a vector; KeyError, TypeError or ValueError when it makes no sense."""
        number = message["id"]
        if message["type"] == "embedding":
            self._running = number
            return
        found = voice_vector_of(message) if message["type"] == "embedded" else None
        answer = self._asked.pop(number)
        self._running = None if self._running == number else self._running
        if found is None:
            why = str(message["message"])
            if message.get("for_good"):
                self._give_up(why)
            _refuse(answer, why)
            return
        self._crashes = 0
        self._tally.count_voice(found)
        if not answer.done():
            answer.set_result(found)

    def crashed(self, why: str) -> None:
        """Refuse what was at a process that died; after some deaths at vectors ask for no more."""
        if self._running is not None:
            self._crashes += 1
            if self._crashes >= MAX_CRASHES:
                self._give_up(f"the engine died {self._crashes} times at the vector of a voice; last: {why}")
        self.clear(f"the engine process died ({why})")

    def clear(self, why: str) -> None:
        """Refuse everything."""
        for answer in self._asked.values():
            _refuse(answer, why)
        self._asked.clear()
        self._running = None

    def _give_up(self, why: str) -> None:
        """Ask for no more."""
        self.off = why
        log.warning("vectors of voices are left to the CPU: %s", why)


def _refuse(answer: asyncio.Future[VoiceVector], why: str) -> None:
    if not answer.done():
        answer.set_exception(NotEmbeddedError(why))
