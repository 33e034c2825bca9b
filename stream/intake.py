"""From the bytes of a source to 16 kHz samples, decisions of the voice detector, and starts and ends of utterances."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.stream.config import StreamConfig
from amanuensis.stream.formats import AudioFormat, PcmDecoder
from amanuensis.stream.ledger import AudioLedger
from amanuensis.stream.resample import MODEL_RATE, Resampler
from amanuensis.stream.ring import SampleRing
from amanuensis.stream.segmenter import EndReason, Segmenter, SegmentEvent
from amanuensis.stream.vad import VoiceDetector
from amanuensis.stream.voice_map import VoiceMap

__all__ = ["BLOCK_S", "Intake"]

BLOCK_S: Final = 1.0  # audio is taken in pieces of at most so long
RING_MARGIN_S: Final = 4.0  # pre-roll, resampler's delay, one block


class Intake:
    """The front of a stream. All positions are 16 kHz samples from its start.

    Attributes:
        ledger: counts the source samples.
        ring: the newest samples at 16 kHz; the session drops what it does not need any more.
        voices: the decisions of the voice detector, likewise.

    """

    def __init__(self, config: StreamConfig, fmt: AudioFormat) -> None:
        self.ledger = AudioLedger(fmt.rate)
        self.ring = SampleRing(round((config.max_pending_s + RING_MARGIN_S) * MODEL_RATE))
        self.voices = VoiceMap()
        self.decoder = PcmDecoder(fmt)
        self._resampler = Resampler(fmt.rate)
        self._detector = VoiceDetector(config.vad)
        self._segmenter = Segmenter(config.endpoint)
        self._received = 0

    @property
    def received(self) -> int:
        """Source samples of each channel that came in."""
        return self._received

    @property
    def received_ms(self) -> float:
        """Media time of the end of the audio that came in."""
        return self.ledger.to_ms(self._received)

    @property
    def newest(self) -> int:
        """Position after the newest sample."""
        return self.ring.stop

    @property
    def quiet_until(self) -> int:
        """Before it, what is in no utterance is silence for good."""
        return self._segmenter.quiet_until

    @property
    def undecided(self) -> bool:
        """Whether speech may just have begun that is in no utterance yet."""
        return self._segmenter.undecided

    def push(self, data: bytes) -> list[SegmentEvent]:
        """Take raw bytes, at most BLOCK_S of sound; return the starts and ends of utterances in them."""
        return self._take(self.decoder.decode(data))

    def skip(self, n_samples: int) -> list[SegmentEvent]:
        """Take silence for `n_samples` source samples that were lost, at most BLOCK_S; their fate is `gap`."""
        start = self._received
        events = self._take(np.zeros(n_samples, np.float32))
        self.ledger.settle("gap", start, self._received)
        return events

    def flush(self, reason: EndReason) -> list[SegmentEvent]:
        """End the open utterance here; the stream goes on."""
        return self._segmenter.flush(reason=reason)

    def finish(self) -> list[SegmentEvent]:
        """End the stream: what the resampler and the detector still hold is taken, and the open utterance ends."""
        events = self._detect(self._resampler.flush())
        tail = self._detector.flush()
        self.voices.push(tail)
        events += self._segmenter.push(tail, self.newest)
        return events + self._segmenter.flush(self.newest, "end")

    def hint(self, text_seems_finished: bool | None) -> None:
        """Tell the segmenter what the text of the open utterance looks like."""
        self._segmenter.hint(text_seems_finished)

    def drop_before(self, position: int) -> None:
        """Forget sound that is not needed any more."""
        self.ring.drop_before(position)
        self.voices.drop_before(position)

    def _take(self, samples: NDArray[np.float32]) -> list[SegmentEvent]:
        self.ledger.received(samples.size)
        self._received += samples.size
        return self._detect(self._resampler.push(samples))

    def _detect(self, samples: NDArray[np.float32]) -> list[SegmentEvent]:
        self.ring.append(samples)
        decisions = self._detector.push(samples)
        self.voices.push(decisions)
        return self._segmenter.push(decisions)
