"""Who speaks: the voices heard in training, and those kept for tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amanuensis.training import voices_espeak, voices_festival, voices_flite, voices_kokoro, voices_pico
from amanuensis.training.augment import random_manner, with_formant
from amanuensis.training.speech import Manner, Speech, SynthesisError

ACCENTS = (
    "en-us",
    "en-us",
    "en-us",
    "en-us",
    "en",
    "en-029",
    "en-us-nyc",
    "en-gb-x-rp",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
)
VARIANTS = [
    "Alex",
    "Alicia",
    "Andrea",
    "Andy",
    "Annie",
    "AnxiousAndy",
    "Denis",
    "Diogo",
    "Gene",
    "Gene2",
    "Henrique",
    "Hugo",
    "Jacky",
    "Lee",
    "Marco",
    "Mario",
    "Michael",
    "Mike",
    "Nguyen",
    "RicishayMax",
    "RicishayMax2",
    "RicishayMax3",
    "Tweaky",
    "adam",
    "anika",
    "announcer",
    "antonio",
    "aunty",
    "belinda",
    "benjamin",
    "boris",
    "caleb",
    "david",
    "ed",
    "edward",
    "edward2",
    "f1",
    "f2",
    "f3",
    "f4",
    "f5",
    "grandma",
    "grandpa",
    "gustave",
    "iven",
    "iven2",
    "iven3",
    "iven4",
    "john",
    "kaukovalta",
    "klatt",
    "klatt2",
    "klatt4",
    "klatt5",
    "klatt6",
    "m1",
    "m2",
    "m3",
    "m4",
    "m5",
    "m6",
    "m8",
    "marcelo",
    "max",
    "michel",
    "miguel",
    "norbert",
    "pablo",
    "paul",
    "pedro",
    "quincy",
    "rob",
    "robert",
    "robosoft",
    "robosoft2",
    "robosoft3",
    "robosoft4",
    "robosoft5",
    "sandro",
    "shelby",
    "steph",
    "steph2",
    "steph3",
    "travis",
    "victor",
    "zac",
]
UNSEEN_ESPEAK = ("en-gb-scotland", "en-us+klatt3", "en-us+linda", "en+m7")
UNSEEN = ("festival:ked", *(f"espeak:{voice}" for voice in UNSEEN_ESPEAK))
FESTIVAL_SEEN = ("kal", "slt-hts")
SHARES = {"flite": 0.47, "pico": 0.15}  # of the sentences; the rest, and what is missing, is espeak-ng's


@dataclass(frozen=True)
class Part:
    """A voice as "engine:voice", and how it is to speak."""

    voice: str
    manner: Manner


def missing() -> list[str]:
    """Return the voices heard in training that this machine lacks, as "engine:voice", or the engine alone."""
    engines = {"flite": voices_flite, "pico": voices_pico, "espeak": voices_espeak, "kokoro": voices_kokoro}
    festival = [f"festival:{voice}" for voice in FESTIVAL_SEEN if voice not in voices_festival.installed()]
    return [*(name for name, engine in engines.items() if not engine.available()), *festival]


def random_part(rng: np.random.Generator) -> Part:
    """Return a voice heard in training (festival's, which work in lists, aside) in a random manner."""
    manner = random_manner(rng)
    drawn = rng.random()
    if drawn < SHARES["flite"] and voices_flite.available():
        return Part(f"flite:{rng.choice(voices_flite.VOICES)}", manner)
    if 0 <= drawn - SHARES["flite"] < SHARES["pico"] and voices_pico.available():
        return Part(f"pico:{rng.choice(voices_pico.VOICES)}", manner)
    accent, variant = rng.choice(ACCENTS), rng.choice(VARIANTS)
    return Part(f"espeak:{accent}+{variant}" if rng.random() < 0.9 else f"espeak:{accent}", manner)


def perform(text: str, part: Part) -> Speech:
    """Return `text` spoken by a voice that needs no list, or by one of festival's, at 16 kHz.

    Raises:
        SynthesisError: if the sentence cannot be spoken with known word times.

    """
    engine, _, voice = part.voice.partition(":")
    if engine == "flite":
        speech = voices_flite.speak(text, voice, part.manner)
    elif engine == "pico":
        speech = voices_pico.speak(text, voice, part.manner)
    elif engine == "kokoro":
        speech = voices_kokoro.speak(text, voice, part.manner)
    elif engine == "espeak":
        speech = voices_espeak.speak(text, voice, part.manner)
    else:
        speech = _perform_festival([text], [part])[0]
    return with_formant(speech, part.manner.formant)


def perform_festival(texts: list[str], parts: list[Part]) -> list[Speech | None]:
    """Return the texts spoken by festival voices in one run, at 16 kHz; None where word times are not known."""
    orders = [
        voices_festival.Order(text, part.voice.partition(":")[2], part.manner)
        for text, part in zip(texts, parts, strict=True)
    ]
    spoken = voices_festival.speak_all(orders)
    return [s and with_formant(s, part.manner.formant) for s, part in zip(spoken, parts, strict=True)]


def _perform_festival(texts: list[str], parts: list[Part]) -> list[Speech]:
    spoken = [s for s in perform_festival(texts, parts) if s is not None]
    if len(spoken) != len(texts):
        raise SynthesisError(f"festival did not speak {texts!r}")
    return spoken
