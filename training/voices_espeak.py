"""The voices of espeak-ng, in process through ctypes, with the times of their words and phonemes.

Needs Debian's `libespeak-ng1` and `espeak-ng-data`. Source: espeak-ng's `speak_lib.h`.
"""

from __future__ import annotations

import ctypes as c
import os
from functools import cache

import numpy as np

from amanuensis.training.speech import PHONE_ID, SPELLED_A, UNKNOWN_PHONE, Manner, Speech, SynthesisError

SYNCHRONOUS = 2
INITIALIZE_PHONEME_EVENTS = 1
CHARS_UTF8 = 1
PARAMETER_RATE, PARAMETER_PITCH, PARAMETER_RANGE = 1, 3, 4
EVENT_LIST_TERMINATED, EVENT_WORD, EVENT_PHONEME = 0, 1, 7
PHONEMES_IPA = 2
NORMAL_RATE_WPM = 165

# espeak-ng's English phoneme mnemonics (its `phsource/ph_english*`) in terms of the US phone set.
_MAP = {
    "aa": "A: A@ A~ A aa: A:2 Q 0 0# 02 O2", "ae": "a a# a2 aa &", "ah": "V V2 VR V#",
    "ao": "O: O@ o@ O o: O2: O:2 O: O@3", "aw": "aU aU@ aU2", "ax": "@ @2 @# a# @5 I# e# @-",
    "ay": "aI aI2 aI@ aI@3 aI3", "b": "b", "ch": "tS", "d": "d d#", "dh": "D", "eh": "E E2 e@ e E# e@r e:",
    "er": "3 3: 3r R @r 3:r IR", "ey": "eI eI2 E:", "f": "f", "g": "g", "hh": "h",
    "ih": "I I2 i@ i@3 I@ i@2", "iy": "i: i", "jh": "dZ", "k": "k x", "l": "l l# @L l-", "m": "m m-",
    "n": "n n-", "ng": "N", "ow": "oU oU# o", "oy": "OI OI2", "p": "p", "r": "r r- r2 *", "s": "s", "sh": "S",
    "t": "t t# t2 t[ ?", "th": "T", "uh": "U U@ U2", "uw": "u: u u2", "v": "v", "w": "w w#", "y": "j",
    "z": "z z#", "zh": "Z", "pau": "_ _: _! _| _^_",
}  # fmt: skip
PHONEME_ID = {mnemonic: PHONE_ID[phone] for phone, names in _MAP.items() for mnemonic in names.split()}


class _EventId(c.Union):
    _fields_ = (("number", c.c_int), ("name", c.c_char_p), ("string", c.c_char * 8))


class _Event(c.Structure):
    _fields_ = (
        ("type", c.c_int),
        ("unique_identifier", c.c_uint),
        ("text_position", c.c_int),
        ("length", c.c_int),
        ("audio_position", c.c_int),
        ("sample", c.c_int),
        ("user_data", c.c_void_p),
        ("id", _EventId),
    )


_CALLBACK = c.CFUNCTYPE(c.c_int, c.POINTER(c.c_short), c.c_int, c.POINTER(_Event))


class _Collector:
    """Collects sound and events of one synthesis."""

    def __init__(self) -> None:
        self.pieces: list[np.ndarray] = []
        self.words: list[tuple[int, int]] = []  # sample, position in the text
        self.phonemes: list[tuple[int, str]] = []  # sample, mnemonic
        self.callback = _CALLBACK(self._receive)

    def clear(self) -> None:
        self.pieces, self.words, self.phonemes = [], [], []

    def _receive(self, samples: c._Pointer[c.c_short], count: int, events: c._Pointer[_Event]) -> int:
        if count > 0:
            self.pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        i = 0
        while (event := events[i]).type != EVENT_LIST_TERMINATED:
            if event.type == EVENT_WORD:
                self.words.append((event.sample, event.text_position - 1))
            elif event.type == EVENT_PHONEME:
                self.phonemes.append((event.sample, event.id.string.decode("utf-8", "replace")))
            i += 1
        return 0


@cache
def _engine() -> tuple[c.CDLL, int, _Collector]:
    lib = c.CDLL("libespeak-ng.so.1")
    data = os.environ.get("ESPEAK_DATA_PATH")
    rate = lib.espeak_Initialize(SYNCHRONOUS, 0, data.encode() if data else None, INITIALIZE_PHONEME_EVENTS)
    if rate <= 0:
        raise SynthesisError("espeak-ng did not start: is espeak-ng-data installed?")
    collector = _Collector()
    lib.espeak_SetSynthCallback(collector.callback)
    return lib, rate, collector


