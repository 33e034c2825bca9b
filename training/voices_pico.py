"""SVOX Pico's two English women, in process through ctypes, with the times of their words and phones.

Needs `pip install ttspico==0.3.2`, which builds the engine and brings the voices. Pico tells nobody its times, but the
units of its chain hand each other items through buffers whose `putItem` can be watched. Sources: Pico's `picoapi.h`,
`picodata.h`, `picoctrl.c` for the structures, `picospho.h` for the items.
"""

from __future__ import annotations

import ctypes as c
import sysconfig
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata

import numpy as np

from amanuensis.npu.log_mel import SAMPLE_RATE
from amanuensis.training.speech import PHONE_ID, SPELLED_A, UNKNOWN_PHONE, Manner, Speech, SynthesisError

_VERSION = "0.3.2"  # whose structures are mirrored here
_POOL_BYTES = 3 << 20  # as ttspico gives an engine
_CHUNK_BYTES = 128
_STEP_BUSY = 201
_FRAME_SAMPLES = 64
_DELAY_SAMPLES = 6 * _FRAME_SAMPLES  # of the sound behind its items: against flite, vowels stand out most at this lag
_MAX_UNITS = 25
_PREPROCESSING, _PHONOLOGY, _ACOUSTICS = 1, 5, 6  # places in the chain of units
_WORDGRAPH, _SYLLABLE, _BOUNDARY, _PHONE = b"gybh"  # types of item


@dataclass(frozen=True)
class _Language:
    """The files of a voice, and its phone codes (as characters) in terms of the US phone set."""

    analysis: str
    signal: str
    silence: int
    held: bytes  # closures and glottal onsets: part of the phone that follows
    phones: dict[int, int]


def _language(analysis: str, signal: str, silence: str, held: bytes, phones: dict[str, str]) -> _Language:
    ids = {ord(code): PHONE_ID[phone] for phone, codes in phones.items() for code in codes}
    return _Language(analysis, signal, ord(silence), held, ids)


# Found by aligning 330 words with the phones that flite gives them.
_LANGUAGES = {
    "en-US": _language("en-US_ta.bin", "en-US_lh0_sg.bin", "W", b"XYV", {
        "aa": "(", "ae": "I", "ah": "4", "ao": "]^", "aw": "7", "ax": "'", "ay": "6", "b": "8", "ch": "M", "d": "9",
        "dh": "*", "eh": "b", "er": "Z[", "ey": "\\", "f": ">", "g": "?", "hh": "@", "ih": "+", "iy": "Aa", "jh": ":",
        "k": "CT", "l": "%D", "m": "E", "n": "&F", "ng": "-", "ow": "G", "oy": "/", "p": "HR", "r": "J", "s": "K",
        "sh": "0", "t": "LS_`", "th": "1", "uh": "2", "uw": "N", "v": "O", "w": "P", "y": "B", "z": "Q", "zh": "5",
    }),
    "en-GB": _language("en-GB_ta.bin", "en-GB_kh0_sg.bin", "\\", b"^_[", {
        "aa": "'(", "ae": "H", "ah": "3", "ao": "-", "aw": "6", "ax": "&", "ay": "5", "b": "7", "ch": "L", "d": "8",
        "dh": ")", "eh": ":;", "er": "$]", "ey": "<", "f": "=", "g": ">", "hh": "?", "ih": "*+", "iy": "@", "jh": "9",
        "k": "BY", "l": "%C", "m": "D", "n": "E", "ng": ",", "ow": "F", "oy": ".", "p": "GW", "r": "I", "s": "J",
        "sh": "/", "t": "KX", "th": "0", "uh": "12", "uw": "M", "v": "N", "w": "O", "y": "A", "z": "P", "zh": "4",
    }),
}  # fmt: skip
VOICES = tuple(_LANGUAGES)

_PutItem = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, c.c_uint16, c.c_void_p)


class _Buffer(c.Structure):
    _fields_ = (
        ("bytes", c.c_void_p),
        ("positions", c.c_uint16 * 4),
        ("common", c.c_void_p),
        ("get_item", c.c_void_p),
        ("put_item", _PutItem),
    )


