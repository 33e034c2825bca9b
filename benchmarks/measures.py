"""The measures of streaming, pure: from what a system showed, and when, to figures (definitions in docs/benchmarks.md).

Every system's run has one form, a `Take`: when each piece of sound was due to be sent, and each text that came back.
On a real clock the figures are computation-aware; a take on a simulated clock, where computing takes no time, gives the
computation-unaware ones by the same functions. Times are seconds since the first piece was due to be sent.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from typing import Any, Literal, TypeAlias

import numpy as np

from amanuensis.stream.english import normalise_english
from amanuensis.stream.normalise import normalise_word
from amanuensis.stream.wer import Errors, word_errors

Kind: TypeAlias = Literal["partial", "commit", "final"]
PAUSE_S = 0.5  # a silence as long as this in the reference: the speaker has stopped
LOOK_AHEAD = 8  # words of the reference beyond a partial's length among which its words are looked for


@dataclass(frozen=True, slots=True)
class Shown:
    """A text that a client got.

    Attributes:
        at_s: when the client had it.
        kind: "partial" replaces everything that is shown and not committed; "commit" appends words that will not
            change; "final" is the whole text of an utterance, which is over: words of it beyond those committed since
            the final before are committed by it.
        text: its words.

    """

    at_s: float
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A piece of sound: due at `at_s`, as a microphone would give it; its last sample ends at media time `until_s`."""

    at_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class Take:
    """One run of one stream.

    A sender that was held back keeps the times at which it was due: else a system could hide its delay by not reading.
    """

    shown: tuple[Shown, ...]
    sent: tuple[Sent, ...]

    def spoken_at(self, media_s: float) -> float:
        """Return when the sound at a media time was spoken, the steps of sending taken out."""
        ends = [piece.until_s for piece in self.sent]
        piece = self.sent[min(bisect_left(ends, media_s), len(ends) - 1)]
        return piece.at_s - (piece.until_s - media_s)

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can hold: `shown` [[at_s, kind, text], ...], `sent` [[at_s, until_s], ...]."""
        return {
            "shown": [[round(one.at_s, 4), one.kind, one.text] for one in self.shown],
            "sent": [[round(one.at_s, 4), round(one.until_s, 4)] for one in self.sent],
        }

    @classmethod
    def of_json(cls, data: dict[str, Any]) -> Take:
        """Read what `as_json` gave, or a driver in another environment wrote."""
        return cls(tuple(Shown(*row) for row in data["shown"]), tuple(Sent(*row) for row in data["sent"]))


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word of the reference; `end_s` is its end in the sound, None where nobody knows it."""

    text: str
    start_s: float | None
    end_s: float | None


@dataclass(frozen=True, slots=True)
class Percentiles:
    """P50, P95 and P99 in the unit of the values, interpolated linearly; nan where there are no values."""

    n: int
    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Percentiles:
        """Summarise."""
        points = np.percentile(values, (50, 95, 99)).tolist() if values else [float("nan")] * 3
        return cls(len(values), *points)

    def figures(self) -> dict[str, float | int | None]:
        """Return the figures by name, None where there are none."""
        return {name: None if value != value else value for name, value in asdict(self).items()}  # noqa: PLR0124 - nan


def three(figure: Mapping[str, float | None]) -> str:
    """Return the figures of percentiles as text."""
    if not figure["n"]:
        return "-"
    return " / ".join(f"{figure[name]:.2f}" for name in ("p50", "p95", "p99")) + f" (n {figure['n']})"


def plain_words(text: str) -> list[str]:
    """Return the words of a text as they are matched: without case and punctuation, apart at hyphens."""
    return [word for part in text.replace("-", " ").split() if (word := normalise_word(part))]


def reference_words(words: Iterable[Spoken]) -> list[Spoken]:
    """Return the reference as it is matched; parts of a joined word share its end, the last one's."""
    return [Spoken(part, word.start_s, word.end_s) for word in words for part in plain_words(word.text)]


