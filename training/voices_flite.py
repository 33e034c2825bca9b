"""The CMU flite voices, in process through ctypes, with the times of their words and phones.

Needs Debian's `libflite1`. Sources: flite's `cst_voice.h`, `cst_utterance.h`, `cst_wave.h`, `cst_features.h`.
"""

from __future__ import annotations

import ctypes as c
from functools import cache

import numpy as np

from amanuensis.training.speech import PHONE_ID, UNKNOWN_PHONE, Manner, Speech, SynthesisError

VOICES = ("slt", "rms", "awb", "kal16")
TOKEN_OF_SEGMENT = b"R:SylStructure.parent.parent.R:Token.parent"


class _Wave(c.Structure):
    _fields_ = (
        ("type", c.c_char_p),
        ("sample_rate", c.c_int),
        ("num_samples", c.c_int),
        ("num_channels", c.c_int),
        ("samples", c.POINTER(c.c_short)),
    )


class _Voice(c.Structure):
    _fields_ = (("name", c.c_char_p), ("features", c.c_void_p))


@cache
def _library() -> c.CDLL:
    c.CDLL("libflite_cmulex.so.1", mode=c.RTLD_GLOBAL)
    lib = c.CDLL("libflite.so.1", mode=c.RTLD_GLOBAL)
    pointer, text = c.c_void_p, c.c_char_p
    for name, result, arguments in (
        ("flite_synth_text", pointer, (text, pointer)),
        ("utt_wave", c.POINTER(_Wave), (pointer,)),
        ("utt_relation", pointer, (pointer, text)),
        ("relation_head", pointer, (pointer,)),
        ("item_next", pointer, (pointer,)),
        ("item_feat_string", text, (pointer, text)),
        ("item_feat_float", c.c_float, (pointer, text)),
        ("path_to_item", pointer, (pointer, text)),
        ("delete_utterance", None, (pointer,)),
        ("feat_float", c.c_float, (pointer, text)),
        ("feat_present", c.c_int, (pointer, text)),
        ("feat_set_float", None, (pointer, text, c.c_float)),
    ):
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    lib.flite_init()
    return lib


@cache
def _voice(name: str) -> tuple[int, float, float]:
    """Return (the voice's address, its mean F0, its F0 spread), Hz."""
    register = getattr(c.CDLL(f"libflite_cmu_us_{name}.so.1", mode=c.RTLD_GLOBAL), f"register_cmu_us_{name}")
    lib = _library()
    register.restype, register.argtypes = c.c_void_p, (c.c_void_p,)
    address = register(None)
    features = c.cast(address, c.POINTER(_Voice)).contents.features

    def value(key: bytes, default: float) -> float:
        return float(lib.feat_float(features, key)) if lib.feat_present(features, key) else default

    return address, value(b"int_f0_target_mean", 110.0), value(b"int_f0_target_stddev", 15.0)


def available() -> bool:
    """Return whether flite's libraries are installed."""
    try:
        _voice(VOICES[0])
    except OSError:
        return False
    return True


def speak(text: str, voice: str, manner: Manner) -> Speech:
    """Speak `text`, whose words are separated by single spaces, with voice `slt`, `rms`, `awb` or `kal16`.

    A formant factor is left to the caller, who resamples; tempo and pitch are set so that they hold afterwards.

    Raises:
        SynthesisError: if the times of the words do not fit the text.

    """
    lib = _library()
    address, f0_mean, f0_spread = _voice(voice)
    features = c.cast(address, c.POINTER(_Voice)).contents.features
    lib.feat_set_float(features, b"duration_stretch", manner.formant / manner.tempo)
    lib.feat_set_float(features, b"int_f0_target_mean", f0_mean * manner.pitch / manner.formant)
    lib.feat_set_float(features, b"int_f0_target_stddev", f0_spread * manner.pitch_range)
    utterance = lib.flite_synth_text(text.encode("ascii"), address)
    try:
        wave = lib.utt_wave(utterance).contents
        samples = np.ctypeslib.as_array(wave.samples, (wave.num_samples,)).astype(np.float32) / 32768
        words, phones = _times(lib, utterance)
        rate = wave.sample_rate
    finally:
        lib.delete_utterance(utterance)
    if len(words) != len(text.split()):
        raise SynthesisError(f"flite spoke {len(words)} words of {text!r}")
    return Speech(np.asarray(samples, np.float32), rate, words, phones)


def _times(lib: c.CDLL, utterance: int) -> tuple[list[tuple[float, float]], list[tuple[float, int]]]:
    words: list[tuple[float, float]] = []
    phones: list[tuple[float, int]] = []
    last_token, start_s = None, 0.0
    segment = lib.relation_head(lib.utt_relation(utterance, b"Segment"))
    while segment:
        end_s = float(lib.item_feat_float(segment, b"end"))
        name = lib.item_feat_string(segment, b"name").decode()
        phones.append((end_s, PHONE_ID.get(name, UNKNOWN_PHONE)))
        token = lib.path_to_item(segment, TOKEN_OF_SEGMENT) if name != "pau" else None
        if token and token == last_token:
            words[-1] = (words[-1][0], end_s)
        elif token:
            words.append((start_s, end_s))
            last_token = token
        start_s = end_s
        segment = lib.item_next(segment)
    return words, phones
