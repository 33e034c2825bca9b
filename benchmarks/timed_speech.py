"""Speech whose words have known times, as long as wanted: the bundled conversation, begun at any of its utterances."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amanuensis.benchmarks.measures import Spoken
from amanuensis.benchmarks.sound import SAMPLE_RATE, conversation


@dataclass(frozen=True, slots=True)
class TimedSpeech:
    """Sound, float32 mono at 16 kHz, and its words with their times."""

    samples: NDArray[np.float32]
    words: tuple[Spoken, ...]

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / SAMPLE_RATE

    @property
    def text(self) -> str:
        """All words."""
        return " ".join(word.text for word in self.words)


def timed_speech(seconds: float, shift: int = 0) -> TimedSpeech:
    """Return whole utterances of the conversation, at least one and as many as fit in so many seconds.

    Args:
        seconds: longest; the conversation begins anew where it ends.
        shift: number of the utterance to begin with, so that streams side by side do not pause together.

    """
    sound, told = conversation(), _utterances()
    length_s = len(sound) / SAMPLE_RATE
    edges = [0.0, *((told[k - 1]["end_s"] + told[k]["start_s"]) / 2 for k in range(1, len(told))), length_s]
    parts: list[NDArray[np.float32]] = []
    words: list[Spoken] = []
    at_s = 0.0
    for number in range(shift, shift + 100_000):
        k = number % len(told)
        part = sound[round(edges[k] * SAMPLE_RATE) : round(edges[k + 1] * SAMPLE_RATE)]
        if parts and at_s + len(part) / SAMPLE_RATE > seconds:
            break
        moved_s = at_s - round(edges[k] * SAMPLE_RATE) / SAMPLE_RATE
        words += [Spoken(text, start_s + moved_s, end_s + moved_s) for text, start_s, end_s in told[k]["words"]]
        parts.append(part)
        at_s += len(part) / SAMPLE_RATE
    return TimedSpeech(np.concatenate(parts), tuple(words))


def _utterances() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((files("amanuensis.daemon") / "data/demo.json").read_text("utf-8"))
    return rows
