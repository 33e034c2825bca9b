"""What the log-mel front end costs: 0.5 s added to a window of 10 s, against the whole window again."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass

import numpy as np

from amanuensis.benchmarks.common import Spread, header, interleaved, report, timed
from amanuensis.npu.log_mel import SAMPLE_RATE, Float32, IncrementalLogMel, log_mel_spectrogram

WINDOW_S, TICK_S = 10.0, 0.5
TICKS = 40  # of one run


@dataclass(frozen=True, slots=True)
class LogMelCost:
    """Milliseconds of wall time for one tick."""

    incremental_ms: Spread  # push TICK_S and return the features of WINDOW_S
    whole_ms: Spread  # the features of WINDOW_S from its samples


def measure(rounds: int = 9, n_mels: int = 80) -> LogMelCost:
    """Measure both ways in turn on noise; run with one thread (OPENBLAS_NUM_THREADS=1)."""
    samples = np.random.default_rng(0).standard_normal(int(WINDOW_S * SAMPLE_RATE)).astype(np.float32) * np.float32(0.1)
    took = interleaved(
        {"incremental": lambda: _incremental_ms(samples, n_mels), "whole": lambda: _whole_ms(samples, n_mels)}, rounds
    )
    return LogMelCost(Spread.of(took["incremental"]), Spread.of(took["whole"]))


def _incremental_ms(samples: Float32, n_mels: int) -> float:
    stream = IncrementalLogMel(n_mels)
    stream.push(samples)
    tick, window_frames = samples[: int(TICK_S * SAMPLE_RATE)], int(WINDOW_S * 100)

    def run() -> None:
        for _ in range(TICKS):
            stream.push(tick)
            stream.window(stream.n_frames - window_frames, stream.n_frames)
            stream.drop_before(stream.n_frames - window_frames)

    return timed(run).wall_s / TICKS * 1e3


def _whole_ms(samples: Float32, n_mels: int) -> float:
    return timed(lambda: log_mel_spectrogram(samples, n_mels)).wall_s * 1e3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench log-mel`."""
    parser.add_argument("--n-mels", type=int, choices=(80, 128), default=80, help="mel bands (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="runs of each way (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    cost = measure(args.rounds, args.n_mels)
    lines = [
        f"{TICK_S} s added to a window of {WINDOW_S:.0f} s: {cost.incremental_ms} ms",
        f"the whole window of {WINDOW_S:.0f} s again: {cost.whole_ms} ms",
    ]
    report(header(f"none: log-mel, {args.n_mels} mels", threads=1), asdict(cost), lines, as_json=args.json)
    return 0
