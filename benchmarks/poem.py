"""Where the lines of recorded texts begin and end, by the attention of a model that is told what is said.

The text is given, so that the times are measured and not the recognition. Each line is looked at with its neighbours,
so that the window says nothing of where it begins.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from amanuensis.benchmarks.clips import RATE, Samples, read_samples
from amanuensis.npu.decode import WindowDecoder
from amanuensis.npu.devices.cpu import CpuModel
from amanuensis.npu.log_mel import IncrementalLogMel
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import WindowJob
from amanuensis.stream.normalise import normalise_word

HOP: Final = 160  # samples of a log-mel frame
PAD_FRAMES: Final = 40  # silence after the sound, as live windows have it
Line: TypeAlias = tuple[float, float, str]  # start and end in seconds, text


@dataclass(frozen=True, slots=True)
class LineErrors:
    """How far a line's first word begins and its last word ends from the reference; late is positive.

    A line of the reference ends where the next one begins, so a pause after it is an error of its end.
    """

    text: str
    start_error_ms: int
    end_error_ms: int


class Aligner:
    """Says when the words of a known text are said."""

    def __init__(self, folder: Path, threads: int) -> None:
        files = ModelFiles.load(folder)
        self._n_mels = files.dimensions.n_mels
        self._tokenizer = Tokenizer(folder)
        self._decoder = WindowDecoder(CpuModel(files, "float32", threads), self._tokenizer)

    def times_ms(self, samples: Samples, words: Sequence[str]) -> list[tuple[int, int]]:
        """Return start and end of each word in float32 samples at RATE."""
        mel = IncrementalLogMel(self._n_mels)
        mel.push(samples)
        n_frames = len(samples) // HOP
        features = mel.window(0, n_frames, PAD_FRAMES + n_frames % 2)
        pieces = [self._tokenizer.encode(f" {word}") for word in words]
        times = self._decoder.align(WindowJob(features, draft=tuple(token for piece in pieces for token in piece)))
        stops = np.cumsum([len(piece) for piece in pieces]).tolist()
        return [
            (times.starts_ms[stop - len(piece)], times.ends_ms[stop - 1])
            for piece, stop in zip(pieces, stops, strict=True)
        ]


def read_lines(aligner: Aligner, folder: Path) -> list[LineErrors]:
    """Return the errors of every line of the recordings of a folder's `turns.jsonl` that have `lines`."""
    rows = [json.loads(line) for line in (folder / "turns.jsonl").read_text(encoding="utf-8").splitlines()]
    return [
        each
        for row in rows
        if "lines" in row
        for each in line_errors(aligner, read_samples(folder / row["path"]), row["lines"])
    ]


def line_errors(aligner: Aligner, samples: Samples, lines: Sequence[Line]) -> Iterator[LineErrors]:
    """Yield the errors of each line."""
    for k, (start_s, end_s, text) in enumerate(lines):
        near = lines[max(0, k - 1) : k + 2]
        begin = round(near[0][0] * RATE)
        before = _words(near[0][2]) if k else []
        words = [*before, *_words(text), *(_words(near[-1][2]) if k + 1 < len(lines) else [])]
        times = aligner.times_ms(samples[begin : round(near[-1][1] * RATE)], words)
        first, last = times[len(before)][0], times[len(before) + len(_words(text)) - 1][1]
        at_ms = 1000 * begin / RATE
        yield LineErrors(text, round(at_ms + first - 1000 * start_s), round(at_ms + last - 1000 * end_s))


def _words(text: str) -> list[str]:
    """Return the words as they are written: so the built-in model and Whisper's expect them."""
    return [word for word in text.split() if normalise_word(word)]
