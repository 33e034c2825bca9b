"""Tests of stream/vad.py."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from amanuensis.stream.segmenter import Segmenter
from amanuensis.stream.vad import FRAME_SAMPLES, NoiseFloor, VadConfig, VoiceDetector

RATE = 16_000


def at_level(samples: np.ndarray, dbfs: float) -> np.ndarray:
    """Scale samples to a level."""
    return (samples * 10 ** (dbfs / 20) / np.sqrt(np.mean(samples**2))).astype(np.float32)


def decide(samples: np.ndarray) -> np.ndarray:
    """Return the decisions for all of it."""
    detector = VoiceDetector()
    return np.array(detector.push(samples) + detector.flush())


def vowels(seconds: float) -> np.ndarray:
    """Return a voice-like sound: a gliding buzz of 120 Hz through moving formants, in syllables."""
    t = np.arange(round(RATE * seconds)) / RATE
    f0 = 120 * (1 + 0.2 * np.sin(2 * np.pi * 0.7 * t))
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    formants = (500 + 200 * np.sin(2 * np.pi * 1.1 * t), 1500 + 400 * np.sin(2 * np.pi * 1.7 * t), 2500 + 0 * t)
    harmonics = [
        sum(np.exp(-(((k * f0 - formant) / 120) ** 2)) for formant in formants) * np.sin(k * phase)
        for k in range(1, 31)
    ]
    return sum(harmonics) * np.clip(1.3 * np.sin(2 * np.pi * 2 * t) ** 2, 0.02, 1)


def noise(exponent: float, seconds: float = 10.0) -> np.ndarray:
    """Return noise whose power falls as frequency to `exponent`: 0 white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(np.random.default_rng(1).standard_normal(round(RATE * seconds)))
    spectrum[1:] *= np.arange(1, spectrum.size) ** (-exponent / 2)
    return np.fft.irfft(spectrum)


def hum(hz: float, n_harmonics: int) -> np.ndarray:
    """Return a steady tone with harmonics."""
    t = np.arange(10 * RATE) / RATE
    return sum(np.sin(2 * np.pi * hz * k * t + k) / k for k in range(1, n_harmonics + 1))


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, 32_000), min_size=1, max_size=6), n=st.integers(0, 40_000))
def test_cuts_make_no_difference(sizes: list[int], n: int) -> None:
    """Samples in chunks of any size get the decisions of one push, one for each 320 and one for the rest."""
    samples = at_level(np.concatenate([vowels(1.5), noise(0, 1.0)]), -20)[:n]
    detector, decisions, at, i = VoiceDetector(), [], 0, 0
    while at < n:
        decisions += detector.push(samples[at : at + sizes[i % len(sizes)]])
        at = min(n, at + sizes[i % len(sizes)])
        i += 1
        assert len(decisions) == at // FRAME_SAMPLES
    decisions += detector.flush()
    assert decisions == decide(samples).tolist()
    assert len(decisions) == -(-n // FRAME_SAMPLES)


def test_kept_samples_are_the_detectors_own() -> None:
    """What a caller does with its buffer after a push makes no difference."""
    voice, buffer = at_level(vowels(2.0), -20).reshape(-1, FRAME_SAMPLES), np.empty(FRAME_SAMPLES, np.float32)
    detector, decisions = VoiceDetector(), []
    for frame in voice:
        buffer[:] = 0
        decisions += detector.push(buffer[1:])
        buffer[:] = frame
        decisions += detector.push(np.zeros(1, np.float32))
    assert decisions == [False] * len(voice)


@pytest.mark.parametrize("dbfs", [-10, -25, -40, -50])
def test_a_voice_is_found_at_any_level(dbfs: float) -> None:
    """A voice is found from its first syllable to its last, loud or quiet, and the silence around it is not."""
    silence = np.zeros(2 * RATE, np.float32)
    decisions = decide(np.concatenate([silence, at_level(vowels(3.0), dbfs), silence]))
    assert decisions[100:250].mean() > 0.9
    assert not decisions[:100].any()
    assert not decisions[250 + 10 :].any()


@pytest.mark.parametrize("snr_db", [20, 10])
def test_a_voice_is_found_in_noise(snr_db: float) -> None:
    """A voice over noise that has been there for a while is found, and the noise alone is not."""
    background = at_level(noise(1), -25 - snr_db)
    voice = np.pad(at_level(vowels(3.0), -25), (4 * RATE, 3 * RATE))
    decisions = decide(background + voice)
    assert decisions[200:350].mean() > 0.5
    assert decisions[50:200].mean() < 0.02
    assert decisions[370:].mean() < 0.02


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(lambda: noise(0), id="white"),
        pytest.param(lambda: noise(1), id="pink"),
        pytest.param(lambda: noise(2), id="brown"),
        pytest.param(lambda: hum(50, 11), id="mains hum"),
        pytest.param(lambda: hum(440, 1), id="tone"),
        pytest.param(lambda: hum(220, 1) + hum(277.2, 4) + hum(329.6, 4), id="held chord"),
    ],
)
@pytest.mark.parametrize("dbfs", [-20, -40, -60])
def test_a_steady_sound_is_background(sound: Callable[[], np.ndarray], dbfs: float) -> None:
    """Noise, hum and held notes may be taken for a voice in their first second, not afterwards, however loud."""
    assert decide(at_level(sound(), dbfs))[50:].mean() < 0.02


