"""What the engine's answers add up to: where windows were computed, and what that took."""

from __future__ import annotations

import logging
from collections import Counter

from amanuensis.npu.voice_vector import VoiceVector
from amanuensis.npu.window import NO_WORK, DeviceWork, WindowResult

log = logging.getLogger(__name__)


class Tally:
    """Counts answers, and says once in the log when the device in use changes.

    Attributes:
        encodes, decodes: windows by device.
        work: of devices other than the CPU.
        fallbacks: windows done by the CPU in a device's place, by kind of failure.
        embeddings: vectors of voices by device.
        fallback: why the newest window was one of these; empty: it was not.
        on_host: operators that the CPU computed for the newest window that was not.
        busy_ms: what the engine spent.

    """

    def __init__(self) -> None:
        self.encodes: Counter[str] = Counter()
        self.decodes: Counter[str] = Counter()
        self.embeddings: Counter[str] = Counter()
        self.work: dict[str, DeviceWork] = {}
        self.fallbacks: Counter[str] = Counter()
        self.fallback = ""
        self.on_host = ""
        self.busy_ms = 0.0

    def count(self, result: WindowResult) -> None:
        """Count an answer."""
        self.encodes[result.encoder] += 1
        self.decodes[result.decoder] += 1
        self.busy_ms += result.encode_ms + result.decode_ms
        for device, work in ((result.encoder, result.encode_work), (result.decoder, result.decode_work)):
            if work.dispatches:
                self.work[device] = self.work.get(device, NO_WORK) + work
        if result.fallback:
            self.fallbacks[result.fallback_kind] += 1
        self._tell_change(result)
        self.fallback, self.on_host = result.fallback, result.on_host

    def count_voice(self, found: VoiceVector) -> None:
        """Count the vector of a voice."""
        self.embeddings[found.device] += 1
        self.busy_ms += found.ms
        self.work[found.device] = self.work.get(found.device, NO_WORK) + found.work

    def _tell_change(self, result: WindowResult) -> None:
        if result.fallback and not self.fallback:
            log.warning("the CPU takes the device's place: %s", result.fallback)
        elif self.fallback and not result.fallback:
            log.warning("the device is back in use")
        if not result.fallback and result.on_host != self.on_host:
            log.warning("the CPU computes operators in the device's place: %s", result.on_host or "none any more")

    @property
    def device_us(self) -> float:
        """Microseconds in which devices other than the CPU worked."""
        return sum(work.device_us for work in self.work.values())