class _Chain(c.Structure):
    _fields_ = (
        ("counts", c.c_uint8 * 3),
        ("units", c.c_void_p * _MAX_UNITS),
        ("states", c.c_int * _MAX_UNITS),
        ("outputs", c.POINTER(_Buffer) * _MAX_UNITS),
    )


class _Control(c.Structure):
    _fields_ = (("methods_voice_buffers", c.c_void_p * 8), ("chain", c.POINTER(_Chain)))


class _Engine(c.Structure):
    _fields_ = (
        ("magic", c.c_uint32),
        ("memory", c.c_void_p),
        ("common", c.c_void_p),
        ("voice", c.c_void_p),
        ("control", c.POINTER(_Control)),
    )


@dataclass
class _Items:
    """What the units said of one sentence."""

    spellings: list[str] = field(default_factory=list)  # of each word
    lengths: list[int] = field(default_factory=lambda: [0])  # phones of each word; 0 at a boundary beside a boundary
    phones: list[tuple[int, int]] = field(default_factory=list)  # code, frames

    def receive(self, unit: int, item: bytes) -> None:
        """Take one item: type, two bytes of information, length of the content, content."""
        kind, content = item[0], item[4:]
        if unit == _PREPROCESSING and kind == _WORDGRAPH:
            self.spellings.append(_letters(content.decode()))
        elif unit == _PHONOLOGY and kind == _SYLLABLE:
            self.lengths[-1] += len(content)
        elif unit == _PHONOLOGY and kind == _BOUNDARY:
            self.lengths.append(0)
        elif unit == _ACOUSTICS and kind == _PHONE:
            states = np.frombuffer(content, "<u2").reshape(item[2], 3)  # frames, index of F0, index of the spectrum
            self.phones.append((item[1], int(states[:, 0].sum())))


class _Voice:
    """One engine with its memory."""

    def __init__(self, language: _Language) -> None:
        files = {path.name: str(path.locate()) for path in metadata.files("ttspico") or ()}
        self._lib = c.CDLL(files["ctts" + sysconfig.get_config_var("EXT_SUFFIX")])
        self._pool = c.create_string_buffer(_POOL_BYTES)
        system, self._engine, name = c.c_void_p(), c.c_void_p(), b"voice"
        self._call("pico_initialize", self._pool, c.c_uint32(_POOL_BYTES), c.byref(system))
        self._call("pico_createVoiceDefinition", system, name)
        for file in (language.analysis, language.signal):
            resource, title = c.c_void_p(), c.create_string_buffer(200)
            self._call("pico_loadResource", system, files[file].encode(), c.byref(resource))
            self._call("pico_getResourceName", system, resource, title)
            self._call("pico_addResourceToVoiceDefinition", system, name, title)
        self._call("pico_newEngine", system, name, c.byref(self._engine))
        self._items = _Items()
        outputs = c.cast(self._engine, c.POINTER(_Engine)).contents.control.contents.chain.contents.outputs
        self._watches = [self._watch(i, outputs[i].contents) for i in (_PREPROCESSING, _PHONOLOGY, _ACOUSTICS)]

    def _call(self, function: str, *arguments: object) -> None:
        status = getattr(self._lib, function)(*arguments)
        if status != 0:
            raise SynthesisError(f"{function} of Pico returned {status}")

    def _watch(self, unit: int, output: _Buffer) -> tuple[object, object]:
        """Note each item that `unit` puts out; return what must outlive the engine."""
        original = _PutItem(c.cast(output.put_item, c.c_void_p).value or 0)

        def put_item(buffer: int, item: int, size: int, written: int) -> int:
            self._items.receive(unit, c.string_at(item, 4 + c.string_at(item, 4)[3]))
            return int(original(buffer, item, size, written))

        watching = output.put_item = _PutItem(put_item)
        return original, watching

    def speak(self, marked_up: str) -> tuple[bytes, _Items]:
        """Return 16-bit samples at 16 kHz and what the units said."""
        self._items = _Items()
        data = marked_up.encode("ascii") + b"\0"
        sound, taken, given, kind = [], c.c_int16(), c.c_int16(), c.c_int16()
        chunk = c.create_string_buffer(_CHUNK_BYTES)
        while data:
            self._call("pico_putTextUtf8", self._engine, data, c.c_int16(len(data)), c.byref(taken))
            data = data[taken.value :]
            status = _STEP_BUSY
            while status == _STEP_BUSY:
                status = self._lib.pico_getData(
                    self._engine, chunk, c.c_int16(_CHUNK_BYTES), c.byref(given), c.byref(kind)
                )
                sound.append(chunk.raw[: given.value])
        return b"".join(sound), self._items