def test_noise_that_swells_is_background() -> None:
    """Noise whose level goes up and down is background once its floor is known."""
    swell = 1 + 0.25 * np.sin(2 * np.pi * 1.5 * np.arange(10 * RATE) / RATE)
    decisions = decide(at_level(noise(1.4) * swell, -30))
    assert decisions[200:].mean() < 0.1


def test_a_long_speech_is_found_to_its_end() -> None:
    """A voice that hardly pauses does not become its own background."""
    assert decide(at_level(vowels(12.0), -25)).mean() > 0.9


def test_a_quiet_voice_is_found_after_loud_noise() -> None:
    """When a loud noise stops, a quiet voice after it is found."""
    samples = np.concatenate([at_level(noise(0, 5.0), -20), at_level(vowels(3.0), -40)])
    assert decide(samples)[250:].mean() > 0.8


def test_the_floor_rises_with_steady_sound_and_falls_at_once() -> None:
    """The noise floor is at the level of a steady sound after 0.8 s, and follows a lower level within 200 ms."""
    floor = NoiseFloor(VadConfig())
    levels = [floor.update(level) for level in [-20.0] * 40 + [-60.0] * 10]
    assert levels[38] < -100
    assert levels[39] == pytest.approx(-20)
    assert levels[49] == pytest.approx(-60, abs=2)


def test_noise_that_starts_suddenly_is_background_soon() -> None:
    """A fan that is switched on is taken for a voice for a second at most."""
    samples = np.concatenate([at_level(noise(0, 5.0), -60), at_level(noise(0, 5.0), -25)])
    decisions = decide(samples)
    assert not decisions[50:250].any()
    assert not decisions[300:].any()


def test_silence_and_clipped_silence_hold_no_voice() -> None:
    """Digital silence and a constant offset are not speech."""
    assert not decide(np.zeros(5 * RATE, np.float32)).any()
    assert not decide(np.full(5 * RATE, 0.5, np.float32)).any()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"aggressiveness": 4}, "vad aggressiveness 4 is not allowed: use 0, 1, 2 or 3"),
        ({"on_votes": 6}, "votes 1, 6 of 5 frames"),
        ({"off_votes": 3}, "votes 3, 3 of 5 frames"),
        ({"vote_frames": 51}, "votes 1, 3 of 51 frames"),
        ({"floor_window_s": 0.0}, "floor_window_s 0.0 is not allowed"),
        ({"steady_s": float("inf")}, "steady_s inf is not allowed"),
        ({"min_level_dbfs": 1.0}, "min_level_dbfs 1.0 is not allowed"),
        ({"min_snr_db": float("nan")}, "min_snr_db nan is not allowed"),
        ({"steady_db": -1.0}, "steady_db -1.0 is not allowed"),
    ],
)
def test_settings_are_checked(values: dict[str, float], message: str) -> None:
    """A setting outside its bounds is refused by name."""
    with pytest.raises(ValueError, match=message):
        VadConfig(**values)


def found(samples: np.ndarray, spans: list[tuple[float, float]]) -> tuple[int, int]:
    """Return how many frames of the spans (seconds) lie in utterances, and how many there are."""
    detector, segmenter = VoiceDetector(), Segmenter()
    events = segmenter.push(detector.push(samples) + detector.flush()) + segmenter.flush(samples.size)
    inside, labelled = np.zeros((2, samples.size // FRAME_SAMPLES), bool)
    for start, end in zip(events[::2], events[1::2], strict=True):
        inside[start.at_sample // FRAME_SAMPLES : end.at_sample // FRAME_SAMPLES] = True
    for begin_s, end_s in spans:
        labelled[round(begin_s * 50) : round(end_s * 50)] = True
    return int(np.count_nonzero(inside & labelled)), int(np.count_nonzero(labelled))


def test_recorded_turns_are_in_utterances(speech_dir: Path) -> None:
    """At least 98 % of the labelled time of recorded meetings and conversations lies in utterances."""
    rows = [json.loads(line) for line in (speech_dir / "turns.jsonl").read_text().splitlines()]
    rows = [row for row in rows if "turns" in row]
    counts = [
        found(soundfile.read(speech_dir / row["path"], dtype="float32")[0], [turn[:2] for turn in row["turns"]])
        for row in rows
    ]
    n_found, n_labelled = np.sum(counts, axis=0)
    assert n_labelled > 10_000
    assert n_found / n_labelled > 0.98


def test_recorded_digits_are_found(speech_dir: Path) -> None:
    """At least 99 of 100 recordings of a single spoken digit open an utterance."""
    rows = [json.loads(line) for line in (speech_dir / "manifest.jsonl").read_text().splitlines()]
    paths = [row["path"] for row in rows if row["kind"] == "digit"][::4]
    hits = sum(bool(found(soundfile.read(speech_dir / path, dtype="float32")[0], [(0, 9)])[0]) for path in paths)
    assert hits >= 0.99 * len(paths) > 0
