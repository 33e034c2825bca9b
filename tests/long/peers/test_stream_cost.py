"""The promise on cost, measured against faster-whisper in the same run."""

from __future__ import annotations

import json
import subprocess
import sys

MIN_RATIO = 10.0


def test_streaming_costs_a_tenth_of_faster_whisper() -> None:
    """CPU seconds per second of speech: every way of calling faster-whisper costs at least ten times ours."""
    command = [sys.executable, "-m", "amanuensis.daemon.main", "bench", "stream", "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures = json.loads(done.stdout)
    print(json.dumps(figures, indent=1))
    assert set(figures["peers"]) == {"faster-whisper int8 beam 5", "faster-whisper int8 greedy"}
    for name, peer in figures["peers"].items():
        assert peer["ratio"] >= MIN_RATIO, name
