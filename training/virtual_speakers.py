"""Virtual speakers: a synthesiser's voice, another vocal tract, pitch and habits; the same in all that they say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import soxr

from amanuensis.npu.log_mel import SAMPLE_RATE
from amanuensis.training import voices_flite, voices_foreign
from amanuensis.training.augment import random_formant
from amanuensis.training.cast import ACCENTS, UNSEEN_ESPEAK, VARIANTS, Part, perform
from amanuensis.training.speech import Float32, Manner, SynthesisError
from amanuensis.training.vocal_tract import Tract, random_tract, scaled, through, with_effort
from amanuensis.training.voices_foreign import Reading

# Of the speakers; the rest is espeak-ng's. An engine that is not installed leaves its share to the next.
FESTIVAL_SHARE, FLITE_SHARE = 0.45, 0.33
# Timbres that no speaker of the training has: for development and for the threshold.
UNSEEN_FESTIVAL = frozenset({"ked", "pc", "dita"})
UNSEEN_VARIANTS = frozenset({"Andy", "Annie", "Denis", "Lee", "Mario", "anika", "f4", "klatt4", "m4", "norbert"})


@dataclass(frozen=True)
class Speaker:
    """One virtual speaker."""

    voice: str  # "engine:voice"
    manner: Manner
    tract: Tract


@dataclass(frozen=True)
class Saying:
    """What a speaker is to say, and how this time."""

    speaker: Speaker
    text: str
    manner: Manner
    tract: Tract


def random_speaker(rng: np.random.Generator, *, unseen: bool) -> Speaker:
    """Return a speaker of the training's voices, or of those kept from it."""
    formant = random_formant(rng)
    manner = Manner(
        tempo=float(np.exp(rng.normal(0, 0.12))),
        pitch=float(formant * np.exp(rng.normal(0, 0.2))),  # shorter vocal tracts mostly go with higher pitch
        pitch_range=float(rng.uniform(0.6, 1.6)),
        formant=formant,
    )
    return Speaker(_unseen_voice(rng) if unseen else _seen_voice(rng), manner, random_tract(rng))


def _seen_voice(rng: np.random.Generator) -> str:
    engine = rng.random()
    foreign = [voice for voice in voices_foreign.installed() if voice not in UNSEEN_FESTIVAL]
    if engine < FESTIVAL_SHARE and foreign:
        return f"festival:{rng.choice(foreign)}"
    if engine < FESTIVAL_SHARE + FLITE_SHARE and voices_flite.available():
        return f"flite:{rng.choice(voices_flite.VOICES)}"
    variants = [variant for variant in VARIANTS if variant not in UNSEEN_VARIANTS]
    return f"espeak:{rng.choice(ACCENTS)}+{rng.choice(variants)}"


def _unseen_voice(rng: np.random.Generator) -> str:
    foreign = [voice for voice in voices_foreign.installed() if voice in UNSEEN_FESTIVAL]
    if rng.random() < FESTIVAL_SHARE + FLITE_SHARE and foreign:
        return f"festival:{rng.choice(foreign)}"
    if rng.random() < 0.3:
        return f"espeak:{rng.choice(UNSEEN_ESPEAK)}"
    return f"espeak:{rng.choice(ACCENTS)}+{rng.choice(sorted(UNSEEN_VARIANTS))}"


def next_saying(speaker: Speaker, text: str, rng: np.random.Generator) -> Saying:
    """Return how the speaker says this now: people never speak twice alike."""
    habits = speaker.manner
    manner = replace(
        habits,
        tempo=habits.tempo * float(np.exp(rng.normal(0, 0.1))),
        pitch=habits.pitch * float(np.exp(rng.normal(0, 0.05))),
        pitch_range=habits.pitch_range * float(np.exp(rng.normal(0, 0.15))),
    )
    return Saying(speaker, text, manner, with_effort(speaker.tract, float(rng.normal(0, 0.06))))


def say_all(sayings: list[Saying], rng: np.random.Generator) -> Iterator[Float32 | None]:
    """Yield each saying, float32 [n] at 16 kHz; None where the synthesiser could not speak it."""
    readings = [_reading(saying) for saying in sayings if _engine(saying) == "festival"]
    read = voices_foreign.read_all(readings)
    for saying in sayings:
        if _engine(saying) == "festival":
            yield _repitched(next(read), saying, rng)
        else:
            try:
                speech = perform(saying.text, Part(saying.speaker.voice, saying.manner))
            except SynthesisError:
                yield None
            else:
                yield through(speech.samples, saying.tract, rng)


def _engine(saying: Saying) -> str:
    return saying.speaker.voice.partition(":")[0]


def _reading(saying: Saying) -> Reading:
    return Reading(saying.speaker.voice.partition(":")[2], saying.text, saying.manner.pitch / saying.manner.tempo)


def _repitched(sound: tuple[Float32, int] | None, saying: Saying, rng: np.random.Generator) -> Float32 | None:
    """Return what a voice without pitch control read: resampled to the pitch, its formants put where they belong."""
    if sound is None:
        return None
    samples, rate = sound
    pitch = saying.manner.pitch
    resampled = np.asarray(soxr.resample(samples, rate * pitch, SAMPLE_RATE, quality="MQ"), np.float32)
    return through(resampled, scaled(saying.tract, saying.manner.formant / pitch), rng)
