"""The voices that were heard: one centroid each, and when a voice is a new one.

Scores are cosines. A voice is known by the mean of what was surely its own, so a passing noise does not move it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.stream.voice_names import letters

__all__ = ["Match", "VoiceBook", "VoiceRules", "VoiceState", "unit"]

Float32 = NDArray[np.float32]
MEMORY_S: Final = 120.0  # of speech: a voice that changes slowly is followed
MAX_KNOWN: Final = 100


@dataclass(frozen=True, slots=True)
class VoiceRules:
    """How alike voices must be; chosen on synthetic conversations (docs/speakers.md).

    Attributes:
        same_above: cosine at which two windows of 2 s are as likely of one voice as of two.
        most: voices that may be told apart.
        new_below: a voice that is less like every known one than `same_above` plus this is a new one.
        new_s: of speech of it that this takes.
        learn_s: of speech that may move a centroid.
        stay: added to the score of who spoke before, where there is little speech to judge by.

    """

    same_above: float
    most: int = 20
    new_below: float = 0.15
    new_s: float = 2.0
    learn_s: float = 2.0
    stay: float = 0.2


@dataclass(frozen=True, slots=True)
class VoiceState:
    """A voice put down: its name, its centroid as int8 of the largest component, speech in it, where it is from."""

    name: str
    packed: bytes
    speech_s: float
    known: bool


@dataclass(frozen=True, slots=True)
class Match:
    """The most similar voice: its number, and the cosine to it."""

    voice: int
    score: float


class VoiceBook:
    """The voices of one stream, by number; numbers are never used twice.

    Args:
        rules: how alike voices must be.
        known: vectors of voices with a name, which are not moved.

    """

    def __init__(self, rules: VoiceRules, known: Mapping[str, Float32] | None = None) -> None:
        self.rules = rules
        self._names: dict[int, str] = {}
        self._sums: dict[int, Float32] = {}
        self._speech_s: dict[int, float] = {}
        self._fixed: set[int] = set()
        self._heard: set[int] = set()  # those that have spoken
        self._first_letter = 0
        self._next = 0
        for name, vector in list((known or {}).items())[:MAX_KNOWN]:
            self._put(name, unit(vector), 0.0)
            self._fixed.add(self._next - 1)

    def __len__(self) -> int:
        """How many voices have spoken."""
        return len(self._heard)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Those that have spoken."""
        return tuple(sorted(self._heard))

    @property
    def known(self) -> tuple[int, ...]:
        """Those whose name was given."""
        return tuple(sorted(self._fixed))

    def name(self, voice: int) -> str:
        """Return what a voice is called."""
        return self._names[voice]

    def centroid(self, voice: int) -> Float32:
        """Return the mean of a voice, of unit length."""
        return unit(self._sums[voice])

    def state(self) -> tuple[VoiceState, ...]:
        """Return the voices that have spoken."""
        return tuple(
            VoiceState(self._names[k], pack(self._sums[k]), self._speech_s[k], k in self._fixed) for k in self.numbers
        )

    def restore(self, voices: Sequence[VoiceState], first_letter: int) -> None:
        """Go on with voices that were put down; names before that of the letter `first_letter` are not given again."""
        fixed = {self._names[number]: number for number in self._fixed}
        for voice in voices:
            if voice.known and voice.name in fixed:
                self._heard.add(fixed[voice.name])
                continue
            weight = min(voice.speech_s, MEMORY_S)
            self._heard.add(self._put(voice.name, unpack(voice.packed) * np.float32(weight), voice.speech_s))
        self._first_letter = first_letter

    @property
    def first_letter(self) -> int:
        """Letters before it belong to voices of before, which are not known any more."""
        return self._first_letter

    def match(self, vector: Float32, speech_s: float, before: int | None = None) -> Match | None:
        """Return the voice that is most like a vector; None: there is none, or none with a name that is near.

        Args:
            vector: of unit length.
            speech_s: of how much speech it is; with little of it, who spoke `before` is preferred.
            before: who spoke last.

        """
        stay = self.rules.stay * max(0.0, 1 - speech_s / self.rules.new_s)
        best: Match | None = None
        best_rank = -np.inf
        for voice, total in self._sums.items():
            score = float(unit(total) @ vector)
            if voice not in self._heard and score < self.rules.same_above:
                continue
            rank = score + (stay if voice == before else 0.0)
            if rank > best_rank:
                best, best_rank = Match(voice, score), rank
        return best

    def is_new(self, match: Match | None, speech_s: float) -> bool:
        """Whether speech that matches so is evidence enough of a voice that was not heard before."""
        if match is None:
            return True
        if len(self._heard) >= self.rules.most or speech_s < self.rules.new_s:
            return False
        return match.score < self.rules.same_above + self.rules.new_below

    def match_but(self, voice: int, vector: Float32) -> Match | None:
        """Return the voice that is most like a vector, but for one."""
        scores = {other: float(self.centroid(other) @ vector) for other in self._heard if other != voice}
        best = max(scores, key=lambda other: scores[other], default=None)
        return None if best is None else Match(best, scores[best])

    def add(self, vector: Float32, speech_s: float) -> int:
        """Take a voice that was not heard before; return its number.

        A first voice that little was heard of takes the new one's place: a cough is nobody.
        """
        weak = [voice for voice in self._heard - self._fixed if self._speech_s[voice] < self.rules.new_s]
        if weak:
            self._sums[weak[0]], self._speech_s[weak[0]] = vector * np.float32(speech_s), speech_s
            return weak[0]
        return self.found(vector, speech_s)

    def found(self, vector: Float32, speech_s: float) -> int:
        """Take a voice that a second look has found; return its number."""
        taken = set(self._names.values())
        name = next(name for k in count(self._first_letter) if (name := letters(k)) not in taken)
        number = self._put(name, vector * np.float32(speech_s), speech_s)
        self._heard.add(number)
        return number

    def learn(self, voice: int, vector: Float32, speech_s: float) -> None:
        """Take more speech of a voice; it moves the centroid where it is clean: long, and like what is known."""
        self._heard.add(voice)
        if voice in self._fixed:
            self._speech_s[voice] += speech_s
            return
        match = float(self.centroid(voice) @ vector)
        if speech_s < self.rules.learn_s or match < self.rules.same_above:
            return
        total = self._sums[voice] + vector * np.float32(speech_s)
        self._speech_s[voice] += speech_s
        if (length := float(np.linalg.norm(total))) > MEMORY_S:
            total *= np.float32(MEMORY_S / length)
        self._sums[voice] = total

    def forget(self, voice: int) -> None:
        """Drop a voice that was a mistake; its name is free again."""
        self._heard.discard(voice)
        if voice in self._fixed:
            return
        del self._names[voice], self._sums[voice], self._speech_s[voice]

    def reform(self, sums: Mapping[int, Float32]) -> None:
        """Let voices be what a second look at all speech says; those that it does not know are forgotten.

        Args:
            sums: of the vectors of each, each as long as its speech in seconds.

        """
        for voice in self.numbers:
            if voice not in sums:
                self.forget(voice)
        for voice, total in sums.items():
            self._heard.add(voice)
            if voice not in self._fixed:
                length = max(float(np.linalg.norm(total)), 1e-6)
                self._sums[voice] = np.asarray(total * min(1.0, MEMORY_S / length), np.float32)
                self._speech_s[voice] = max(length, self.rules.new_s)

    def _put(self, name: str, total: Float32, speech_s: float) -> int:
        number = self._next
        self._next += 1
        self._names[number], self._sums[number], self._speech_s[number] = name, total, speech_s
        return number


def unit(vector: Float32) -> Float32:
    """Return a vector of length 1; one of zeros stays."""
    length = float(np.linalg.norm(vector))
    return np.asarray(vector / np.float32(length), np.float32) if length > 0 else np.asarray(vector, np.float32)


def pack(vector: Float32) -> bytes:
    """Return the direction of a vector in one byte a component."""
    scale = float(np.abs(vector).max(initial=0.0)) or 1.0
    return np.round(vector / np.float32(scale) * 127).astype(np.int8).tobytes()


def unpack(packed: bytes) -> Float32:
    """Return a vector of unit length."""
    return unit(np.frombuffer(packed, np.int8).astype(np.float32))