@dataclass(frozen=True, slots=True)
class Committed:
    """A committed word and when it was; `final_s` is when its utterance was over, None if it never was."""

    text: str
    at_s: float
    final_s: float | None = None


def committed(take: Take) -> list[Committed]:
    """Return the committed words in order; a final commits the words of its text that were not committed before."""
    done: list[Committed] = []
    open_: list[Committed] = []
    for one in take.shown:
        words = plain_words(one.text)
        if one.kind == "commit":
            open_ += [Committed(word, one.at_s) for word in words]
        elif one.kind == "final":
            open_ += [Committed(word, one.at_s) for word in words[len(open_) :]]
            done += [Committed(word.text, word.at_s, one.at_s) for word in open_]
            open_ = []
    return done + open_


def pairs(reference: Sequence[str], heard: Sequence[str]) -> list[tuple[int, int]]:
    """Return the indices of words that both have, in order."""
    blocks = SequenceMatcher(None, reference, heard, autojunk=False).get_matching_blocks()
    return [(block.a + k, block.b + k) for block in blocks for k in range(block.size)]


def commit_latencies_s(take: Take, reference: Sequence[Spoken]) -> list[float]:
    """Return, for each recognised word with a known end, the seconds from its end to its commit at the client."""
    words, heard = reference_words(reference), committed(take)
    found = pairs([word.text for word in words], [word.text for word in heard])
    return [heard[b].at_s - take.spoken_at(end) for a, b in found if (end := words[a].end_s) is not None]


def partial_latencies_s(take: Take, reference: Sequence[Spoken]) -> list[float]:
    """Return, for each recognised word with a known end, the seconds from its end to its first showing in its place.

    A word is shown by a partial, a commit or a final. The time may be negative: words are guessed before their end.
    """
    words, heard = reference_words(reference), committed(take)
    texts = [word.text for word in words]
    place = {b: a for a, b in pairs(texts, [word.text for word in heard])}
    first: dict[int, float] = {a: heard[b].at_s for b, a in place.items()}
    for at_s, n_committed, partial in _partials(take):
        start = 1 + max((place[b] for b in range(n_committed) if b in place), default=-1)
        near = texts[start : start + len(partial) + LOOK_AHEAD]
        for a, _ in pairs(near, partial):
            if start + a in first:
                first[start + a] = min(first[start + a], at_s)
    return [at_s - take.spoken_at(end) for a, at_s in sorted(first.items()) if (end := words[a].end_s) is not None]


def _partials(take: Take) -> Iterable[tuple[float, int, list[str]]]:
    """Yield the partials: when, after how many committed words, and their words."""
    done = opened = 0
    for one in take.shown:
        words = plain_words(one.text)
        if one.kind == "partial":
            yield one.at_s, done + opened, words
        elif one.kind == "commit":
            opened += len(words)
        else:
            done, opened = done + max(opened, len(words)), 0


def final_latencies_s(take: Take, reference: Sequence[Spoken], pause_s: float = PAUSE_S) -> list[float]:
    """Return, for each time that the speaker stops, the seconds until the text before it is final at the client.

    The speaker stops at the end of a word that is followed by at least `pause_s` of silence, or by nothing. The text is
    final when an utterance is over that holds the last recognised word before the stop. A system without finals has
    them with its commits. A stop of whose words none was recognised has no latency.
    """
    words, heard = reference_words(reference), committed(take)
    place = dict(pairs([word.text for word in words], [word.text for word in heard]))
    finals = sorted({word.final_s for word in heard if word.final_s is not None})
    latencies: list[float] = []
    for first, last in _utterances(words, pause_s):
        found = [heard[place[k]] for k in range(first, last + 1) if k in place]
        end_s = words[last].end_s
        if not found or end_s is None:
            continue
        stop_s = take.spoken_at(end_s)
        over_s = found[-1].at_s if not finals else found[-1].final_s
        if over_s is not None:
            later = [
                at_s for at_s in finals if at_s >= stop_s
            ]  # an utterance that was cut before the stop says nothing
            latencies.append((over_s if over_s >= stop_s else min(later, default=over_s)) - stop_s)
    return latencies


