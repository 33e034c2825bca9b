"""The sets: synthetic clips, pairs of them, recorded speech, strings of recorded digits."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from amanuensis.npu.log_mel import SAMPLE_RATE
from amanuensis.training import cast, testset
from amanuensis.training.narrow import DIGITS
from amanuensis.training.speech import Float32
from amanuensis.training.text import spoken_words

SPEECH_ENV = "AMANUENSIS_SPEECH_DIR"
LONGEST_S = 30.0  # one window
WINDOW_KINDS = ("digit", "utterance", "keyword")
LONG_KINDS = ("longform", "conversation")
_EDGE_S = 0.3  # of silence around a string of digits
_PAUSES_S = (0.05, 0.35)
_STRING_LENGTHS = (3, 6)


@dataclass(frozen=True)
class Utterance:
    """A sound (float32 mono at 16 kHz) and its text, to be counted under some set and voice."""

    sound: Float32
    text: str  # words as they are said
    set: str
    voice: str
    written: str = ""  # with case and marks, where that is known
    disturbed: bool = True


def synthetic(folder: Path) -> list[Utterance]:
    """Return the synthetic test clips of a folder; espeak-ng's seen voices count as one."""
    return [
        Utterance(
            read_sound(folder / clip.path),
            clip.text,
            clip.set,
            _voice_group(clip),
            clip.written,
            clip.disturbed,
        )
        for clip in testset.read(folder)
    ]


def _voice_group(clip: testset.Clip) -> str:
    if clip.voice.startswith("espeak") and clip.voice.removeprefix("espeak:") not in cast.UNSEEN_ESPEAK:
        return "espeak"
    return clip.voice.partition(":")[2] + (" (festival)" if clip.voice.startswith("festival") else "")


def pairs(utterances: list[Utterance]) -> list[Utterance]:
    """Return each two clips of a set with seen voices as one window, as a stream has them."""
    joined = []
    for name in dict.fromkeys(u.set for u in utterances if u.set.endswith("_seen")):
        clips = [u for u in utterances if u.set == name]
        joined += [
            Utterance(np.concatenate([a.sound, b.sound]), f"{a.text} {b.text}", f"{name}_pairs", "two voices")
            for a, b in zip(clips[0::2], clips[1::2], strict=False)
        ]
    return joined


def recorded(folder: Path | None, kinds: tuple[str, ...] = WINDOW_KINDS) -> list[Utterance]:
    """Return recorded speech of some kinds with known text; none without a folder (`AMANUENSIS_SPEECH_DIR`).

    What is longer than a window is only read for the kinds that are captioned live.
    """
    folder = speech_folder(folder)
    if folder is None:
        return []
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    return [
        Utterance(read_sound(folder / row["path"]), text, f"recorded_{_kind(row)}", str(row["speaker"]))
        for row in rows
        if row["kind"] in kinds
        and (text := recorded_text(row))
        and (row["seconds"] <= LONGEST_S or row["kind"] in LONG_KINDS)
    ]


def recorded_noises(folder: Path | None) -> list[Float32]:
    """Return the recorded noises and room responses, sounds in which nobody speaks."""
    folder = speech_folder(folder)
    return [read_sound(path) for path in sorted((folder / "noise").glob("*.flac"))] if folder else []


def speech_folder(folder: Path | None) -> Path | None:
    """Return the folder of recorded speech that is given or that the environment names."""
    name = os.environ.get(SPEECH_ENV)
    return folder or (Path(name) if name else None)


def _kind(row: dict[str, object]) -> str:
    return str(row["path"]).partition("/")[0] if row["kind"] == "utterance" else str(row["kind"])


def recorded_text(row: dict[str, object]) -> str:
    """Return a recording's words, digits by their names; empty if its text is not known."""
    text = re.sub(r"\d", lambda m: f" {DIGITS[int(m.group())]} ", str(row.get("text") or ""))
    return " ".join(spoken_words(text)) if not text.endswith(".wav") else ""


def digit_strings(digits: list[Utterance], seed: int) -> list[Utterance]:
    """Return single recorded digits of each speaker joined to strings of 3 to 6, with short pauses between them.

    Every digit is used once; the last string of a speaker may be shorter.
    """
    rng = np.random.default_rng((seed, 6))
    speakers: defaultdict[str, list[Utterance]] = defaultdict(list)
    for digit in digits:
        speakers[digit.voice].append(digit)
    strings = []
    for voice, said in speakers.items():
        left = [said[i] for i in rng.permutation(len(said))]
        while left:
            n = int(rng.integers(_STRING_LENGTHS[0], _STRING_LENGTHS[1] + 1))
            part, left = left[:n], left[n:]
            text = " ".join(digit.text for digit in part)
            strings.append(Utterance(_in_a_row(part, rng), text, "recorded_digit_strings", voice))
    return strings


def _in_a_row(digits: list[Utterance], rng: np.random.Generator) -> Float32:
    sounds = [_silence(_EDGE_S)]
    for digit in digits:
        sounds += [digit.sound, _silence(rng.uniform(*_PAUSES_S))]
    return np.concatenate([*sounds, _silence(_EDGE_S)])


def _silence(seconds: float) -> Float32:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def read_sound(path: Path) -> Float32:
    """Return a sound file at 16 kHz mono."""
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = sound.mean(axis=1)
    return np.asarray(mono if rate == SAMPLE_RATE else soxr.resample(mono, rate, SAMPLE_RATE), np.float32)
