"""Speech of virtual speakers: shards of log-mel features to train with, and a folder of recordings to develop with."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from amanuensis.npu.log_mel import MARGIN_SAMPLES, SAMPLE_RATE, log10_mel
from amanuensis.npu.speaker_sound import N_MELS
from amanuensis.training import augment, noises
from amanuensis.training.speech import Float32
from amanuensis.training.text import read_general
from amanuensis.training.virtual_speakers import Speaker, next_saying, random_speaker, say_all

SPEAKERS_PER_SHARD = 40
UTTERANCES_PER_SPEAKER = 8
LONGEST_S = 5.0
ROOM_SHARE = 0.4
DEVELOPMENT_SPEAKERS = 80
DEVELOPMENT_UTTERANCES = 6
_WORDS = (7, 16)  # of a sentence: 2 to 6 seconds


@dataclass(frozen=True)
class Plan:
    """What to synthesise; the text folder must have `general.txt`."""

    work: Path
    text: Path
    n_shards: int
    seed: int


@dataclass(frozen=True)
class Shard:
    """Utterances of a shard, one after the other.

    `mel` is float16 [frames, N_MELS], log10 energies; utterance i has frames `starts[i]` to `starts[i + 1]` and is
    spoken by `speakers[i]`.
    """

    mel: NDArray[np.float16]
    starts: NDArray[np.int64]
    speakers: NDArray[np.int64]

    @classmethod
    def open(cls, path: Path) -> Shard:
        """Read a shard."""
        with np.load(path) as stored:
            return cls(stored["mel"], stored["starts"], stored["speakers"])


def run(plan: Plan, jobs: int) -> None:
    """Write the development recordings and the shards that are not there yet."""
    folder = plan.work / "shards"
    folder.mkdir(parents=True, exist_ok=True)
    write_noises(plan.work / "noise.npy", plan.seed)
    write_development(plan.work / "development", plan)
    todo = [index for index in range(plan.n_shards) if not (folder / f"{index:05d}.npz").is_file()]
    started_s = time.monotonic()
    with multiprocessing.get_context("fork").Pool(jobs, _start_worker, (plan,)) as pool:
        for done, (index, seconds) in enumerate(pool.imap_unordered(_one_shard, todo), 1):
            pace = done / (time.monotonic() - started_s) * 60
            print(f"speakers shard {index}: {seconds:.0f} s of speech; {pace:.1f} shards a minute", flush=True)


_worker: tuple[Plan, list[str]]


def sentences(text: Path) -> list[str]:
    """Return the sentences that are neither very short nor long."""
    general, _ = read_general(text)
    return [made.spoken for made in general if _WORDS[0] <= len(made.spoken.split()) <= _WORDS[1]]


def _start_worker(plan: Plan) -> None:
    global _worker  # noqa: PLW0603 - one per process, set once
    _worker = (plan, sentences(plan.text))


def _one_shard(index: int) -> tuple[int, float]:
    plan, texts = _worker
    rng = np.random.default_rng((plan.seed, 21, index))
    mels: list[NDArray[np.float16]] = []
    speakers: list[int] = []
    cast = [random_speaker(rng, unseen=False) for _ in range(SPEAKERS_PER_SHARD)]
    for number, samples in utterances(cast, texts, UTTERANCES_PER_SPEAKER, rng):
        mels.append(_mel(augment.level(in_a_room(samples, rng), -25.0)))
        speakers.append(index * SPEAKERS_PER_SHARD + number)
    starts = np.cumsum([0, *(len(mel) for mel in mels)])
    path = plan.work / "shards" / f"{index:05d}.npz"
    partial = path.with_name(f"part-{path.name}")
    np.savez(partial, mel=np.concatenate(mels), starts=starts, speakers=speakers)
    partial.rename(path)
    return index, float(starts[-1]) / 100


def utterances(
    cast: list[Speaker], texts: list[str], count: int, rng: np.random.Generator
) -> Iterator[tuple[int, Float32]]:
    """Yield (number of the speaker, samples float32 [n] at 16 kHz) of `count` sentences each, those that came out.

    At most LONGEST_S of a sentence are kept.
    """
    numbers = [number for number in range(len(cast)) for _ in range(count)]
    sayings = [next_saying(cast[number], str(rng.choice(texts)), rng) for number in numbers]
    for number, samples in zip(numbers, say_all(sayings, rng), strict=True):
        if samples is not None:
            yield number, samples[: int(LONGEST_S * SAMPLE_RATE)]


def in_a_room(samples: Float32, rng: np.random.Generator) -> Float32:
    """Return the samples as they are, or in a room of their own."""
    return augment.convolve(samples, augment.room_response(rng)) if rng.random() < ROOM_SHARE else samples


def _mel(samples: Float32) -> NDArray[np.float16]:
    padded = np.pad(samples, MARGIN_SAMPLES, mode="reflect")
    return np.ascontiguousarray(log10_mel(padded, N_MELS).T, np.float16)


def write_noises(path: Path, seed: int) -> None:
    """Write float16 [clips, frames, N_MELS] log10 mel energies of made noises at unit RMS, if they are not there."""
    if path.is_file():
        return
    rng = np.random.default_rng((seed, 23))
    np.save(path, np.stack([_mel(noises.noise(rng, 6 * SAMPLE_RATE)) for _ in range(400)]))


def write_development(folder: Path, plan: Plan) -> None:
    """Write recordings of speakers whose voices the training does not have, with `manifest.jsonl`, if not there."""
    if (folder / "manifest.jsonl").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    texts = sentences(plan.text)
    rng = np.random.default_rng((plan.seed, 22))
    rows = []
    cast = [random_speaker(rng, unseen=True) for _ in range(DEVELOPMENT_SPEAKERS)]
    for take, (number, samples) in enumerate(utterances(cast, texts, DEVELOPMENT_UTTERANCES, rng)):
        name = f"{number:03d}-{take}.flac"
        soundfile.write(folder / name, augment.level(in_a_room(samples, rng), -25.0), SAMPLE_RATE)
        rows.append({"path": name, "speaker": f"v{number}", "kind": "speaker", "voice": cast[number].voice})
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
