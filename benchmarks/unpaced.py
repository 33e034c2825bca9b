"""CPU seconds of one decode at each tick, however long it takes: ours and LocalAgreement on faster-whisper.

On a machine where it falls behind, a live system decodes less often and seems cheaper than its policy is. Here the
clock stands still while anything is computed, so that both sides decode as often as they mean to. Each runs in a
process of its own; `python -m amanuensis.benchmarks.unpaced MODEL AUDIO.npy TICK_S THREADS` is ours.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amanuensis.benchmarks.common import Spread, interleaved
from amanuensis.benchmarks.measures import Latencies, Take
from amanuensis.benchmarks.peers.peer import INSIDE, Setup, interpreter
from amanuensis.benchmarks.simulated_clock import unaware_take
from amanuensis.benchmarks.sound import SAMPLE_RATE
from amanuensis.benchmarks.systems import OURS
from amanuensis.benchmarks.timed_speech import TimedSpeech
from amanuensis.benchmarks.worker import QUIET
from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.loading import load_model
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.stream.config import StreamConfig

AGREEMENT = "whisper_streaming, every tick"
THREADS = 1  # what a second one does differs between the engines and says nothing of the policy


def unpaced(setup: Setup, speech: TimedSpeech, pause_s: float, rounds: int) -> dict[str, Any]:
    """Run both in turn on speech and a pause; return figures by name, `ratio` against ours.

    Raises:
        PeerFailedError: faster-whisper's environment or weights are missing.

    """
    python = interpreter("whisper-streaming")
    audio = setup.warm_up.with_name("unpaced.npy")
    np.save(audio, np.concatenate([speech.samples, np.zeros(round(pause_s * SAMPLE_RATE), np.float32)]))
    rest = [str(audio), str(setup.tick_s), str(THREADS)]
    theirs = [str(INSIDE / "whisper_streaming_simulated.py"), str(python.parents[1] / "whisper_streaming")]
    commands = {
        OURS: [sys.executable, "-m", "amanuensis.benchmarks.unpaced", str(setup.weights.need("hugging_face")), *rest],
        AGREEMENT: [str(python), *theirs, str(setup.weights.need("ctranslate2")), *rest],
    }
    runs = interleaved({name: partial(_told, command) for name, command in commands.items()}, rounds)
    return compared(runs, speech, speech.seconds + pause_s)


def compared(runs: Mapping[str, Sequence[Mapping[str, Any]]], speech: TimedSpeech, seconds: float) -> dict[str, Any]:
    """Return for each its cost per second, its delays without computing and its WER."""
    figures: dict[str, Any] = {}
    for name, some in runs.items():
        latencies = Latencies.none()
        for one in some:
            latencies.add(Take.of_json(dict(one)), speech.words)
        cost = Spread.of([one["cpu_s"] / seconds for one in some])
        figures[name] = latencies.figures() | {
            "cpu_s_per_s": asdict(cost),
            "rss_mb": max(one["rss_mb"] for one in some),
            "ratio": cost.median / figures[OURS]["cpu_s_per_s"]["median"] if figures else 1.0,
        }
    return figures


def readable(figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the figures as lines."""
    lines = ["on a simulated clock, one thread, a decode at every tick:"] if figures else []
    return lines + [
        f"{name:30} {each['cpu_s_per_s']['median']:.4f} CPU s per s ({each['ratio']:.1f} times ours)  "
        f"commit P50 {each['commit_s']['p50'] or float('nan'):.2f} s  WER {100 * each['wer']:.1f} %"
        for name, each in figures.items()
    ]


def _told(command: Sequence[str]) -> dict[str, Any]:
    env = {**os.environ, **QUIET, "OMP_NUM_THREADS": str(THREADS), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def ours(model: Path, audio: NDArray[np.float32], tick_s: float, threads: int) -> dict[str, Any]:
    """Stream through our session and engine, in this process."""
    config = StreamConfig(tick_ms=1000 * tick_s, language="en")
    loaded, tokenizer = load_model(EngineConfig(model, threads=threads)), Tokenizer(model)
    unaware_take(loaded, tokenizer, config, audio[:SAMPLE_RATE])
    before = time.process_time()
    take = unaware_take(loaded, tokenizer, config, audio)
    cpu_s = time.process_time() - before
    return take.as_json() | {"cpu_s": cpu_s, "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main() -> None:
    """Stream once and print."""
    parser = argparse.ArgumentParser()
    for name, kind in (("model", Path), ("audio", Path), ("tick_s", float), ("threads", int)):
        parser.add_argument(name, type=kind)
    args = parser.parse_args()
    print(json.dumps(ours(args.model, np.load(args.audio), args.tick_s, args.threads)))


if __name__ == "__main__":
    main()
