"""Every other streaming system really runs, on the built-in model's weights at the size of base, and says its words."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from amanuensis.benchmarks.peers.peer import PeerFailedError, interpreter
from amanuensis.benchmarks.peers.registry import PEERS
from amanuensis.benchmarks.systems import OURS


@pytest.mark.parametrize("name", PEERS)
def test_a_system_says_the_words_beside_ours(name: str) -> None:
    """Each is started unmodified and shows some of the words that it hears; delays are printed, not judged."""
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
    del figures["takes"]
    print(json.dumps(figures, indent=1))
    assert PEERS[name].name not in figures["failed"]
    assert figures["systems"][OURS]["wer"] < 0.2
    assert figures["systems"][PEERS[name].name]["wer"] < 1.0
