"""Voices with a name, kept on this machine only: one file, readable by its owner alone.

A vector says what a voice sounds like and not what was said; it can be removed, and no recording is kept.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.daemon.data_folder import data_folder
from amanuensis.npu.atomic import whole_or_nothing
from amanuensis.stream.resample import MODEL_RATE
from amanuensis.stream.vad import FRAME_SAMPLES, VoiceDetector
from amanuensis.stream.voice_book import MAX_KNOWN, unit
from amanuensis.stream.voice_clusters import ClusterRules, Evidence, cluster_voices
from amanuensis.stream.voice_jobs import VoiceEmbedder
from amanuensis.stream.voice_names import is_letters
from amanuensis.stream.voice_windows import VoiceCutter, VoiceWindow

Float32 = NDArray[np.float32]
FILE: Final = "speakers.json"
FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
VERSION: Final = 1
MAX_NAME_CHARS: Final = 40
MAX_BYTES: Final = 2**20
LEAST_S: Final = 5.0  # of speech: less is no measure of a voice
ODD_SHARE: Final = 0.3  # of speech unlike the rest: somebody else speaks there too


class EnrolError(Exception):
    """A voice cannot be enrolled, read or removed; the message says why and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class EnrolledVoice:
    """A voice with a name.

    Attributes:
        name: what it is called.
        model: whose vector it is.
        vector: of unit length.
        speech_s: speech that it was made from.

    """

    name: str
    model: str
    vector: Float32
    speech_s: float


@dataclass(frozen=True, slots=True)
class VoiceFile:
    """The file of enrolled voices."""

    path: Path

    @classmethod
    def of(cls, env: Mapping[str, str]) -> VoiceFile:
        """Return where it is."""
        return cls(data_folder(env) / FILE)

    def read(self) -> list[EnrolledVoice]:
        """Return the voices in the order in which they were enrolled; none where there is no file.

        Raises:
            EnrolError: the file cannot be read, or is not what was written.

        """
        try:
            if not self.path.exists():
                return []
            if self.path.stat().st_size > MAX_BYTES:
                raise ValueError(f"it has more than {MAX_BYTES} bytes")
            content = json.loads(self.path.read_text(encoding="utf-8"))
            if content["version"] != VERSION:
                raise ValueError(f"its version is {content['version']!r}; this program knows {VERSION}")
            return [_read_voice(item) for item in content["voices"]]
        except OSError as error:
            raise EnrolError(f"{self.path}: cannot be read ({error.strerror})") from None
        except (ValueError, KeyError, TypeError) as error:
            message = f"{self.path}: these are no enrolled voices ({error}); move the file away and enrol again"
            raise EnrolError(message) from None

    def put(self, voice: EnrolledVoice) -> None:
        """Keep a voice, in place of one of the same name.

        Raises:
            EnrolError: its name is not allowed, there are too many, or the file cannot be used.
            amanuensis.npu.atomic.WriteError: the disk is full or the folder is read-only.

        """
        check_name(voice.name)
        others = [one for one in self.read() if one.name != voice.name]
        if len(others) >= MAX_KNOWN:
            raise EnrolError(f"{MAX_KNOWN} voices are enrolled, which is the most: remove one first")
        self._write([*others, voice])

    def remove(self, name: str) -> None:
        """Forget a voice for good.

        Raises:
            EnrolError: there is none of this name.

        """
        voices = self.read()
        rest = [one for one in voices if one.name != name]
        if len(rest) == len(voices):
            there = ", ".join(one.name for one in voices) or "nobody"
            raise EnrolError(f"no voice {name!r} is enrolled; there is: {there}")
        self._write(rest)

    def vectors(self, embedder: VoiceEmbedder) -> dict[str, Float32]:
        """Return the vectors that an embedder can be compared with, by name."""
        return {
            voice.name: voice.vector
            for voice in self.read()
            if voice.model == embedder.name and voice.vector.size == embedder.dim
        }

    def _write(self, voices: Sequence[EnrolledVoice]) -> None:
        content = {"version": VERSION, "voices": [_voice_map(voice) for voice in voices]}
        self.path.parent.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        with whole_or_nothing(self.path) as part:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(content, file, ensure_ascii=False)


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a voice.

    Raises:
        EnrolError: it is empty, too long, not printable, or what a voice without a name is called.

    """
    if not name.strip() or len(name) > MAX_NAME_CHARS or not name.isprintable() or is_letters(name):
        raise EnrolError(
            f"name {name!r} is not allowed: give 1 to {MAX_NAME_CHARS} printable characters, and not just A to ZZ, "
            "which voices without a name are called"
        )


def enrol(name: str, samples: Float32, embedder: VoiceEmbedder) -> EnrolledVoice:
    """Return the voice of a recording in which one person speaks.

    Args:
        name: of the person.
        samples: float32 [n], 16 kHz mono.
        embedder: makes the vectors.

    Raises:
        EnrolError: the name is not allowed, there is too little speech, or more than one voice.

    """
    check_name(name)
    n = len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
    decisions = VoiceDetector().push(samples[:n])
    cutter = VoiceCutter()
    items = [*cutter.push(0, samples[:n], decisions), *cutter.end()]
    windows = [item for item in items if isinstance(item, VoiceWindow)]
    speech_s = sum(decisions) * FRAME_SAMPLES / MODEL_RATE
    if speech_s < LEAST_S or not windows:
        raise EnrolError(f"{speech_s:.1f} s of speech are too few to know a voice by: give at least {LEAST_S:g} s")
    vectors = np.stack([embedder.embed(window.samples) for window in windows])
    weights = np.array([window.n_speech for window in windows], np.float32)
    evidence = Evidence(vectors, weights / np.float32(MODEL_RATE), np.zeros(len(windows), bool))
    mine = cluster_voices(evidence, ClusterRules(embedder.same_above))
    largest = mine == np.bincount(mine, weights).argmax()
    odd = 1 - float(weights[largest].sum() / weights.sum())
    if odd > ODD_SHARE:
        raise EnrolError(f"{100 * odd:.0f} % of the speech is unlike the rest: give a recording of one voice alone")
    mean = unit(np.asarray((vectors * weights[:, None])[largest].sum(axis=0), np.float32))
    return EnrolledVoice(name, embedder.name, mean, round(speech_s, 1))


def _voice_map(voice: EnrolledVoice) -> dict[str, Any]:
    packed = base64.b64encode(voice.vector.astype("<f4").tobytes()).decode("ascii")
    return {"name": voice.name, "model": voice.model, "speech_s": voice.speech_s, "vector": packed}


def _read_voice(item: Mapping[str, Any]) -> EnrolledVoice:
    vector = np.frombuffer(base64.b64decode(item["vector"], validate=True), "<f4").astype(np.float32)
    if not np.isfinite(vector).all() or not vector.any():
        raise ValueError(f"the vector of {item['name']!r} is none")
    return EnrolledVoice(str(item["name"]), str(item["model"]), unit(vector), float(item["speech_s"]))
