"""Archives with the true engine: runs that are killed at any moment, interrupted, or two at once."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amanuensis.benchmarks.sound import SAMPLE_RATE, conversation
from tests.helpers.daemon_process import COMMAND, START_LIMIT_S, run_command

FLAGS = ("-f", "txt", "-f", "json", "--threads", "1", "--max-speakers", "3")
N_FILES = 4


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory, builtin_model: Path) -> Path:
    """A folder of a few seconds of speech each, in several formats, a longer one, and one file that is none."""
    folder = tmp_path_factory.mktemp("archive") / "in"
    folder.mkdir()
    sound = conversation()
    for k, ending in zip(range(N_FILES), ("wav", "flac", "ogg", "wav"), strict=True):
        start = 7 * k * SAMPLE_RATE
        stop = start + 6 * SAMPLE_RATE if k < N_FILES - 1 else len(sound)  # the last one is left when a run is stopped
        soundfile.write(folder / f"{k}.{ending}", sound[start:stop], SAMPLE_RATE)
    (folder / "broken.mp3").write_bytes(bytes(range(256)) * 8)
    return folder


@pytest.fixture(scope="module")
def undisturbed(recordings: Path) -> dict[str, bytes]:
    """What a run writes that nobody disturbs; one stream at a time."""
    out = recordings.parent / "undisturbed"
    done = run_command("archive", "run", str(recordings), "-o", str(out), *FLAGS, "--streams", "1")
    assert done.returncode == 1
    assert "broken.mp3: not a sound file" in done.stderr
    assert f"{N_FILES} of {N_FILES + 1} files are done" in done.stderr
    return contents(out)


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def begun(recordings: Path, out: Path, state: Path) -> subprocess.Popen[str]:
    """Start a run."""
    words = ("archive", "run", str(recordings), "-o", str(out), "--state", str(state), "--retries", "0", *FLAGS)
    listening = ("env", "--default-signal=INT")  # a shell that starts tests in the background has it ignored
    return subprocess.Popen([*listening, *COMMAND, *words], stderr=subprocess.PIPE, text=True)


def n_lines(state: Path) -> int:
    """Return how many lines are kept."""
    return state.read_bytes().count(b"\n") if state.exists() else 0


def wait_for(state: Path, wanted: int, process: subprocess.Popen[str]) -> None:
    """Wait until a run has kept so many lines, or is over."""
    looking = threading.Event()
    while process.poll() is None and n_lines(state) < wanted:
        looking.wait(0.005)


def test_a_run_that_is_stopped_goes_on(recordings: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """Killed and interrupted in the middle, it ends with what an undisturbed run has, and did no file twice."""
    out, state = tmp_path / "out", tmp_path / "kept.state"
    for n_more, stop in ((4, signal.SIGKILL), (1, signal.SIGINT)):  # a header, failures, files written and done
        n_before = n_lines(state)
        process = begun(recordings, out, state)
        wait_for(state, n_before + n_more, process)
        process.send_signal(stop)
        _, said = process.communicate(timeout=START_LIMIT_S)
        assert process.returncode == (-stop if stop == signal.SIGKILL else 1)
        assert ("interrupted; what is done is kept" in said) == (stop == signal.SIGINT)
    process = begun(recordings, out, state)
    _, said = process.communicate(timeout=START_LIMIT_S)
    assert process.returncode == 1, said
    assert contents(out) == undisturbed
    fates = [(row["file"], row["fate"]) for row in map(json.loads, state.read_text().splitlines()[1:])]
    done = [file for file, fate in fates if fate == "done"]
    assert len(done) == len(set(done)) == N_FILES
    assert fates.index((done[0], "done")) < len(fates) // 2


def test_two_runs_at_once_are_one(recordings: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """The second one is refused in a line, and does not harm the first."""
    out, state = tmp_path / "out", tmp_path / "kept.state"
    first = begun(recordings, out, state)
    wait_for(state, 1, first)
    second = begun(recordings, out, state)
    _, said = second.communicate(timeout=START_LIMIT_S)
    assert first.poll() is None
    assert second.returncode == 1
    assert "another run works on this archive" in said
    assert said.count("\n") == 1
    first.communicate(timeout=START_LIMIT_S)
    assert contents(out) == undisturbed


def test_status_tells_what_is_done_and_what_failed(recordings: Path, undisturbed: dict[str, bytes]) -> None:
    """In words and as JSON; the folder's state lies beside it."""
    assert undisturbed
    shown = run_command("archive", "status", str(recordings))
    assert shown.returncode == 1
    assert shown.stdout.startswith(f"{N_FILES} of {N_FILES + 1} files done (")
    assert "failed: broken.mp3: not a sound file" in shown.stdout
    found = json.loads(run_command("archive", "status", str(recordings), "--json").stdout)
    assert (found["files"], found["done"], found["failed"], found["left"]) == (N_FILES + 1, N_FILES, 1, 0)
    lengths_s = [soundfile.info(path).duration for path in recordings.iterdir() if path.suffix != ".mp3"]
    assert np.isclose(found["duration_ms"], 1000 * sum(lengths_s))
    assert {one["fate"] for one in found["of"]} == {"done", "failed"}
    assert all(one["devices"] == ["cpu"] for one in found["of"] if one["fate"] == "done")


def test_transcribe_takes_folders(recordings: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """With the same texts; what is done is kept beside them, and not done again."""
    out = tmp_path / "out"
    done = run_command("transcribe", recordings, "-o", out, *FLAGS)
    assert done.returncode == 1
    assert "broken.mp3: not a sound file" in done.stderr
    found = contents(out)
    before = found.pop(".amanuensis.state")
    assert found == undisturbed
    again = run_command("transcribe", recordings, "-o", out, *FLAGS)
    assert f"{N_FILES} of {N_FILES + 1} files are done" in again.stderr
    assert (out / ".amanuensis.state").read_bytes().startswith(before)
    assert (out / ".amanuensis.state").read_bytes().count(b'"done"') == N_FILES
