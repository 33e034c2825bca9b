"""The network's part of a speaker embedding: on the engine's device where that answers soon, else on the CPU."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.engine.api import EngineError, VoiceEngine
from amanuensis.npu.speaker_builtin import VoiceNetwork
from amanuensis.npu.speaker_sound import DEVICE_FRAMES, normalised
from amanuensis.npu.voice_vector import VoiceVector

WAIT_S: Final = 0.5  # a stream has a window of a voice every half second
MOST_SKIPPED: Final = 256  # vectors that the CPU computes at once after the device has gone on missing: two minutes

Float32 = NDArray[np.float32]


class EngineNetwork:
    """Asks the engine from the thread of the voices; a `VoiceNetwork`.

    After a vector that the device did not give in time the next ones are computed on the CPU at once, twice as many
    after each miss: voices must not fall behind because words need the device.

    Args:
        cpu: computes the same.
        engine: has a device for it.
        loop: of the engine.
        on_vector: called with the device that computed a vector, in the thread of the voices.
        wait_s: for an answer.

    """

    def __init__(
        self,
        cpu: VoiceNetwork,
        engine: VoiceEngine,
        loop: asyncio.AbstractEventLoop,
        on_vector: Callable[[str], None],
        wait_s: float = WAIT_S,
    ) -> None:
        self.dim = cpu.dim
        self._cpu = cpu
        self._engine = engine
        self._loop = loop
        self._on_vector = on_vector
        self._wait_s = wait_s
        self._misses = 0  # in a row
        self._skipped = 0  # vectors that the device is not asked for from now on

    def embed(self, mel: Float32) -> Float32:
        """Return the vector of the natural log-mel energies of speech, float32 [frames, mels]: float32 [dim]."""
        features = normalised(mel)
        found = self._asked(features) if len(features) <= DEVICE_FRAMES and self._may_ask() else None
        self._on_vector(found.device if found else "cpu")
        if found is None:
            return self._cpu.embed(mel)
        return np.asarray(found.vector / (np.linalg.norm(found.vector) + 1e-9), np.float32)

    def _may_ask(self) -> bool:
        if self._skipped:
            self._skipped -= 1
            return False
        return bool(self._engine.info.voices)

    def _asked(self, features: Float32) -> VoiceVector | None:
        """Return the engine's answer; None where it has none in time."""
        asking = self._engine.embed(features)
        try:
            answer = asyncio.run_coroutine_threadsafe(asking, self._loop)
        except RuntimeError:  # the loop is closed: the daemon stops
            asking.close()
            return None
        try:
            found = answer.result(self._wait_s)
        except (EngineError, TimeoutError, concurrent.futures.CancelledError):
            answer.cancel()
            self._misses += 1
            self._skipped = min(2**self._misses, MOST_SKIPPED)
            return None
        self._misses = 0
        return found
