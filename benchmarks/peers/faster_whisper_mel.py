"""faster-whisper's log-mel front end on a window, as its `transcribe` calls it at each tick.

Run in `.venv-peers`: `python -m amanuensis.benchmarks.peers.faster_whisper_mel AUDIO.npy N_MELS RUNS`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from amanuensis.benchmarks.worker import serve_runs


def main() -> None:
    """Serve the case `window`."""
    from faster_whisper.feature_extractor import FeatureExtractor

    parser = argparse.ArgumentParser()
    for name, kind in (("audio", Path), ("n_mels", int), ("runs", int)):
        parser.add_argument(name, type=kind)
    args = parser.parse_args()
    samples = np.load(args.audio)
    extract = FeatureExtractor(feature_size=args.n_mels)

    def window() -> int:
        for _ in range(args.runs):
            extract(samples)
        return 0

    serve_runs({"window": window}, ["faster-whisper"])


if __name__ == "__main__":
    main()
