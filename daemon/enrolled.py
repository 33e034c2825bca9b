"""Voices with a name, kept on this machine only: one file, readable by its owner alone.

A vector says what a voice sounds like and not what was said; it can be removed, and no recording is kept.
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.daemon.data_folder import data_folder
from amanuensis.daemon.private_file import PrivateFileError, locked, read_private, write_private
from amanuensis.daemon.voice_name import as_voice_name, composed
from amanuensis.stream.voice_book import MAX_KNOWN

Float32 = NDArray[np.float32]
FILE: Final = "speakers.json"
FORBIDDEN: Final = 0o077  # by whose voice somebody can be known is nobody else's business
VERSION: Final = 1
MAX_BYTES: Final = 2**22  # 100 voices with the longest vectors take 2.2 MB
MAX_MODEL_CHARS: Final = 300
UNIT_SLACK: Final = 1e-3  # of the length of a vector


class EnrolError(Exception):
    """A voice cannot be enrolled, read or removed; the message says why and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class EnrolledVoice:
    """A voice with a name.

    Attributes:
        name: what it is called, as `as_voice_name` returns it.
        model: whose vector it is.
        vector: of unit length.
        speech_s: speech that it was made from.

    Raises:
        ValueError: one of these cannot be.

    """

    name: str
    model: str
    vector: Float32
    speech_s: float

    def __post_init__(self) -> None:
        if self.name != as_voice_name(self.name):
            raise ValueError(f"name {self.name!r} is not as names are kept")
        if not self.model.isprintable() or not 0 < len(self.model) <= MAX_MODEL_CHARS:
            raise ValueError(f"model {self.model[:MAX_MODEL_CHARS]!r} of {self.name!r} is no name of a model")
        if not math.isfinite(self.speech_s) or self.speech_s < 0:
            raise ValueError(f"speech_s of {self.name!r} is {self.speech_s}")
        finite = np.isfinite(self.vector).all()
        length = float(np.linalg.norm(self.vector.astype(np.float64))) if finite else math.nan
        if not abs(length - 1) < UNIT_SLACK:
            raise ValueError(f"the vector of {self.name!r} has length {length:g}, not 1")

    def likeness(self, other: EnrolledVoice) -> float:
        """Return the cosine to another voice; -1 where they are of two models, and cannot be compared."""
        comparable = (self.model, self.vector.shape) == (other.model, other.vector.shape)
        return float(self.vector @ other.vector) if comparable else -1.0


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
            EnrolError: the file cannot be read, others can read it too, or it is not what was written.

        """
        try:
            data = read_private(self.path, MAX_BYTES, forbidden=FORBIDDEN, what="enrolled voices")
        except FileNotFoundError:
            return []
        except PrivateFileError as error:
            raise EnrolError(str(error)) from None
        try:
            return _read_voices(json.loads(data))
        except (ValueError, RecursionError) as error:
            message = f"{self.path}: these are no enrolled voices ({error}); move the file away and enrol again"
            raise EnrolError(message) from None

    def put(self, voice: EnrolledVoice) -> list[EnrolledVoice]:
        """Keep a voice, in place of one of the same name; return the others.

        Raises:
            EnrolError: there are too many, or the file cannot be used; it is as it was.

        """
        with self._alone() as path:
            others = [one for one in self.read() if one.name != voice.name]
            if len(others) >= MAX_KNOWN:
                raise EnrolError(f"{MAX_KNOWN} voices are enrolled, which is the most: remove one first")
            _write(path, [*others, voice])
        return others

    def remove(self, name: str) -> None:
        """Forget a voice for good.

        Raises:
            EnrolError: there is none of this name, or the file cannot be used.

        """
        with self._alone() as path:
            voices = self.read()
            rest = [one for one in voices if one.name != composed(name)]
            if len(rest) == len(voices):
                there = ", ".join(one.name for one in voices) or "nobody"
                raise EnrolError(f"no voice {name!r} is enrolled; there is: {there}")
            _write(path, rest)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[Path]:
        """Keep others from changing the file; give it its own place, where a link leads to it."""
        try:
            path = self.path.resolve()
        except (OSError, RuntimeError) as error:  # a link that leads to itself
            raise EnrolError(f"{self.path}: {error}") from None
        try:
            with locked(path):
                yield path
        except PrivateFileError as error:
            raise EnrolError(str(error)) from None


def _write(path: Path, voices: Sequence[EnrolledVoice]) -> None:
    text = json.dumps({"version": VERSION, "voices": [_voice_map(voice) for voice in voices]}, ensure_ascii=False)
    write_private(path, text, forbidden=FORBIDDEN)


def _voice_map(voice: EnrolledVoice) -> dict[str, Any]:
    packed = base64.b64encode(voice.vector.astype("<f4").tobytes()).decode("ascii")
    return {"name": voice.name, "model": voice.model, "speech_s": voice.speech_s, "vector": packed}


def _read_voices(content: object) -> list[EnrolledVoice]:
    """Return what `_write` wrote; ValueError when it is not that."""
    match content:
        case {"version": int(version), "voices": list(items)}:
            if version != VERSION:
                raise ValueError(f"its version is {version}; this program knows {VERSION}")
        case _:
            raise ValueError("it has no version or no voices")
    if len(items) > MAX_KNOWN:
        raise ValueError(f"there are {len(items)} voices, more than {MAX_KNOWN}")
    voices = [_read_voice(k, item) for k, item in enumerate(items, 1)]
    if len({voice.name for voice in voices}) < len(voices):
        raise ValueError("two voices have one name")
    return voices


def _read_voice(k: int, item: object) -> EnrolledVoice:
    match item:
        case {"name": str(name), "model": str(model), "speech_s": int() | float() as speech_s, "vector": str(packed)}:
            pass
        case _:
            raise ValueError(f"voice {k} lacks a name, a model, seconds of speech or a vector")
    try:
        vector = np.frombuffer(base64.b64decode(packed, validate=True), "<f4").astype(np.float32)
        return EnrolledVoice(as_voice_name(name), model, vector, float(speech_s))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"voice {k}: {error}") from None
