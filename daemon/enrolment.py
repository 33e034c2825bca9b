"""The voice of a recording in which one person speaks, heard a piece at a time; only vectors of it are held."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.daemon.enrolled import EnrolError, EnrolledVoice
from amanuensis.stream.resample import MODEL_RATE
from amanuensis.stream.vad import FRAME_SAMPLES, VoiceDetector
from amanuensis.stream.voice_book import unit
from amanuensis.stream.voice_clusters import ClusterRules, Evidence, cluster_voices
from amanuensis.stream.voice_jobs import VoiceEmbedder
from amanuensis.stream.voice_windows import VoiceCutter, VoiceItem, VoiceWindow

Float32 = NDArray[np.float32]
LEAST_S: Final = 5.0  # of speech: less is no measure of a voice
# Of speech unlike the rest. Recordings of one reader had none, of two readers with half of it each 28 % at least.
ODD_SHARE: Final = 0.1
LOW_HZ: Final = 100.0
HIGH_HZ: Final = 4500.0  # an 8 kHz recording has nothing above 4 kHz
# Power above HIGH_HZ of that above LOW_HZ: 1e-4 or more in wide-band speech, 1e-8 after 8 kHz and 16 bits.
NARROW_SHARE: Final = 3e-5


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What came of a recording.

    Attributes:
        voice: its voice.
        odd: the share of the speech that was left out, because it is unlike the rest.
        is_narrow: nothing above 4 kHz is in it.

    """

    voice: EnrolledVoice
    odd: float
    is_narrow: bool


class Enroller:
    """Hears a recording. It holds some 1.2 kB for each half second of speech.

    Args:
        embedder: makes the vectors.

    """

    def __init__(self, embedder: VoiceEmbedder) -> None:
        self._embedder = embedder
        self._detector, self._cutter = VoiceDetector(), VoiceCutter()
        self._rest = np.zeros(0, np.float32)
        self._position = 0
        self._speech_s = 0.0
        self._vectors: list[Float32] = []
        self._weights_s: list[float] = []  # speech of each
        self._power = self._high_power = 0.0

    def hear(self, samples: Float32) -> None:
        """Take more sound, float32 [n], 16 kHz mono in [-1, 1], cut anywhere.

        Raises:
            amanuensis.npu.model_error.ModelError: the embedder fails.

        """
        samples = np.concatenate([self._rest, samples])
        n = len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
        self._rest = samples[n:]
        decisions = self._detector.push(samples[:n])
        self._speech_s += sum(decisions) * FRAME_SAMPLES / MODEL_RATE
        self._take(self._cutter.push(self._position, samples[:n], decisions))
        self._position += n

    def finish(self, name: str) -> Enrolment:
        """Return what came of it, once all is heard.

        Args:
            name: of the person, as `as_voice_name` returns it.

        Raises:
            EnrolError: there is too little speech, or more than one voice.

        """
        self._take(self._cutter.end())
        if self._speech_s < LEAST_S or not self._vectors:
            raise EnrolError(
                f"{self._speech_s:.1f} s of speech are too few to know a voice by: give at least {LEAST_S:g} s of it"
            )
        vectors, weights = np.stack(self._vectors), np.array(self._weights_s, np.float32)
        evidence = Evidence(vectors, weights, np.zeros(len(weights), bool))
        whose = cluster_voices(evidence, ClusterRules(self._embedder.same_above))
        largest = whose == np.bincount(whose, weights).argmax()
        odd = 1 - float(weights[largest].sum() / weights.sum())
        if odd > ODD_SHARE:
            raise EnrolError(
                f"{100 * odd:.0f} % of the speech is unlike the rest: give a recording of one voice alone, without "
                "loud noise, from one microphone"
            )
        mean = unit(np.asarray((vectors * weights[:, None])[largest].sum(axis=0), np.float32))
        if not mean.any():
            raise EnrolError(f"speaker model {self._embedder.name} gives vectors that add up to none")
        voice = EnrolledVoice(name, self._embedder.name, mean, round(self._speech_s, 1))
        return Enrolment(voice, odd, self._high_power < NARROW_SHARE * self._power)

    def _take(self, items: Iterable[VoiceItem]) -> None:
        for item in items:
            if isinstance(item, VoiceWindow):
                samples = item.samples
                self._vectors.append(self._embedder.embed(samples))
                self._weights_s.append(item.n_speech / MODEL_RATE)
                self._note_power(samples)

    def _note_power(self, samples: Float32) -> None:
        power = np.abs(np.fft.rfft(samples)) ** 2
        hz = np.fft.rfftfreq(len(samples), 1 / MODEL_RATE)
        self._power += float(power[hz > LOW_HZ].sum())
        self._high_power += float(power[hz > HIGH_HZ].sum())
