"""The synthesis stage: sentences to shards of features, in as many processes as wanted, resumable."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from amanuensis.npu.log_mel import SAMPLE_RATE
from amanuensis.training import augment, demo, noises, voices_festival, voices_kokoro
from amanuensis.training.augment import with_formant
from amanuensis.training.cast import FESTIVAL_SEEN, Part, missing, perform, perform_festival, random_part
from amanuensis.training.shards import N_MELS, NATURAL, ShardWriter, features
from amanuensis.training.speech import Float32, Manner, Speech, SynthesisError
from amanuensis.training.text import (
    Sentence,
    listed_tests,
    narrow_sentences,
    narrow_words,
    read_general,
    talk_sentences,
)

SENTENCES_PER_SHARD = 500
_FESTIVAL_EVERY = 10  # each tenth shard is festival's
NATURAL_SENTENCES = 60  # of a natural shard; they take a hundred times longer to speak
NATURAL_WORDS = 60  # single ones beside them, which take a fifth of the time of a sentence
_NATURAL_VERSIONS = 3  # of each, by another speaker in another place
_NATURAL_NARROW = 0.5  # of them
_NOISE_CLIPS = 900
_NOISE_S = 12


@dataclass(frozen=True)
class Plan:
    """What to synthesise."""

    work: Path
    text: Path | None
    n_shards: int
    seed: int
    n_natural: int = 0  # shards of natural voices, beside the others
    first_narrow_share: float = 0.85  # in the first shards
    later_narrow_share: float = 0.3  # from the eighth shard on
    word_share: float = 0.15  # single words among the narrow sentences
    talk_share: float = 0.15  # generated ones among the general sentences; all of them without a text folder


def run(plan: Plan, jobs: int) -> None:
    """Write the shards of the plan that are not there yet, and the noise shard first."""
    folder = plan.work / "shards"
    folder.mkdir(parents=True, exist_ok=True)
    if not (plan.work / "noise.npy").is_file():
        write_noises(plan.work / "noise.npy", plan.seed)
    natural = range(plan.n_natural if voices_kokoro.available() else 0)
    todo = [f"{i:05d}" for i in range(plan.n_shards)]
    for i in natural:  # spread among the others
        todo.insert(round(i * (plan.n_shards / plan.n_natural + 1)), f"{NATURAL}{i:05d}")
    todo = [name for name in todo if not (folder / f"{name}.jsonl").is_file()]
    general, _ = read_general(plan.text)
    order = np.random.default_rng(plan.seed).permutation(len(general))
    if lacking := missing():
        print(f"synth: not installed and left out: {', '.join(lacking)}", flush=True)
    started_s = time.monotonic()
    context = multiprocessing.get_context("fork")
    with context.Pool(jobs, _start_worker, (plan, [general[i] for i in order])) as pool:
        for done, (name, hours, lost) in enumerate(pool.imap_unordered(_one_shard, todo), 1):
            rate = done / (time.monotonic() - started_s) * 3600
            print(f"synth shard {name}: {hours:.2f} h, {lost} sentences lost; {rate:.0f} shards/h", flush=True)


def write_noises(path: Path, seed: int) -> None:
    """Write float16 [clips, frames, 80] log10 mel energies of made noises at unit RMS."""
    rng = np.random.default_rng((seed, 77))
    silence = Speech(np.zeros(0, np.float32), SAMPLE_RATE, [], [])
    clips = [features(silence, noises.noise(rng, _NOISE_S * SAMPLE_RATE), 0.0).mel for _ in range(_NOISE_CLIPS)]
    assert clips[0].shape[1] == N_MELS
    np.save(path, np.stack(clips))


_worker: tuple[Plan, list[Sentence]]


def _start_worker(plan: Plan, general: list[Sentence]) -> None:
    global _worker  # noqa: PLW0603 - one per process, set once
    _worker = (plan, general)


def _one_shard(name: str) -> tuple[str, float, int]:
    plan, general = _worker
    index = int(name.removeprefix(NATURAL))
    rng = np.random.default_rng((plan.seed, 2 if name.startswith(NATURAL) else 1, index))
    writer = ShardWriter()
    if name.startswith(NATURAL):
        lost = _add_natural(writer, list(choose_natural(plan, general, index)), rng)
    else:
        sentences = list(choose(plan, general, index))
        for made, part, speech in _spoken(sentences, index, rng):
            _add(writer, made, part.voice, speech, rng)
        lost = len(sentences) - len(writer)
    return name, writer.write(plan.work / "shards" / name), lost


def _add(writer: ShardWriter, made: Sentence, voice: str, speech: Speech, rng: np.random.Generator) -> None:
    samples, lead_s = disturb(speech, rng)
    writer.add(features(speech, samples, lead_s), made.written, voice, made.domain)


def _add_natural(writer: ShardWriter, sentences: list[Sentence], rng: np.random.Generator) -> int:
    """Add sentences in Kokoro's voices, each in several versions; return how many could not be spoken."""
    lost = 0
    for made in sentences:
        voice = voices_kokoro.random_voice(rng)
        try:
            manner = Manner(tempo=float(rng.uniform(0.9, 1.4)))
            spoken = voices_kokoro.speak(made.spoken, voice, manner, voices_kokoro.random_habits(voice, rng))
        except SynthesisError:
            lost += 1
            continue
        for _ in range(_NATURAL_VERSIONS):
            speech = with_formant(spoken, augment.random_formant(rng))
            _add(writer, made, f"kokoro:{voice}", speech, rng)
    return lost