def _engine_with(voice: str) -> tuple[c.CDLL, int, _Collector]:
    lib, rate, collector = _engine()
    if lib.espeak_SetVoiceByName(voice.encode()) != 0:
        raise SynthesisError(f"espeak-ng has no voice {voice!r}")
    return lib, rate, collector


def available() -> bool:
    """Return whether espeak-ng is installed."""
    try:
        _engine()
    except (OSError, SynthesisError):
        return False
    return True


def speak(text: str, voice: str, manner: Manner) -> Speech:
    """Speak `text` with an espeak-ng voice such as `en-us+f3`.

    Raises:
        SynthesisError: if the voice is unknown or the times do not fit the text.

    """
    lib, rate, collector = _engine_with(voice)
    collector.clear()
    lib.espeak_SetParameter(PARAMETER_RATE, round(NORMAL_RATE_WPM * manner.tempo / manner.formant), 0)
    lib.espeak_SetParameter(PARAMETER_PITCH, int(np.clip(50 + 40 * np.log2(manner.pitch / manner.formant), 0, 99)), 0)
    lib.espeak_SetParameter(PARAMETER_RANGE, int(np.clip(50 * manner.pitch_range, 0, 99)), 0)
    text = SPELLED_A.sub("eh", text)
    data = text.encode("ascii")
    lib.espeak_Synth(data, len(data) + 1, 0, 1, 0, CHARS_UTF8, None, None)
    if not collector.pieces or not collector.phonemes:
        raise SynthesisError(f"espeak-ng said nothing for {text!r}")
    samples = np.asarray(np.concatenate(collector.pieces) / np.float32(32768), np.float32)
    phones = _phones(collector.phonemes, len(samples), rate)
    return Speech(samples, rate, _words(collector, text, phones, len(samples) / rate, rate), phones)


def pronounce(text: str, voice: str) -> str:
    """Return how espeak-ng would say words without marks, in IPA; spaces stand between words.

    Raises:
        SynthesisError: if the voice is unknown.

    """
    lib, _, _ = _engine_with(voice)
    lib.espeak_TextToPhonemes.restype = c.c_char_p
    rest, said = c.c_char_p(text.encode("ascii")), []
    while rest.value:
        said.append(lib.espeak_TextToPhonemes(c.byref(rest), CHARS_UTF8, PHONEMES_IPA).decode())
    return " ".join(said)


def _phones(phonemes: list[tuple[int, str]], n_samples: int, rate: int) -> list[tuple[float, int]]:
    starts = [sample for sample, _ in phonemes] + [n_samples]
    phones = [(starts[0] / rate, PHONE_ID["pau"])]
    for i, (_, name) in enumerate(phonemes):
        phones.append((starts[i + 1] / rate, PHONEME_ID.get(name.strip(), UNKNOWN_PHONE) if name else 0))
    return phones


def _words(
    collector: _Collector, text: str, phones: list[tuple[float, int]], end_s: float, rate: int
) -> list[tuple[float, float]]:
    """Merge espeak-ng's word events into the words of the text, which single spaces separate."""
    starts: dict[int, float] = {}
    for sample, position in collector.words:
        index = text.count(" ", 0, position + 1)
        starts.setdefault(index, sample / rate)
    names = text.split(" ")
    if 0 not in starts or max(starts) >= len(names) or sorted(starts.values()) != [starts[i] for i in sorted(starts)]:
        raise SynthesisError(f"espeak-ng reported words {sorted(starts)} of {text!r}")
    words: list[tuple[float, float]] = []
    firsts = sorted(starts)
    for first, after in zip(firsts, [*firsts[1:], len(names)], strict=True):
        begin_s, until_s = _without_pause(starts[first], starts.get(after, end_s), phones)
        words += _share(begin_s, until_s, [len(name) for name in names[first:after]])
    return words


def _share(start_s: float, end_s: float, lengths: list[int]) -> list[tuple[float, float]]:
    """Share a span among words that espeak-ng speaks as one ("of the"), by their letters."""
    edges = start_s + (end_s - start_s) * np.cumsum([0, *lengths]) / sum(lengths)
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _without_pause(start_s: float, end_s: float, phones: list[tuple[float, int]]) -> tuple[float, float]:
    """Cut silent phones off the end of a word."""
    begin, spoken_until = 0.0, start_s
    for phone_end_s, phone in phones:
        if begin >= start_s - 1e-6 and begin < end_s - 1e-6 and phone != 0:
            spoken_until = min(phone_end_s, end_s)
        begin = phone_end_s
    return start_s, max(spoken_until, start_s)
