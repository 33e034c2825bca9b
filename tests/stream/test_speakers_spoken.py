"""Who speaks, in spoken sentences and with the embedder that is shipped: names come from the sound alone."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from amanuensis.npu.speakers import load_embedder
from amanuensis.stream.speakers import SpeakerRules, Speakers
from amanuensis.stream.vad import VoiceDetector
from amanuensis.training import voices_flite
from amanuensis.training.cast import Part, perform
from amanuensis.training.noises import noise
from amanuensis.training.speech import Manner

SENTENCES = (
    "the child almost hurt the small dog near the old house on the hill",
    "drop the two when you add the figures and tell me what you get then",
    "a thin stripe runs down the middle of the road that leads to the sea",
    "a large size in stockings is hard to sell in a shop as small as this",
)
RATE = 16_000

pytestmark = pytest.mark.skipif(not voices_flite.available(), reason="flite is not installed")


@cache
def spoken(sentence: str, voice: str) -> np.ndarray:
    """Return a sentence in a voice, and a pause."""
    samples = perform(sentence, Part(f"flite:{voice}", Manner())).samples
    return np.concatenate([0.3 * samples / np.abs(samples).max(), np.zeros(RATE // 2, np.float32)]).astype(np.float32)


def names(sound: np.ndarray, times_s: list[float]) -> list[str | None]:
    """Return who speaks at some times, after the look at all speech."""
    embedder = load_embedder(None)
    speakers = Speakers(SpeakerRules(embedder.same_above))
    quiet = np.random.default_rng(0).normal(0, 1e-4, sound.size).astype(np.float32)
    decisions = VoiceDetector().push(sound + quiet)
    speakers.hear(0, sound[: len(decisions) * 320], decisions)
    speakers.end()
    while (job := speakers.due(words_over=True)) is not None:
        speakers.deliver(job.id, job.work(embedder))
    return [
        next((who for start, stop, who in speakers.turns() if start <= 1000 * at_s < stop), None) for at_s in times_s
    ]


def dialogue(voices: list[str]) -> tuple[np.ndarray, list[float]]:
    """Return the sentences, each in its voice, and a time in the middle of each."""
    parts = [spoken(sentence, voice) for sentence, voice in zip(SENTENCES, voices, strict=True)]
    starts = np.cumsum([0, *(part.size for part in parts)])[:-1]
    middles = [(start + (part.size - RATE // 2) / 2) / RATE for start, part in zip(starts, parts, strict=True)]
    return np.concatenate(parts), middles


def test_the_same_text_with_swapped_voices_has_swapped_names() -> None:
    """Whoever speaks first is A; which words they say makes no difference."""
    assert names(*dialogue(["slt", "rms", "slt", "rms"])) == ["A", "B", "A", "B"]
    assert names(*dialogue(["rms", "slt", "rms", "slt"])) == ["A", "B", "A", "B"]
    assert names(*dialogue(["slt", "rms", "rms", "slt"])) == ["A", "B", "B", "A"]


def test_one_voice_is_one_speaker() -> None:
    """Whatever is said."""
    assert names(*dialogue(["awb"] * 4)) == ["A"] * 4


def test_noise_is_nobody() -> None:
    """Made noise of half a minute, at any level, has at most one speaker: what the voice detector lets through."""
    rng = np.random.default_rng(1)
    for level in (0.003, 0.1):
        sound = (level * noise(rng, 30 * RATE)).astype(np.float32)
        assert len(set(names(sound, np.arange(0, 30, 0.5).tolist())) - {None}) <= 1
