"""Test audio: held-out sentences in seen and unseen voices, half of them disturbed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import soundfile

from amanuensis.npu.log_mel import SAMPLE_RATE
from amanuensis.training import augment, cast, noises, voices_festival, voices_kokoro
from amanuensis.training.cast import Part
from amanuensis.training.speech import Float32, Manner, Speech, SynthesisError
from amanuensis.training.text import Sentence, narrow_sentences, read_general

Caster = Callable[[int, np.random.Generator], Part]  # who speaks the i-th sentence of a set
SEEN_VOICES = 4 + len(cast.FESTIVAL_SEEN) + 3  # flite's, festival's, and as much espeak-ng as three voices
_FLITE = ("slt", "rms", "awb", "kal16")


@dataclass(frozen=True)
class Clip:
    """One row of a test set's `manifest.jsonl`."""

    path: str
    text: str
    voice: str
    set: str  # narrow_seen, narrow_unseen, narrow_natural, and the same of general
    disturbed: bool
    seconds: float
    written: str = ""  # the text with case and marks, where it is known


@dataclass(frozen=True)
class Sizes:
    """How many clips of each set to make; the natural ones are in unseen natural voices."""

    narrow_seen: int = 180
    narrow_unseen: int = 120
    general_seen: int = 180
    general_unseen: int = 120
    narrow_natural: int = 60
    general_natural: int = 60


def held_out_narrow(seed: int) -> Iterator[Sentence]:
    """Yield held-out narrow sentences without repeats."""
    known: set[str] = set()
    for made in narrow_sentences(seed, held_out=True):
        if made.text not in known:
            known.add(made.text)
            yield made


def make(folder: Path, text: Path | None, seed: int, sizes: Sizes) -> None:
    """Write the clips as FLAC with `manifest.jsonl`; nothing if that is there.

    Without a text folder the general sets are left out, and so are the clips of festival voices that are missing and,
    without Kokoro, the natural sets.
    """
    if (folder / "manifest.jsonl").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    if missing := sorted(voices_festival.VOICES.keys() - voices_festival.installed()):
        print(f"test clips: festival has no voices {', '.join(missing)}; their clips are left out", flush=True)
    rng = np.random.default_rng((seed, 5))
    narrow = held_out_narrow(seed)
    _, general = read_general(text)
    general = [general[i] for i in rng.permutation(len(general))]
    taken = sizes.general_seen + sizes.general_unseen
    orders: dict[str, tuple[list[Sentence], Caster]] = {
        "narrow_seen": (list(islice(narrow, sizes.narrow_seen)), _seen_part),
        "narrow_unseen": (list(islice(narrow, sizes.narrow_unseen)), _unseen_part),
        "general_seen": (general[: sizes.general_seen], _seen_part),
        "general_unseen": (general[sizes.general_seen : taken], _unseen_part),
    }
    if voices_kokoro.available():
        orders["narrow_natural"] = (list(islice(narrow, sizes.narrow_natural)), _natural_part)
        orders["general_natural"] = (general[taken : taken + sizes.general_natural], _natural_part)
    clips = [c for name, (made, caster) in orders.items() for c in _write_set(folder, name, made, caster, rng)]
    lines = "".join(json.dumps(asdict(clip)) + "\n" for clip in clips)
    (folder / "manifest.jsonl").write_text(lines)


def read(folder: Path) -> list[Clip]:
    """Return the clips of a test set."""
    return [Clip(**json.loads(line)) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def _write_set(
    folder: Path, name: str, sentences: list[Sentence], caster: Caster, rng: np.random.Generator
) -> Iterator[Clip]:
    parts = [caster(i, rng) for i in range(len(sentences))]
    for i, (made, part, speech) in enumerate(_spoken(sentences, parts)):
        disturbed = i % 2 == 1
        samples = _recorded(speech, disturbed, rng)
        path = f"{name}_{i:03d}.flac"
        soundfile.write(folder / path, samples, SAMPLE_RATE, subtype="PCM_16")
        seconds = round(len(samples) / SAMPLE_RATE, 2)
        yield Clip(path, made.text, part.voice, name, disturbed, seconds, made.written)


def _seen_part(i: int, rng: np.random.Generator) -> Part:
    voice = i // 2 % SEEN_VOICES  # each voice once clean, once disturbed
    if voice < len(_FLITE):
        return Part(f"flite:{_FLITE[voice]}", augment.random_manner(rng))
    if voice < len(_FLITE) + len(cast.FESTIVAL_SEEN):
        return Part(f"festival:{cast.FESTIVAL_SEEN[voice - len(_FLITE)]}", augment.random_manner(rng))
    accent, variant = rng.choice(cast.ACCENTS), rng.choice(cast.VARIANTS)
    return Part(f"espeak:{accent}+{variant}", augment.random_manner(rng))


def _unseen_part(i: int, rng: np.random.Generator) -> Part:
    """Return festival's ked, the one unseen human voice, for half of the clips."""
    voices = [v for v in cast.UNSEEN if not v.startswith("festival")]
    turn = i // 2
    return Part(cast.UNSEEN[0] if turn % 2 else voices[turn // 2 % len(voices)], augment.random_manner(rng))


def _natural_part(i: int, _: np.random.Generator) -> Part:
    """Return one of Kokoro's unseen voices as it is, so that another vocal tract does not make it less natural."""
    return Part(f"kokoro:{voices_kokoro.UNSEEN[i // 2 % len(voices_kokoro.UNSEEN)]}", Manner())


def _spoken(sentences: list[Sentence], parts: list[Part]) -> Iterator[tuple[Sentence, Part, Speech]]:
    by_festival = [i for i, part in enumerate(parts) if part.voice.startswith("festival")]
    done: dict[int, Speech | None] = dict.fromkeys(by_festival)
    heard = [i for i in by_festival if parts[i].voice.partition(":")[2] in voices_festival.installed()]
    if heard:
        spoken = cast.perform_festival([sentences[i].spoken for i in heard], [parts[i] for i in heard])
        done.update(zip(heard, spoken, strict=True))
    for i, (made, part) in enumerate(zip(sentences, parts, strict=True)):
        try:
            speech = done[i] if i in done else cast.perform(made.spoken, part)
        except SynthesisError:
            continue
        if speech is not None:
            yield made, part, speech


def _recorded(speech: Speech, disturbed: bool, rng: np.random.Generator) -> Float32:
    """Return the speech between 0.3 s of silence; if disturbed, in a room half the time, and with noise."""
    samples = augment.level(np.pad(speech.samples, int(0.3 * SAMPLE_RATE)), -22.0)
    if not disturbed:
        return samples
    if rng.random() < 0.5:
        samples = augment.level(augment.convolve(samples, augment.room_response(rng)), -22.0)
    snr_db = rng.uniform(10, 30)
    return augment.level(samples + augment.level(noises.noise(rng, len(samples)), -22.0 - snr_db), -22.0)
