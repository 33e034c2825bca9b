"""Ratios of times that are taken in one run: the best of several interleaved runs of each side.

`python -m amanuensis.benchmarks.guard.ratios FOLDER` prints them as JSON; `child` runs it as it is meant.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from amanuensis.benchmarks.common import interleaved, timed
from amanuensis.benchmarks.guard.sample import Sample
from amanuensis.benchmarks.log_mel import WINDOW_S, ticks
from amanuensis.npu.decode import WindowDecoder
from amanuensis.npu.devices.cpu import CpuModel
from amanuensis.npu.log_mel import SAMPLE_RATE, log_mel_spectrogram
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import WindowJob

ROUNDS: Final = 15
STREAMED_S: Final = 10.0  # of the sample
WIDTH: Final = 384  # of the products of the reference
N_MELS: Final = 80
MEANINGS: Final[Mapping[str, str]] = {
    "streaming / reference": "10 s of the sample, streamed, over fixed products and transforms of NumPy",
    "log-mel, ticks / whole": "the log-mel of 20 s in ticks of 0.5 s, over that of a whole window of 10 s",
    "decoder, draft / scratch": "the windows of the sample decoded with their drafts, over the same without",
}


def take_ratios(folder: Path, rounds: int = ROUNDS, seconds: float = STREAMED_S) -> dict[str, float]:
    """Measure every ratio of `MEANINGS`.

    Args:
        folder: of the model.
        rounds: of every case, the best of which counts.
        seconds: of the sample.

    """
    sample = Sample(folder, seconds)
    _, crossing = sample.stream()  # warms up
    sound = np.random.default_rng(0).standard_normal(int(WINDOW_S * SAMPLE_RATE)).astype(np.float32)
    cases: dict[str, Callable[[], object]] = {"streaming": sample.stream, "reference": _reference()}
    cases |= {"ticks": ticks(sound, N_MELS), "whole": lambda: log_mel_spectrogram(sound, N_MELS)}
    cases |= _decoding(folder, crossing.jobs)
    best = _best(cases, rounds)
    pairs = (("streaming", "reference"), ("ticks", "whole"), ("draft", "scratch"))
    return {name: round(best[one] / best[other], 4) for name, (one, other) in zip(MEANINGS, pairs, strict=True)}


def _decoding(folder: Path, jobs: Sequence[WindowJob]) -> dict[str, Callable[[], object]]:
    """Return the decoder's work on encoded windows, with their drafts and without."""
    model = CpuModel(ModelFiles.load(folder), "float32", threads=1)
    decoder = WindowDecoder(model, Tokenizer(folder))
    encoded = [(job, model.encode(job.features)) for job in jobs]

    def decode(prepare: Callable[[WindowJob], WindowJob]) -> Callable[[], object]:
        return lambda: [
            decoder.decode_encoded(prepare(job), encoding.n_frames, model.decoder(encoding))
            for job, encoding in encoded
        ]

    return {"draft": decode(lambda job: job), "scratch": decode(lambda job: replace(job, draft=()))}


def _best(cases: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the least CPU seconds of each case."""

    def cpu_s(work: Callable[[], object]) -> Callable[[], float]:
        return lambda: timed(work).cpu_s

    return {name: min(some) for name, some in interleaved({k: cpu_s(v) for k, v in cases.items()}, rounds).items()}


def _reference() -> Callable[[], object]:
    """Return work of about a tenth of a second that no change of this project changes."""
    random = np.random.default_rng(0)
    left, right = random.standard_normal((2, WIDTH, WIDTH)).astype(np.float32)
    frames = random.standard_normal((256, 400)).astype(np.float32)

    def work() -> None:
        for _ in range(50):
            left @ right
            np.fft.rfft(frames, axis=1)

    return work


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    print(json.dumps(take_ratios(parser.parse_args().folder)))


if __name__ == "__main__":
    main()