@cache
def _voice(name: str) -> _Voice:
    return _Voice(_LANGUAGES[name])


@cache
def available() -> bool:
    """Return whether the right version of ttspico is installed."""
    try:
        return metadata.version("ttspico") == _VERSION
    except metadata.PackageNotFoundError:
        return False


def speak(text: str, voice: str, manner: Manner) -> Speech:
    """Speak `text`, whose words are separated by single spaces, with voice `en-US` or `en-GB`.

    Pico has one range of pitch. A formant factor is left to the caller, who resamples; tempo and pitch are set so that
    they hold afterwards.

    Raises:
        SynthesisError: if the times of the words do not fit the text.

    """
    text = SPELLED_A.sub("eh", text)
    speed = round(np.clip(100 * manner.tempo / manner.formant, 20, 500))
    pitch = round(np.clip(100 * manner.pitch / manner.formant, 50, 200))
    sound, items = _voice(voice).speak(f"<speed level='{speed}'><pitch level='{pitch}'>{text}</pitch></speed>")
    samples = np.frombuffer(sound, "<i2")[_DELAY_SAMPLES:].astype(np.float32) / np.float32(32768)
    language = _LANGUAGES[voice]
    ends_s = (np.cumsum([frames for _, frames in items.phones]) * (_FRAME_SAMPLES / SAMPLE_RATE)).tolist()
    words = _words(items, [0.0, *ends_s], language, text)
    codes = [code for code, _ in items.phones]
    return Speech(samples, SAMPLE_RATE, words, _phones(codes, ends_s, language))


def _phones(codes: list[int], ends_s: list[float], language: _Language) -> list[tuple[float, int]]:
    """Return the end of each phone; a closure is part of what follows."""
    return [
        (end_s, 0 if code == language.silence else language.phones.get(code, UNKNOWN_PHONE))
        for code, end_s in zip(codes, ends_s, strict=True)
        if code not in language.held
    ]


def _words(items: _Items, edges_s: list[float], language: _Language, text: str) -> list[tuple[float, float]]:
    """Return the span of each word of the text, of which Pico may have made several words."""
    lengths = [length for length in items.lengths if length]
    spans = zip(edges_s, edges_s[1:], items.phones, strict=False)
    voiced = [(start_s, end_s) for start_s, end_s, (code, _) in spans if code != language.silence]
    if len(lengths) != len(items.spellings) or sum(lengths) != len(voiced):
        raise SynthesisError(f"Pico's words {items.spellings} do not fit its phones")
    names = [_letters(name).lower() for name in text.split()]
    ends = np.cumsum([len(spelling) for spelling in items.spellings]).tolist()
    stops = np.cumsum([len(name) for name in names]).tolist()
    if "".join(names) != "".join(items.spellings) or not set(stops) <= set(ends):
        raise SynthesisError(f"Pico read {items.spellings} for {text!r}")
    lasts = [ends.index(stop) for stop in stops]  # Pico's last word of each of ours
    firsts = [0, *(last + 1 for last in lasts[:-1])]
    after = np.cumsum(lengths).tolist()
    return [
        (voiced[after[first] - lengths[first]][0], voiced[after[last] - 1][1])
        for first, last in zip(firsts, lasts, strict=True)
    ]


def _letters(word: str) -> str:
    return "".join(filter(str.isalpha, word))
