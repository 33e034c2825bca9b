"""The same clips under worse conditions: noise, the telephone, the far end of a room."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import numpy as np
import soxr

from amanuensis.npu.log_mel import SAMPLE_RATE
from amanuensis.training import augment, noises
from amanuensis.training.evaluation.sets import Utterance
from amanuensis.training.speech import Float32

SPEECH_DBFS = -22.0
TELEPHONE_RATE = 8_000
TELEPHONE_HZ = (300, 3_400)
MU = 255  # ITU-T G.711
FAR_T60_S = 0.6
FAR_TAIL_DB = 3.0  # power of the reverberation beside that of the direct sound
FAR_SNR_DB = 15.0

Condition = Callable[[Float32, np.random.Generator], Float32]


def noisy(sound: Float32, rng: np.random.Generator, snr_db: float) -> Float32:
    """Return a sound with made noise of a random kind, `snr_db` below it (powers over the whole clip)."""
    speech = augment.level(sound, SPEECH_DBFS)
    noise = augment.level(noises.noise(rng, len(sound)), SPEECH_DBFS - snr_db)
    return augment.level(speech + noise, SPEECH_DBFS)


def telephone(sound: Float32, _: np.random.Generator) -> Float32:
    """Return a sound as a telephone carries it: 300 to 3400 Hz at 8 kHz, in 8 bits of mu-law."""
    narrow = soxr.resample(augment.level(sound, SPEECH_DBFS), SAMPLE_RATE, TELEPHONE_RATE)
    spectrum = np.fft.rfft(narrow)
    hz = np.fft.rfftfreq(len(narrow), 1 / TELEPHONE_RATE)
    spectrum[(hz < TELEPHONE_HZ[0]) | (hz > TELEPHONE_HZ[1])] = 0
    carried = mu_law(np.asarray(np.fft.irfft(spectrum, len(narrow)), np.float32))
    return np.asarray(soxr.resample(carried, TELEPHONE_RATE, SAMPLE_RATE), np.float32)


def mu_law(samples: Float32) -> Float32:
    """Return samples within [-1, 1] as they come out of 8 bits of continuous mu-law."""
    code = np.round(127 * np.sign(samples) * np.log1p(MU * np.abs(np.clip(samples, -1, 1))) / np.log1p(MU)) / 127
    return np.asarray(np.sign(code) * np.expm1(np.abs(code) * np.log1p(MU)) / MU, np.float32)


def far_field(sound: Float32, rng: np.random.Generator) -> Float32:
    """Return a sound from across a made room (T60 0.6 s), with made noise 15 dB below it."""
    response = augment.decaying(rng, FAR_T60_S, (FAR_TAIL_DB, FAR_TAIL_DB))
    return noisy(augment.convolve(sound, response), rng, FAR_SNR_DB)


CONDITIONS: dict[str, Condition] = {
    "clean": lambda sound, _: sound,
    **{f"noise_{snr_db}db": partial(noisy, snr_db=snr_db) for snr_db in (20, 10, 5)},
    "telephone": telephone,
    "far_field": far_field,
}


def under_conditions(utterances: Iterable[Utterance], seed: int) -> list[Utterance]:
    """Return the undisturbed clips with seen voices under every condition, with a seed for each clip."""
    clean = [u for u in utterances if u.set.endswith("_seen") and not u.disturbed]
    return [
        replace(
            u,
            sound=condition(u.sound, np.random.default_rng((seed, 7, i))),
            set=f"{u.set}_{name}",
            voice="several",
            written="",
        )
        for name, condition in CONDITIONS.items()
        for i, u in enumerate(clean)
    ]
