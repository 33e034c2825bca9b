"""What of a hypothesis is not believed: Whisper writes text for silence, and loops.

The voice detector comes before all of these. There is no list of phrases: people do say "thank you".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from typing import Final

from amanuensis.npu.window import WindowResult
from amanuensis.stream.bounds import check_bounds
from amanuensis.stream.normalise import normalise_word
from amanuensis.stream.words import TimedWord, text_of

__all__ = [
    "GateConfig",
    "Judgement",
    "Verdict",
    "anomaly",
    "judge",
    "loop_start",
    "token_budget",
    "uncovered_from",
    "wordless",
]

SAMPLES_PER_S: Final = 16_000
SHORT_WORD_S: Final = 0.133  # faster-whisper's word anomaly score
LONG_WORD_S: Final = 2.0
UNLIKELY_WORD: Final = 0.15
ANOMALY_WORDS: Final = 8
MAX_ANOMALY: Final = 3.0
LONGEST_PATTERN: Final = 12  # words in a repeated phrase
BOUNDS: Final = (
    ("no_speech", 0.0, 1.0),
    ("logprob", -100.0, 0.0),
    ("compression", 1.0, 100.0),
    ("repeats", 2, 100),
    ("tokens_per_s", 1.0, 100.0),
    ("spare_tokens", 0, 200),
    ("chars_per_s", 1.0, 1000.0),
    ("short_words", 0, 100),
    ("short_conf", 0.0, 1.0),
    ("quiet_s", 0.0, 30.0),
    ("uncovered_s", 0.1, 30.0),
)


@dataclass(frozen=True, slots=True)
class GateConfig:
    """Thresholds of the gates.

    Attributes:
        no_speech: a window is silent when its no-speech probability is above this and it is unlikely as well.
        logprob: a window is unlikely when its mean log-probability is below this (openai/whisper).
        compression: a text that zlib shrinks more than this repeats itself (openai/whisper).
        repeats: a phrase of three words or more said so often in a row is a loop; shorter ones may be said more often.
        tokens_per_s: text tokens that a window may have for each second of audio.
        spare_tokens: text tokens that a window of any length may have on top.
        chars_per_s: text longer than this for its voiced audio was not said; fast speech has about 20.
        short_words: a hypothesis of at most so many words that follows no others ...
        short_conf: ... is noise when their mean confidence is below this.
        quiet_s: a hypothesis over less voiced audio than this must be free of word anomalies.
        uncovered_s: so much voiced audio without words is decoded again.

    Raises:
        ValueError: a threshold is not allowed.

    """

    no_speech: float = 0.6
    logprob: float = -1.0
    compression: float = 2.4
    repeats: int = 4
    tokens_per_s: float = 16.0
    spare_tokens: int = 16
    chars_per_s: float = 30.0
    short_words: int = 4
    short_conf: float = 0.4
    quiet_s: float = 0.3
    uncovered_s: float = 1.0

    def __post_init__(self) -> None:
        check_bounds("gates", self, BOUNDS)


class Verdict(Enum):
    """How far a hypothesis is believed."""

    KEEP = "keep"
    DOUBT = "doubt"  # unlikely, but nothing better is known: shown, not committed on a tick
    LOOP = "loop"  # the words from the loop on are not believed
    SILENT = "silent"  # nothing of it is believed


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, its reason, and how many words are believed."""

    verdict: Verdict
    reason: str
    n_words: int


def judge(
    result: WindowResult, words: Sequence[TimedWord], voiced_s: float, config: GateConfig, *, follows: bool = False
) -> Judgement:
    """Judge a hypothesis, the cheapest gates first.

    Args:
        result: what the engine said.
        words: its words after the committed ones.
        voiced_s: seconds of the audio after the committed words that the voice detector called speech.
        config: thresholds.
        follows: whether words of the same utterance were committed before these.

    """
    unlikely = result.avg_logprob < config.logprob
    if not words:
        return Judgement(Verdict.KEEP, "", 0)
    if result.no_speech_prob > config.no_speech and unlikely:
        return Judgement(Verdict.SILENT, "no speech", 0)
    if loop := _find_loop(result, words, voiced_s, config):
        return loop
    if not follows and len(words) <= config.short_words and _mean_confidence(words) < config.short_conf:
        return Judgement(Verdict.SILENT, "a few unlikely words", 0)
    if voiced_s < config.quiet_s and anomaly(words) >= min(MAX_ANOMALY, len(words)):
        return Judgement(Verdict.SILENT, "unlikely words in silence", 0)
    return Judgement(Verdict.DOUBT if unlikely else Verdict.KEEP, "low probability" if unlikely else "", len(words))


