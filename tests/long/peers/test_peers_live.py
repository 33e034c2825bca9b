"""Every other streaming system really runs, on the built-in model's weights at the size of base, and says its words."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from amanuensis.benchmarks.peers.peer import PeerFailedError, interpreter
from amanuensis.benchmarks.peers.registry import PEERS
from amanuensis.benchmarks.systems import OURS
from amanuensis.benchmarks.unpaced import AGREEMENT

MIN_RATIO = 20.0  # of CPU seconds, every tick decoded


@pytest.mark.parametrize("name", PEERS)
def test_a_system_says_the_words_beside_ours(name: str) -> None:
    """Each is started unmodified and shows what it hears; how well it keeps up is printed, not judged."""
    try:
        interpreter(PEERS[name].environment)
    except PeerFailedError as error:
        pytest.skip(str(error))
    command = [
        sys.executable,
        "-m",
        "amanuensis.daemon.main",
        "bench",
        "peers",
        "--vs",
        name,
        "--seconds",
        "13",
        "--json",
    ]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures = json.loads(done.stdout)
    takes = figures.pop("takes")
    print(json.dumps(figures, indent=1))
    assert PEERS[name].name not in figures["failed"]
    assert figures["systems"][OURS]["wer"] < 0.2
    assert any(text.strip() for _, _, text in takes[PEERS[name].name][0]["shown"])
    if figures["unpaced"]:
        assert figures["unpaced"][AGREEMENT]["ratio"] >= MIN_RATIO
