"""How right it is who was said to speak: diarisation error, turns, words, and how long their labels took.

The diarisation error is that of pyannote.metrics (`pip install amanuensis[metrics]`), which knows what is usual.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from amanuensis.benchmarks.speaker_talks import Heard, SpokenWord, Talk, Turn

COLLAR_S: Final = 0.25  # on each side of a border
TURN_S: Final = 0.5  # a turn may be found so much too early or late
SOON_S: Final = {"after_5_s": 5.0, "after_10_s": 10.0}  # when a reader may look again whose a word is
WORDS: Final = ("at_commit", *SOON_S, "live", "final")


class MetricsError(Exception):
    """pyannote.metrics is not there; the message says what to do."""


@dataclass(slots=True)
class Scores:
    """Sums over the talks of one kind."""

    talks: int = 0
    seconds: float = 0.0
    voices_s: float = 0.0
    speakers_off: list[int] = field(default_factory=list)
    words: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("all", *WORDS), 0))
    delays_ms: list[float] = field(default_factory=list)
    turns: dict[str, list[int]] = field(default_factory=lambda: {"live": [0, 0, 0], "final": [0, 0, 0]})
    _errors: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        error = _error_metric()
        for when in ("live", "final"):
            for overlap in ("overlap", "no_overlap"):
                # pyannote's collar is the width of both sides together.
                self._errors[f"{when}_{overlap}"] = error(collar=2 * COLLAR_S, skip_overlap=overlap == "no_overlap")

    def add(self, talk: Talk, heard: Heard) -> None:
        """Count one talk."""
        self.talks += 1
        self.seconds += talk.seconds
        self.voices_s += heard.voices_s
        self.speakers_off.append(abs(len({who for *_, who in talk.turns}) - len({who for *_, who in heard.final})))
        mappings = {}
        for when, turns in (("live", heard.live), ("final", heard.final)):
            mappings[when] = self._score(when, talk, turns)
            found = turn_counts(talk.turns, turns)
            self.turns[when] = [a + b for a, b in zip(self.turns[when], found, strict=True)]
        self._count_words(talk, heard.words, mappings)

    def _score(self, when: str, talk: Talk, turns: Sequence[Turn]) -> dict[str, str]:
        """Count errors; return which speaker each name is."""
        reference, hypothesis, whole = _annotations(talk, turns)
        for overlap in ("overlap", "no_overlap"):
            self._errors[f"{when}_{overlap}"](reference, hypothesis, uem=whole)
        found: dict[str, str] = self._errors[f"{when}_overlap"].optimal_mapping(reference, hypothesis, uem=whole)
        return found

    def _count_words(self, talk: Talk, words: Iterable[SpokenWord], mappings: dict[str, dict[str, str]]) -> None:
        for word in words:
            who = speaker_of(talk.turns, (word.start_s + word.end_s) / 2)
            if who is None:
                continue
            self.words["all"] += 1
            names = {"at_commit": word.at_commit, "live": word.live, "final": word.final}
            names |= {when: word.whose(after_s) for when, after_s in SOON_S.items()}
            for when, name in names.items():
                mapping = mappings["final" if when == "final" else "live"]
                self.words[when] += name is not None and mapping.get(name) == who
            if word.live is not None:
                self.delays_ms.append(1000 * (word.settled_s - word.end_s))

    def figures(self) -> dict[str, Any]:
        """Return the figures by name; shares are of 1."""
        n_words = max(1, self.words["all"])
        delays = self.delays_ms or [0.0]
        return {
            "talks": self.talks,
            "seconds": round(self.seconds, 1),
            "der": {name: round(abs(error), 4) for name, error in self._errors.items()},
            "turn_f1": {when: round(f1(*counts), 4) for when, counts in self.turns.items()},
            "words": self.words["all"],
            "words_right": {when: round(self.words[when] / n_words, 4) for when in WORDS},
            "label_delay_ms": {f"p{p}": round(float(np.percentile(delays, p))) for p in (50, 95)},
            "speakers_off": round(sum(self.speakers_off) / max(1, len(self.speakers_off)), 3),
            "cpu_share": round(self.voices_s / max(self.seconds, 1e-9), 5),
        }


def check_metrics() -> None:
    """Raise MetricsError where pyannote.metrics is not installed."""
    _error_metric()


def _error_metric() -> Any:
    try:
        from pyannote.metrics.diarization import DiarizationErrorRate
    except ImportError:
        raise MetricsError("pyannote.metrics is not installed: pip install 'amanuensis[metrics]'") from None
    return DiarizationErrorRate


def _annotations(talk: Talk, turns: Sequence[Turn]) -> tuple[Any, Any, Any]:
    from pyannote.core import Annotation, Segment, Timeline

    def annotation(these: Iterable[Turn]) -> Any:
        made = Annotation(uri=talk.path)
        for track, (start_s, end_s, who) in enumerate(these):
            made[Segment(start_s, end_s), track] = who
        return made

    return annotation(talk.turns), annotation(turns), Timeline([Segment(0.0, talk.seconds)])


def speaker_of(turns: Sequence[Turn], at_s: float) -> str | None:
    """Return who speaks at a time; None: nobody, or more than one."""
    who = {name for start_s, end_s, name in turns if start_s <= at_s < end_s}
    return who.pop() if len(who) == 1 else None


def changes(turns: Sequence[Turn]) -> list[float]:
    """Return where another speaker begins than spoke before, in seconds; the first turn counts too."""
    ordered = sorted(turns)
    return [turn[0] for k, turn in enumerate(ordered) if k == 0 or turn[2] != ordered[k - 1][2]]


def turn_counts(reference: Sequence[Turn], found: Sequence[Turn]) -> tuple[int, int, int]:
    """Return how many changes were found to TURN_S, each once, how many there are, and how many were said to be."""
    wanted, said = changes(reference), changes(found)
    left, hits = list(said), 0
    for at_s in wanted:
        near = [other for other in left if abs(other - at_s) <= TURN_S]
        if near:
            left.remove(min(near, key=lambda other: abs(other - at_s)))
            hits += 1
    return hits, len(wanted), len(said)


def f1(hits: int, wanted: int, said: int) -> float:
    """Return the harmonic mean of precision and recall."""
    return 2 * hits / (wanted + said) if wanted + said else 1.0
