"""What the log-mel front end costs: 0.5 s added to a window of 10 s, against the whole window again.

faster-whisper, which has no other way, computes the whole window at each tick.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from amanuensis.benchmarks.common import Spread, header, interleaved, report, timed
from amanuensis.benchmarks.stream_cost import find_peers
from amanuensis.benchmarks.worker import Worker
from amanuensis.npu.log_mel import SAMPLE_RATE, Float32, IncrementalLogMel, log_mel_spectrogram

WINDOW_S, TICK_S = 10.0, 0.5
TICKS = 40  # of one run
PEER = "amanuensis.benchmarks.peers.faster_whisper_mel"


@dataclass(frozen=True, slots=True)
class LogMelCost:
    """Milliseconds of wall time for one tick."""

    incremental_ms: Spread  # push TICK_S and return the features of WINDOW_S
    whole_ms: Spread  # the features of WINDOW_S from its samples
    faster_whisper_ms: Spread | None = None  # the same by faster-whisper, where it is installed

    @property
    def ratio(self) -> float | None:
        """What we need for a tick, over what faster-whisper needs."""
        return self.incremental_ms.median / self.faster_whisper_ms.median if self.faster_whisper_ms else None


def measure(rounds: int = 9, n_mels: int = 80, peer: Path | None = None) -> LogMelCost:
    """Measure all ways in turn on noise; run with one thread (OPENBLAS_NUM_THREADS=1).

    Args:
        rounds: runs of each way.
        n_mels: bands.
        peer: interpreter that has faster-whisper.

    """
    samples = np.random.default_rng(0).standard_normal(int(WINDOW_S * SAMPLE_RATE)).astype(np.float32) * np.float32(0.1)
    cases: dict[str, Callable[[], float]] = {
        "incremental": lambda: _incremental_ms(samples, n_mels),
        "whole": lambda: _whole_ms(samples, n_mels),
    }
    with _faster_whisper(peer, samples, n_mels) as theirs:
        took = interleaved(cases | theirs, rounds)
    return LogMelCost(*map(Spread.of, took.values()))


@contextmanager
def _faster_whisper(peer: Path | None, samples: Float32, n_mels: int) -> Iterator[dict[str, Callable[[], float]]]:
    """Yield the case of faster-whisper, or none."""
    if peer is None:
        yield {}
        return
    with tempfile.TemporaryDirectory() as folder:
        audio = Path(folder) / "window.npy"
        np.save(audio, samples)
        with Worker(peer, ["-m", PEER, str(audio), str(n_mels), str(TICKS)], threads=1) as worker:
            worker.run("window")  # makes its filters
            yield {"faster-whisper": lambda: worker.run("window").wall_s / TICKS * 1e3}


def ticks(samples: Float32, n_mels: int) -> Callable[[], None]:
    """Return a run of TICKS ticks on a window of WINDOW_S, which `samples` fill; it may run again and again."""
    stream = IncrementalLogMel(n_mels)
    stream.push(samples)
    tick, window_frames = samples[: int(TICK_S * SAMPLE_RATE)], int(WINDOW_S * 100)

    def run() -> None:
        for _ in range(TICKS):
            stream.push(tick)
            stream.window(stream.n_frames - window_frames, stream.n_frames)
            stream.drop_before(stream.n_frames - window_frames)

    return run


def _incremental_ms(samples: Float32, n_mels: int) -> float:
    return timed(ticks(samples, n_mels)).wall_s / TICKS * 1e3


def _whole_ms(samples: Float32, n_mels: int) -> float:
    return timed(lambda: log_mel_spectrogram(samples, n_mels)).wall_s * 1e3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench log-mel`."""
    parser.add_argument("--n-mels", type=int, choices=(80, 128), default=80, help="mel bands (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="runs of each way (default: %(default)s)")
    parser.add_argument(
        "--peers-python", type=Path, metavar="FILE", help="interpreter that has faster-whisper (default: .venv-peers)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    cost = measure(args.rounds, args.n_mels, find_peers(args.peers_python))
    lines = [
        f"{TICK_S} s added to a window of {WINDOW_S:.0f} s: {cost.incremental_ms} ms",
        f"the whole window of {WINDOW_S:.0f} s again: {cost.whole_ms} ms",
    ]
    if cost.faster_whisper_ms is not None:
        lines.append(f"the whole window by faster-whisper: {cost.faster_whisper_ms} ms; ours is {cost.ratio:.2f} of it")
    figures = asdict(cost) | {"ratio": cost.ratio}
    report(header(f"none: log-mel, {args.n_mels} mels", threads=1), figures, lines, as_json=args.json)
    return 0