def loop_start(words: Sequence[TimedWord], repeats: int) -> int:
    """Return the index of the first word that only repeats, `len(words)` when none does.

    A phrase of n words is a loop when it is said `repeats` times in a row, or 2 * `repeats` times when it has only
    one or two words: digits and "no no no" are real. The first time it is said is not part of the loop. A word that
    repeats one token 2 * `repeats` times is a loop as a whole.
    """
    keys = [normalise_word(word.text) for word in words]
    for start in range(len(keys)):
        if _longest_run(words[start].tokens) >= 2 * repeats:
            return start
        for length in range(1, min(LONGEST_PATTERN, (len(keys) - start) // repeats) + 1):
            needed = repeats * 2 if length <= 2 else repeats
            if _times_said(keys, start, length) >= needed:
                return start + length
    return len(keys)


def token_budget(audio_s: float, n_forced: int, config: GateConfig) -> int:
    """Return how many text tokens a window may have, the forced ones included: a bound on what a loop costs."""
    return n_forced + config.spare_tokens + round(config.tokens_per_s * audio_s)


def anomaly(words: Sequence[TimedWord]) -> float:
    """Return how odd the first words are: unlikely, too short or too long (faster-whisper's score)."""
    return sum(_word_anomaly(word) for word in words[:ANOMALY_WORDS])


def uncovered_from(
    spans: Sequence[tuple[int, int]], words: Sequence[TimedWord], start: int, uncovered_s: float
) -> int | None:
    """Return where speech without words begins, None when all speech has words.

    Args:
        spans: voiced parts of the audio, positions in order, disjoint.
        words: all words of the audio, in order.
        start: position from which the audio is looked at.
        uncovered_s: voiced seconds between two words, or after the last, that are too many.

    """
    return next((gap_start for gap_start, _ in _uncovered(spans, words, start, uncovered_s)), None)


def wordless(
    spans: Sequence[tuple[int, int]], words: Sequence[TimedWord], start: int, uncovered_s: float
) -> list[tuple[int, int]]:
    """Return the voiced parts of the audio that are without words, where they are too many; as in `uncovered_from`."""
    return [
        (max(first, gap_start), min(last, gap_stop))
        for gap_start, gap_stop in _uncovered(spans, words, start, uncovered_s)
        for first, last in spans
        if max(first, gap_start) < min(last, gap_stop)
    ]


def _uncovered(
    spans: Sequence[tuple[int, int]], words: Sequence[TimedWord], start: int, uncovered_s: float
) -> Iterator[tuple[int, int]]:
    """Yield the stretches between words with too much voiced audio."""
    limit = round(uncovered_s * SAMPLES_PER_S)
    ends = [start, *(word.end for word in words)]
    starts = [*(word.start for word in words), max((stop for _, stop in spans), default=start)]
    for gap_start, gap_stop in zip(ends, starts, strict=True):
        if gap_stop - gap_start >= limit and _voiced(spans, gap_start, gap_stop) >= limit:
            yield gap_start, gap_stop


def _voiced(spans: Sequence[tuple[int, int]], start: int, stop: int) -> int:
    return sum(max(0, min(b, stop) - max(a, start)) for a, b in spans)


def _times_said(keys: Sequence[str], start: int, length: int) -> int:
    n = 1
    while keys[start : start + length] == keys[start + n * length : start + (n + 1) * length]:
        n += 1
    return n


def _find_loop(
    result: WindowResult, words: Sequence[TimedWord], voiced_s: float, config: GateConfig
) -> Judgement | None:
    loop = loop_start(words, config.repeats)
    if loop < len(words):
        return Judgement(Verdict.LOOP, "repetition", loop)
    if result.compression_ratio > config.compression:
        return Judgement(Verdict.LOOP, "compression ratio", loop_start(words, 2))
    if len(text_of(words)) > config.chars_per_s * (voiced_s + 1):  # a second for what the detector misses
        return Judgement(Verdict.LOOP, "more text than speech", _within_budget(words, voiced_s, config))
    return None


def _mean_confidence(words: Sequence[TimedWord]) -> float:
    return sum(word.conf for word in words) / len(words)


def _longest_run(tokens: Sequence[int]) -> int:
    """Return how often one token stands in a row at most."""
    return max((len(list(run)) for _, run in groupby(tokens)), default=0)


def _within_budget(words: Sequence[TimedWord], voiced_s: float, config: GateConfig) -> int:
    budget = config.chars_per_s * (voiced_s + 1)
    n_chars = 0
    for k, word in enumerate(words):
        n_chars += len(word.text)
        if n_chars > budget:
            return k
    return len(words)


def _word_anomaly(word: TimedWord) -> float:
    seconds = (word.end - word.start) / SAMPLES_PER_S
    score = 1.0 if word.conf < UNLIKELY_WORD else 0.0
    score += 15 * max(0.0, SHORT_WORD_S - seconds)
    return score + max(0.0, seconds - LONG_WORD_S)
