"""Times of committed words, from sound with the real model."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from amanuensis.benchmarks.streaming_wer import Listener
from amanuensis.benchmarks.word_times import TIMED, Said, TimedClip, load_timed, matched
from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.loading import load_model
from amanuensis.npu.store import resolve
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Word
from amanuensis.stream.vad import FRAME_MS, FRAME_SAMPLES, VoiceDetector
from amanuensis.stream.words import MS, VOTE_LAG

WAYS = ("offline", "streaming")


@cache
def clip() -> TimedClip:
    """Return all clips with known times as one recording."""
    clips = load_timed(TIMED)
    words, samples, at_ms = [], [], 0.0
    for each in clips:
        words += [
            Said(word.text, *(time if time is None else at_ms + time for time in (word.start_ms, word.end_ms)))
            for word in each.words
        ]
        samples.append(each.samples)
        at_ms += len(each.samples) / MS
    return TimedClip("all", np.concatenate(samples), tuple(words))


@cache
def heard(way: str) -> list[Word]:
    """Return the words that are committed."""
    folder = resolve("builtin")
    listener = Listener(load_model(EngineConfig(folder, threads=1)), Tokenizer(folder), StreamConfig())
    return (listener.offline if way == "offline" else listener.streaming)(clip().samples).words


@pytest.mark.parametrize("way", WAYS)
def test_words_follow_each_other(way: str) -> None:
    """No word ends before it begins, or begins before the one before it ends, whatever commits lie between."""
    words = heard(way)
    assert len(words) > 0.7 * len(clip().words)
    assert all(word.start_ms <= word.end_ms for word in words)
    assert all(before.end_ms <= word.start_ms for before, word in pairwise(words))


@pytest.mark.parametrize("way", WAYS)
def test_words_lie_in_speech(way: str) -> None:
    """A word begins and ends in what the voice detector calls speech, but for the time that it needs to notice."""
    voiced = np.array(VoiceDetector().push(clip().samples))
    assert len(voiced) == len(clip().samples) // FRAME_SAMPLES
    inside = [
        voiced[int((word.end_ms - 1) // FRAME_MS)]
        and voiced[int(word.start_ms // FRAME_MS) : int((word.start_ms + VOTE_LAG / MS) // FRAME_MS) + 1].any()
        for word in heard(way)
    ]
    assert np.mean(inside) > 0.95  # a word that the detector does not hear stays where the attention puts it


def test_live_words_have_the_times_of_recorded_ones() -> None:
    """A word that was committed early, with little sound behind it, is not timed otherwise than in hindsight."""
    times = {way: {id(said): word for said, word in matched(clip().words, heard(way))} for way in WAYS}
    both = times["offline"].keys() & times["streaming"].keys()
    assert len(both) > 0.7 * len(clip().words)
    for edge in ("start_ms", "end_ms"):
        apart = np.abs([getattr(times["offline"][key], edge) - getattr(times["streaming"][key], edge) for key in both])
        assert np.median(apart) <= 20, edge
        assert np.percentile(apart, 90) <= 150, edge