def choose_natural(plan: Plan, general: list[Sentence], index: int) -> Iterator[Sentence]:
    """Yield the sentences and words of natural shard `index`, those of the text folder from the end of its order."""
    n_narrow = round(NATURAL_SENTENCES * _NATURAL_NARROW)
    n_general = NATURAL_SENTENCES - n_narrow
    seed, tests = plan.seed * 100_003 + 50_000 + index, listed_tests(plan.text) | demo.TEXTS
    yield from islice(narrow_sentences(seed, held_out=False, exclude=tests), n_narrow)
    yield from islice(narrow_words(seed, held_out=False, exclude=tests), NATURAL_WORDS)
    if general:
        yield from (general[-1 - (index * n_general + i) % len(general)] for i in range(n_general))
    else:
        yield from islice(talk_sentences(seed, held_out=False, exclude=tests), n_general)


def _narrow(plan: Plan, n: int, seed: int, tests: frozenset[str]) -> Iterator[Sentence]:
    n_words = round(n * plan.word_share)
    yield from islice(narrow_sentences(seed, held_out=False, exclude=tests), n - n_words)
    yield from islice(narrow_words(seed, held_out=False, exclude=tests), n_words)


def choose(plan: Plan, general: list[Sentence], index: int) -> Iterator[Sentence]:
    """Yield the sentences of shard `index`: narrow ones first of all, those of the text folder without repeats."""
    mix = np.clip(index / 8, 0, 1)
    n_narrow = round(SENTENCES_PER_SHARD * (plan.first_narrow_share * (1 - mix) + plan.later_narrow_share * mix))
    n_general = SENTENCES_PER_SHARD - n_narrow
    n_talk = round(n_general * plan.talk_share) if general else n_general
    seed, tests = plan.seed * 100_003 + index, listed_tests(plan.text) | demo.TEXTS
    yield from _narrow(plan, n_narrow, seed, tests)
    yield from islice(talk_sentences(seed, held_out=False, exclude=tests), n_talk)
    yield from (general[(index * SENTENCES_PER_SHARD + i) % len(general)] for i in range(n_general - n_talk))


def _spoken(sentences: list[Sentence], index: int, rng: np.random.Generator) -> Iterator[tuple[Sentence, Part, Speech]]:
    seen = [voice for voice in FESTIVAL_SEEN if voice in voices_festival.installed()]
    if index % _FESTIVAL_EVERY == _FESTIVAL_EVERY - 1 and seen:
        parts = [Part(f"festival:{rng.choice(seen)}", augment.random_manner(rng)) for _ in sentences]
        for made, part, speech in zip(
            sentences, parts, perform_festival([s.spoken for s in sentences], parts), strict=True
        ):
            if speech is not None:
                yield made, part, speech
        return
    for made in sentences:
        part = random_part(rng)
        try:
            yield made, part, perform(made.spoken, part)
        except SynthesisError:
            continue


def disturb(speech: Speech, rng: np.random.Generator) -> tuple[Float32, float]:
    """Return the speech between silences, sometimes in a room, clipped or coded, and the seconds before it."""
    lead_s, tail_s = rng.uniform(0.0, 0.4), rng.uniform(0.05, 0.4)
    samples = np.pad(speech.samples, (round(lead_s * SAMPLE_RATE), round(tail_s * SAMPLE_RATE)))
    samples = augment.level(samples, -20.0)
    if rng.random() < 0.3:
        samples = augment.level(augment.convolve(samples, augment.room_response(rng)), -20.0)
    if rng.random() < 0.06:
        samples = augment.clip(samples, rng.uniform(0.15, 0.6))
    if rng.random() < 0.5:  # some floor of noise, as every recording has
        samples = samples + rng.standard_normal(len(samples)).astype(np.float32) * 10 ** (rng.uniform(-85, -50) / 20)
    if rng.random() < 0.2:
        samples = augment.coded(samples, augment.CODECS[int(rng.integers(len(augment.CODECS)))])
    return np.asarray(samples, np.float32), lead_s
