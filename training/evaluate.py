"""Word error rates by set and voice, of a checkpoint or of an exported folder."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from amanuensis.npu.log_mel import SAMPLE_RATE
from amanuensis.training import cast, testset
from amanuensis.training.speech import Float32
from amanuensis.training.text import normal_form

SPEECH_ENV = "AMANUENSIS_SPEECH_DIR"
Transcriber = Callable[[list[Float32]], list[str]]
_DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@dataclass(frozen=True)
class Score:
    """Errors of some utterances."""

    errors: int
    words: int
    utterances: int

    @property
    def wer(self) -> float:
        """Word error rate, 0.1 = 10 %."""
        return self.errors / max(1, self.words)


@dataclass(frozen=True)
class Utterance:
    """A sound and its text, to be counted under some set and voice."""

    sound: Float32
    text: str
    set: str
    voice: str


def word_errors(reference: list[str], hypothesis: list[str]) -> int:
    """Return the edit distance in words (substitutions, insertions, deletions)."""
    row = list(range(len(hypothesis) + 1))
    for i, word in enumerate(reference, 1):
        previous, row[0] = row[0], i
        for j, other in enumerate(hypothesis, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (word != other))
    return row[-1]


def score(utterances: list[Utterance], texts: list[str]) -> dict[tuple[str, str], Score]:
    """Return scores by (set, voice), with voice "all" for the whole set."""
    counts: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for utterance, text in zip(utterances, texts, strict=True):
        reference = utterance.text.split()
        errors = word_errors(reference, normal_form(text).split())
        for voice in ("all", utterance.voice):
            for i, n in enumerate((errors, len(reference), 1)):
                counts[utterance.set, voice][i] += n
    return {key: Score(*n) for key, n in counts.items()}


def synthetic(folder: Path) -> list[Utterance]:
    """Return the synthetic test clips; espeak-ng's seen voices count as one, disturbed clips as a voice too."""
    return [
        Utterance(read_sound(folder / clip.path), clip.text, clip.set, _voice_group(clip))
        for clip in testset.read(folder)
    ]


def pairs(utterances: list[Utterance]) -> list[Utterance]:
    """Return each two clips of a set with seen voices as one window, as a stream has them."""
    joined = []
    for name in dict.fromkeys(u.set for u in utterances if u.set.endswith("_seen")):
        clips = [u for u in utterances if u.set == name]
        joined += [
            Utterance(np.concatenate([a.sound, b.sound]), f"{a.text} {b.text}", f"{name}_pairs", "two voices")
            for a, b in zip(clips[0::2], clips[1::2], strict=False)
        ]
    return joined


def _voice_group(clip: testset.Clip) -> str:
    if clip.voice.startswith("espeak") and clip.voice.removeprefix("espeak:") not in cast.UNSEEN_ESPEAK:
        return "espeak"
    return clip.voice.partition(":")[2] + (" (festival)" if clip.voice.startswith("festival") else "")


def recorded(folder: Path | None) -> list[Utterance]:
    """Return recorded speech with known text, of `AMANUENSIS_SPEECH_DIR`; none without one."""
    name = os.environ.get(SPEECH_ENV)
    folder = folder or (Path(name) if name else None)
    if folder is None:
        return []
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    return [
        Utterance(read_sound(folder / row["path"]), text, f"recorded_{_kind(row)}", str(row["speaker"]))
        for row in rows
        if (text := recorded_text(row)) and row["seconds"] <= 30
    ]


def _kind(row: dict[str, object]) -> str:
    return str(row["path"]).partition("/")[0] if row["kind"] == "utterance" else str(row["kind"])


def recorded_text(row: dict[str, object]) -> str:
    """Return a recording's text in normal form, digits as words; empty if it has none."""
    if row["kind"] not in ("digit", "utterance", "keyword") or not row.get("text"):
        return ""
    text = re.sub(r"\d", lambda m: f" {_DIGITS[int(m.group())]} ", str(row["text"]))
    return normal_form(text) if not text.endswith(".wav") else ""


def read_sound(path: Path) -> Float32:
    """Return a sound file at 16 kHz mono."""
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = sound.mean(axis=1)
    return np.asarray(mono if rate == SAMPLE_RATE else soxr.resample(mono, rate, SAMPLE_RATE), np.float32)


def table(scores: dict[tuple[str, str], Score], sets: Iterable[str] | None = None) -> str:
    """Return the scores as a Markdown table, the whole of each set first."""
    lines = ["| set | voice | utterances | words | WER |", "| --- | --- | --- | --- | --- |"]
    for name in sets or dict.fromkeys(key[0] for key in scores):
        voices = sorted((v for s, v in scores if s == name), key=lambda v: (v != "all", v))
        for voice in voices:
            s = scores[name, voice]
            lines.append(f"| {name} | {voice} | {s.utterances} | {s.words} | {s.wer:.1%} |")
    return "\n".join(lines)


def as_json(scores: dict[tuple[str, str], Score]) -> list[dict[str, object]]:
    """Return the scores as rows for a program."""
    return [
        {"set": s, "voice": v, "utterances": x.utterances, "words": x.words, "errors": x.errors, "wer": round(x.wer, 4)}
        for (s, v), x in scores.items()
    ]


def transcriber(folder: Path, threads: int) -> Transcriber:
    """Return greedy decoding with an exported model folder, in float32."""
    import torch

    from amanuensis.training.decode import transcribe_all
    from amanuensis.training.export import load
    from amanuensis.training.tokenizer import Vocabulary

    torch.set_num_threads(threads)
    vocabulary = Vocabulary(folder / "tokenizer.json")
    model = load(folder, vocabulary)
    return lambda sounds: transcribe_all(model, vocabulary, sounds)
