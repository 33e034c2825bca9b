"""Training windows: sentences joined, padded, cut and disturbed in the log-mel domain, and their targets.

Everything that a window needs beyond the synthesis (level, equaliser, band limit, noise, pauses, cuts) is a cheap
operation on log10 mel energies, so that no two epochs hear the same window.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.log_mel import scale
from amanuensis.training.shards import FRAMES_PER_S, N_MELS, Features
from amanuensis.training.speech import Float32
from amanuensis.training.tokenizer import Vocabulary

SILENCE = -10.0  # log10 mel energy of digital silence, Whisper's floor
FRAMES_PER_POSITION = 2  # mel frames of one encoder position
IGNORED = -100  # label without a loss
MAX_PROMPT_TOKENS = 32
MAX_WINDOW_FRAMES = 30 * FRAMES_PER_S
_FRAMES_OF_BATCHES = 64  # lengths are multiples of it: kernels are built anew for each, which takes as long as a step
SHORT_FRAMES = (32, 48)  # lengths of batches that hold a word or two without silence around them
_SNR_DB = (5, 45)
_DYNAMICS_FRAMES = 60  # between independent changes of loudness
_NEAR_FRAMES = 5  # around a word that loud noise leaves alone
_FLOOR_SHARE = 0.85  # of a word must be heard for it to be written
_BITS = np.float32(np.log2(10))  # float32, so that nothing is computed in float64


@dataclass(frozen=True)
class Recipe:
    """How windows are drawn; all but the first are probabilities, lengths or widths."""

    augmentation: float  # 0: none, 1: full
    joined: float = 0.35  # more than one sentence
    longest_s: float = 12.0
    padded: float = 0.15  # trailing silence
    padded_full: float = 0.01  # trailing silence up to 30 s
    cut: float = 0.1
    tight: float = 0.08  # no silence before the first word and after the last
    excerpt: float = 0.0  # one to three words out of a sentence, no silence around them
    spaced: float = 0.0  # single words with silence between them
    interrupted: float = 0.1  # noise as loud as speech where nobody speaks
    narrow_band: float = 0.1  # telephone or worse
    warped: float = 0.3  # another length of the vocal tract
    reverberant: float = 0.15
    empty: float = 0.1
    prompted: float = 0.2
    timed: float = 0.25


@dataclass(frozen=True)
class Word:
    """A word of a window: its frames (10 ms), and whether a sentence begins with it."""

    text: str
    start: int
    end: int
    first: bool


@dataclass(frozen=True)
class Sound:
    """A window before its targets."""

    mel: Float32  # [frames, 80] log10
    phones: NDArray[np.uint8]  # [frames / 2]
    words: list[Word]
    before: list[str]  # words said before the window, for the prompt


@dataclass(frozen=True)
class Window:
    """One training example."""

    mel: Float32  # [frames, 80], scaled as Whisper's encoder expects
    phones: NDArray[np.uint8]  # [frames / 2]
    tokens: list[int]  # decoder input
    labels: list[int]  # as long as tokens
    guides: list[tuple[int, int]]  # encoder positions where each label is heard, (0, 0) if nowhere
    text_tokens: list[int]  # for CTC


def silence(n_frames: int) -> Float32:
    """Return `n_frames` frames of digital silence."""
    return np.full((n_frames, N_MELS), SILENCE, np.float32)


def join(parts: list[tuple[Features, str]], gaps: list[int], before: list[str]) -> Sound:
    """Return the sentences one after the other, `gaps[i]` frames (even) before sentence i and the last at the end."""
    quiet = np.full((max(gaps), N_MELS), SILENCE, np.float16)
    mels, phones, words, at = [quiet[: gaps[0]]], [np.zeros(gaps[0] // 2, np.uint8)], [], gaps[0]
    for (part, text), gap in zip(parts, gaps[1:], strict=True):
        mels += [part.mel, quiet[:gap]]
        phones += [part.phones, np.zeros(gap // 2, np.uint8)]
        for i, (word, start, end) in enumerate(zip(text.split(), part.word_starts, part.word_ends, strict=True)):
            words.append(Word(word, at + start, at + end, first=i == 0))
        at += len(part.mel) + gap
    return Sound(np.concatenate(mels).astype(np.float32), np.concatenate(phones), words, before)


def cut(sound: Sound, start: int, end: int) -> Sound:
    """Return frames [start, end), both even; words not wholly heard are left out, those before become `before`."""
    kept = []
    for word in sound.words:
        heard = min(word.end, end) - max(word.start, start)
        if heard >= max(1, word.end - word.start) * _FLOOR_SHARE:
            begins = max(0, word.start - start)
            kept.append(Word(word.text, begins, min(word.end, end) - start, word.first))
    before = [*sound.before, *(word.text for word in sound.words if word.end <= start)]
    return Sound(sound.mel[start:end], sound.phones[start // 2 : end // 2], kept, before)


def excerpt(sound: Sound, first: int, last: int, lead: int, tail: int) -> Sound:
    """Return the sound from `lead` frames before word `first` to `tail` frames after word `last`."""
    start = max(0, sound.words[first].start - lead) // 2 * 2
    end = min(len(sound.mel), (sound.words[last].end + tail + 1) // 2 * 2)
    return cut(sound, start, end)


def delayed(sound: Sound, n_frames: int) -> Sound:
    """Return the sound after `n_frames` (even) of digital silence."""
    phones = np.concatenate([np.zeros(n_frames // 2, np.uint8), sound.phones])
    words = [replace(word, start=word.start + n_frames, end=word.end + n_frames) for word in sound.words]
    return replace(sound, mel=np.concatenate([silence(n_frames), sound.mel]), phones=phones, words=words)


def batch_frames(n_frames: int) -> int:
    """Return the shortest length of batches, in frames, that holds `n_frames`, which are 30 s at most."""
    for short in SHORT_FRAMES:
        if n_frames <= short:
            return short
    return min(MAX_WINDOW_FRAMES, -(-n_frames // _FRAMES_OF_BATCHES) * _FRAMES_OF_BATCHES)


def interrupt(sound: Sound, noise: Float32, level: float) -> Sound:
    """Return the sound with noise, `level` (log10 of power) above the speech, wherever no word is near."""
    free = np.ones(len(sound.mel), bool)
    for word in sound.words:
        free[max(0, word.start - _NEAR_FRAMES) : word.end + _NEAR_FRAMES] = False
    louder = noise + (_power(sound.mel) - _power(noise) + level)
    mel = np.where(free[:, None], np.maximum(sound.mel, louder), sound.mel)
    return replace(sound, mel=np.asarray(mel, np.float32))


def _power(mel: Float32) -> float:
    """Return log10 of the mean power."""
    return float(np.log10(np.mean(np.exp2(mel * _BITS)) + 1e-10))


def disturb(mel: Float32, recipe: Recipe, noise: Float32 | None, rng: np.random.Generator) -> Float32:
    """Return log10 mel energies at another level, through another channel, with noise mixed in.

    Args:
        mel: float32 [frames, 80].
        recipe: its `augmentation` and `narrow_band` count here.
        noise: float32 [frames, 80] to mix in, or None.
        rng: the source of all randomness.

    """
    amount = recipe.augmentation
    if rng.random() < recipe.warped:
        mel = warp(mel, float(rng.uniform(0.88, 1.14)))
    if rng.random() < recipe.reverberant:
        mel = reverberate(mel, float(rng.uniform(0.2, 0.9)), float(rng.uniform(-16, -3)))
    if rng.random() < amount:
        knots = rng.normal(0, 0.3 * amount, 2 + len(mel) // _DYNAMICS_FRAMES)
        louder = np.interp(np.arange(len(mel)), np.linspace(0, len(mel), len(knots)), knots)
        mel = mel + louder.astype(np.float32)[:, None]
    if noise is not None:
        snr_db = rng.uniform(*_SNR_DB)
        mixed = noise + np.float32(_power(mel) - _power(noise) - snr_db / 10)
        mel = np.logaddexp2(mel * _BITS, mixed * _BITS) / _BITS
    if rng.random() < 0.7 * amount:
        points = rng.normal(0, 5.0 * amount, 6) / 10
        tilt = np.interp(np.arange(N_MELS), np.linspace(0, N_MELS - 1, 6), points)
        mel = mel + tilt.astype(np.float32)
    if rng.random() < recipe.narrow_band:
        bands, top = np.arange(N_MELS), rng.integers(54, 76)
        bottom = rng.integers(0, 9) if rng.random() < 0.5 else 0
        lost = np.clip((bands - top) * 0.8, 0, 5) + np.clip((bottom - bands) * 0.4, 0, 3)
        mel = mel - lost.astype(np.float32)
    gain = np.float32(rng.uniform(-2.2, 0.8))  # log10 of power, around -20 dBFS
    return np.asarray(np.maximum(mel + gain, SILENCE), np.float32)


def warp(mel: Float32, factor: float) -> Float32:
    """Return log10 mel energies with the frequency axis stretched by `factor`, as by a shorter vocal tract."""
    at = np.minimum(np.arange(N_MELS) / factor, N_MELS - 1)
    low = at.astype(np.int64)
    share = (at - low).astype(np.float32)
    return mel[:, low] * (1 - share) + mel[:, np.minimum(low + 1, N_MELS - 1)] * share


def reverberate(mel: Float32, t60_s: float, level_db: float) -> Float32:
    """Return log10 mel energies in a room whose tail decays by 60 dB in `t60_s`, `level_db` beside the direct sound."""
    power = np.exp2(mel * _BITS)
    n = len(mel)
    tail = 10.0 ** (-6 * np.arange(1, n + 1) / (t60_s * FRAMES_PER_S))
    tail *= 10 ** (level_db / 10) / tail.sum()
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(power, size, axis=0) * np.fft.rfft(tail.astype(np.float32), size)[:, None]
    late = np.fft.irfft(spectrum, size, axis=0)[:n]
    return np.asarray(np.log2(power + np.maximum(late, 0)) / _BITS, np.float32)


def mask(mel: Float32, amount: float, rng: np.random.Generator) -> Float32:
    """Return scaled features with bands and moments blanked (SpecAugment)."""
    mel = mel.copy()
    quiet = mel.mean()
    for _ in range(2):
        width = int(rng.integers(0, 1 + round(14 * amount)))
        low = int(rng.integers(0, N_MELS - width))
        mel[:, low : low + width] = quiet
    for _ in range(round(len(mel) / 250 * amount)):
        width = int(rng.integers(0, 20))
        start = int(rng.integers(0, max(1, len(mel) - width)))
        mel[start : start + width] = quiet
    return mel


def targets(
    sound: Sound, vocabulary: Vocabulary, prompt: bool, timed: bool
) -> tuple[list[int], list[int], list[tuple[int, int]], list[int]]:
    """Return (tokens, labels, guides, text tokens) of a window, as Whisper is trained."""
    head = _prompt(sound.before, vocabulary) if prompt else []
    body: list[tuple[int, tuple[int, int]]] = []
    text_tokens: list[int] = []
    pieces = vocabulary.encode_words([word.text for word in sound.words])
    for i, (word, ids) in enumerate(zip(sound.words, pieces, strict=True)):
        if timed and (word.first or i == 0):
            body.append((_timestamp(word.start, vocabulary), (0, 0)))
        body += zip(ids, _shares(word, [vocabulary.is_mark(token) for token in ids]), strict=True)
        text_tokens += ids
        if timed and (i + 1 == len(sound.words) or sound.words[i + 1].first):
            body.append((_timestamp(word.end, vocabulary), (0, 0)))
    if timed and not sound.words:
        body.append((vocabulary.first_timestamp, (0, 0)))
    if not timed:
        body.insert(0, (vocabulary.no_timestamps, (0, 0)))
    body.append((vocabulary.end, (0, 0)))
    tokens = [*head, vocabulary.start, *(token for token, _ in body[:-1])]
    first = body[0][0] if sound.words else vocabulary.no_speech
    labels = [IGNORED] * len(head) + [first] + [token for token, _ in body[1:]]
    return tokens, labels, [(0, 0)] * len(head) + [span for _, span in body], text_tokens


def _prompt(before: list[str], vocabulary: Vocabulary) -> list[int]:
    if not before:
        return []
    ids = [token for word in vocabulary.encode_words(before) for token in word]
    return [vocabulary.previous, *ids[-(MAX_PROMPT_TOKENS - 1) :]]


def _timestamp(frame: int, vocabulary: Vocabulary) -> int:
    return vocabulary.first_timestamp + min(1500, frame // FRAMES_PER_POSITION)


def _shares(word: Word, marks: list[bool]) -> list[tuple[int, int]]:
    """Share a word's encoder positions among its tokens; a mark is heard at the word's end."""
    edges = np.linspace(word.start, word.end, marks.count(False) + 1) / FRAMES_PER_POSITION
    letters = iter([(int(a), max(int(a) + 1, int(np.ceil(b)))) for a, b in itertools.pairwise(edges)])
    end = int(edges[-1])
    return [(end, end + 1) if mark else next(letters) for mark in marks]


def finish(
    sound: Sound, vocabulary: Vocabulary, recipe: Recipe, noise: Float32 | None, rng: np.random.Generator
) -> Window:
    """Return the window of a sound: disturbed, scaled, masked, with its targets."""
    mel = scale(disturb(sound.mel, recipe, noise, rng))
    if recipe.augmentation > 0:
        mel = mask(mel, recipe.augmentation, rng)
    prompt = rng.random() < (recipe.prompted if sound.words else 0.1)
    made = targets(sound, vocabulary, prompt, rng.random() < recipe.timed)
    return Window(mel, sound.phones, *made)
