"""What the documents say can be followed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

from amanuensis.benchmarks.sound import SAMPLE_RATE, conversation
from tests.helpers.daemon_process import running_daemon

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_links_lead_somewhere() -> None:
    """Every relative link of a document names a file that exists."""
    broken = [
        f"{document.name}: {target}"
        for document in DOCUMENTS
        for target in re.findall(r"\]\(([^)#\s]+)", document.read_text())
        if "://" not in target and not (document.parent / target).exists()
    ]
    assert not broken


def test_verbs_of_the_documents_exist() -> None:
    """Every `make VERB` that a document names is in the Makefile."""
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {verb for document in DOCUMENTS for verb in re.findall(r"`make ([a-z-]+)", document.read_text())}
    assert named
    assert named <= known


def test_the_client_of_the_readme_works(builtin_model: Path, tmp_path: Path) -> None:
    """The example in the README, run as it stands against a daemon, prints the words of a recording."""
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    sound = conversation()[: 10 * SAMPLE_RATE]
    soundfile.write(tmp_path / "talk.wav", (sound * np.iinfo(np.int16).max).astype(np.int16), SAMPLE_RATE)
    with running_daemon(builtin_model, tmp_path) as daemon:
        assert "127.0.0.1:8770" in example
        script = example.replace("127.0.0.1:8770", daemon.address)
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=100
        )
    assert len(done.stdout.split()) > 5