def _utterances(words: Sequence[Spoken], pause_s: float) -> Iterable[tuple[int, int]]:
    """Yield the first and the last index of the words between pauses."""
    first = 0
    for k, word in enumerate(words):
        after = words[k + 1] if k + 1 < len(words) else None
        known = word.end_s is not None and (after is None or after.start_s is not None)
        if known and (after is None or (after.start_s or 0.0) - (word.end_s or 0.0) >= pause_s):
            yield first, k
            first = k + 1


def normalised_erasure(take: Take) -> float:
    """Return how many shown words were taken back, through the words of the whole text at the end.

    With D_k the words shown after the k-th event, committed ones and partial, it is the sum over k of
    |D_k-1| - lcp(D_k-1, D_k), through |D_n| (Arivazhagan et al. 2020, arXiv 1912.03393). Commits and finals leave what
    the partial had beyond their words: it may belong to the next utterance, and counts when it is replaced.
    """
    done: list[str] = []
    opened: list[str] = []
    partial: list[str] = []
    erased = 0
    for one in take.shown:
        before = done + opened + partial
        words = plain_words(one.text)
        if one.kind == "partial":
            partial = words
        elif one.kind == "commit":
            opened, partial = opened + words, partial[len(words) :]
        else:
            new = words[len(opened) :]
            done, opened, partial = done + opened + new, [], partial[len(new) :]
        now = done + opened + partial
        erased += len(before) - _common_prefix(before, now)
    return (erased + len(partial)) / max(1, len(committed(take)))


def _common_prefix(left: Sequence[str], right: Sequence[str]) -> int:
    return next((k for k, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


def transcript(take: Take) -> str:
    """Return the whole committed text with its surface."""
    done: list[str] = []
    opened: list[str] = []
    for one in take.shown:
        if one.kind == "commit":
            opened.append(one.text)
        elif one.kind == "final":
            done, opened = [*done, one.text], []
    return " ".join(" ".join([*done, "".join(opened)]).split())


def streaming_errors(reference: str, heard: str) -> Errors:
    """Return the word errors of English texts as Whisper's paper compares them."""
    return word_errors(normalise_english(reference).split(), normalise_english(heard).split())


def slope_per_hour(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of a least-squares line through (seconds, value), in values per hour; 0 below two points."""
    if len(points) < 2:
        return 0.0
    seconds, values = np.array(points).T
    return float(3600 * np.polyfit(seconds - seconds[0], values, 1)[0])


@dataclass(slots=True)
class Latencies:
    """The latencies of one or more takes, in seconds."""

    final_s: list[float]
    commit_s: list[float]
    partial_s: list[float]
    erasures: list[float]  # normalised, one for each take
    errors: Errors = field(default_factory=Errors)

    @classmethod
    def none(cls) -> Latencies:
        """Return one of no take."""
        return cls([], [], [], [])

    def add(self, take: Take, reference: Sequence[Spoken]) -> None:
        """Count a take."""
        self.final_s += final_latencies_s(take, reference)
        self.commit_s += commit_latencies_s(take, reference)
        self.partial_s += partial_latencies_s(take, reference)
        self.erasures.append(normalised_erasure(take))
        self.errors += streaming_errors(" ".join(word.text for word in reference), transcript(take))

    def values(self) -> dict[str, list[float]]:
        """Return all latencies in order, to 1 ms."""
        named = {"final": self.final_s, "commit": self.commit_s, "partial": self.partial_s}
        return {name: [round(value, 3) for value in sorted(values)] for name, values in named.items()}

    def figures(self) -> dict[str, Any]:
        """Return the figures by name."""
        named = {"final_s": self.final_s, "commit_s": self.commit_s, "partial_s": self.partial_s}
        return {name: Percentiles.of(values).figures() for name, values in named.items()} | {
            "normalised_erasure": float(np.mean(self.erasures)) if self.erasures else 0.0,
            "wer": self.errors.rate,
            "words": self.errors.n,
        }
