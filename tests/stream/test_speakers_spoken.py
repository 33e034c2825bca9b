"""Who speaks, in spoken sentences and with the embedder that is shipped: names come from the sound alone."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import soxr

from amanuensis.npu.speakers import SpeakerEmbedder, load_embedder
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
    for k in range(0, len(decisions), 50):
        frames = decisions[k : k + 50]
        speakers.hear(k * 320, sound[k * 320 : (k + len(frames)) * 320], frames)
        work(speakers, embedder, words_over=False)
    speakers.end()
    work(speakers, embedder, words_over=True)
    return [
        next((who for start, stop, who in speakers.turns() if start <= 1000 * at_s < stop), None) for at_s in times_s
    ]


def work(speakers: Speakers, embedder: SpeakerEmbedder, *, words_over: bool) -> None:
    """Do all jobs that are due."""
    while (job := speakers.due(words_over=words_over)) is not None:
        speakers.deliver(job.id, job.work(embedder))


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


def telephone(sound: np.ndarray) -> np.ndarray:
    """Return what 8 kHz hold of a sound, at 16 kHz again."""
    return np.asarray(soxr.resample(soxr.resample(sound, RATE, RATE // 2), RATE // 2, RATE), np.float32)


def sentences(voice: str) -> np.ndarray:
    """Return all sentences in one voice, without the pauses between them."""
    return np.concatenate([spoken(sentence, voice)[: -RATE // 2] for sentence in SENTENCES])


def speakers_of(sound: np.ndarray) -> set[str | None]:
    """Return who speaks, every half second."""
    return set(names(sound, np.arange(0.25, sound.size / RATE, 0.5).tolist())) - {None}


def test_voices_on_the_telephone_are_told_apart() -> None:
    """Sound of 8 kHz has no upper bands: what all voices lack there does not make them one."""
    sound, middles = dialogue(["slt", "rms", "slt", "rms"])
    assert names(telephone(sound), middles) == ["A", "B", "A", "B"]


def test_whoever_changes_to_the_telephone_stays_the_same() -> None:
    """One person first at 16 kHz and then at 8, as after a change of the device: nobody joins."""
    sound = sentences("slt")
    assert speakers_of(np.concatenate([sound, telephone(sound)])) == {"A"}


@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
def test_a_source_that_lies_about_its_rate_is_one_person(rate: int) -> None:
    """A voice that is too fast or too slow, because its rate is said to be 16 kHz, is still one voice."""
    assert speakers_of(np.asarray(soxr.resample(sentences("slt"), RATE, rate), np.float32)) == {"A"}


def test_who_speaks_at_the_same_time_is_nobody_new() -> None:
    """While two speak at once one of the two has the words; before and after it each has its own."""
    first, second = sentences("slt"), sentences("rms")
    n = min(first.size, second.size, 6 * RATE)
    pause = np.zeros(RATE // 2, np.float32)
    sound = np.concatenate([first, pause, second, pause, first[:n] + second[:n], pause, first, pause, second])
    assert speakers_of(sound) == {"A", "B"}


def test_turns_of_a_fifth_of_a_second_are_nobody_new() -> None:
    """Two voices that change every 0.2 s are heard as one of those that are known."""
    first, second = sentences("slt"), sentences("rms")
    k = RATE // 5
    pieces = [(first, second)[i % 2][i * k : (i + 1) * k] for i in range(40)]
    assert speakers_of(np.concatenate([first, *pieces, second])) == {"A", "B"}


def test_music_is_one_voice_at_most() -> None:
    """Half a minute of chords, a melody and a drum: what the voice detector lets through of it makes no crowd."""
    t, rng = np.arange(RATE * 3 // 5) / RATE, np.random.default_rng(3)
    beats = []
    for k in range(50):
        tones = [57, 60, 64] if k // 2 % 2 else [53, 57, 60]
        strings = [(tone, np.exp(-2 * t)) for tone in tones] + [(int(rng.choice([67, 69, 72])), np.ones(t.size) * 1.5)]
        parts = [
            level * np.sin(2 * np.pi * h * 440 * 2 ** ((tone - 69) / 12) * t) / h
            for tone, level in strings
            for h in range(1, 8)
        ]
        beats.append(np.sum(parts, axis=0) + rng.normal(0, 1, t.size) * np.exp(-30 * t))
    sound = np.concatenate(beats)
    assert len(speakers_of((0.2 * sound / np.abs(sound).max()).astype(np.float32))) <= 1
