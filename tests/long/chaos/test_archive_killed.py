"""An archive whose run is killed at many moments, wherever it just is."""

from __future__ import annotations

import json
import random
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import soundfile

from amanuensis.benchmarks.sound import SAMPLE_RATE, conversation
from tests.helpers.daemon_process import COMMAND, START_LIMIT_S, run_command

N_FILES = 24
FLAGS = ("-f", "txt", "-f", "json", "--threads", "1", "--max-speakers", "3", "--meetings")


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(3))
def test_every_file_is_done_once(
    builtin_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """However often and wherever it is killed: in the end all is as if it had not been, and nothing is left over."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    place, chance, sound = tmp_path / "in", random.Random(seed), conversation()
    place.mkdir()
    for k in range(N_FILES):
        start = chance.randrange(40) * SAMPLE_RATE
        soundfile.write(place / f"{k}.flac", sound[start : start + chance.randrange(2, 8) * SAMPLE_RATE], SAMPLE_RATE)
    undisturbed = tmp_path / "undisturbed"
    assert run_command("archive", "run", place, "-o", undisturbed, *FLAGS, "--state", tmp_path / "u").returncode == 0
    out, state = tmp_path / "out", tmp_path / "kept"
    words = [*COMMAND, "archive", "run", str(place), "-o", str(out), *FLAGS, "--state", str(state)]
    n_killed, returned = 0, -signal.SIGKILL
    while returned == -signal.SIGKILL:
        process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        try:
            process.communicate(timeout=chance.uniform(0.5, 6.0) if n_killed < N_FILES else START_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            n_killed += 1
        returned = process.returncode
    assert n_killed > 1
    assert returned == 0
    assert contents(out) == contents(undisturbed)
    done = Counter(row["file"] for row in map(json.loads, state.read_text().splitlines()[1:]) if row["fate"] == "done")
    assert set(done.values()) == {1}
    assert len(done) == N_FILES
    listed = json.loads(run_command("meetings", "list", "--json").stdout)
    assert len(listed) == N_FILES


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
