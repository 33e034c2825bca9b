"""The examples, each as a program of its own, against a real daemon with the built-in model."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from amanuensis.client import Client
from tests.helpers.daemon_process import DaemonProcess, running_daemon
from tests.helpers.programs import ANSWER_S, COMMAND

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
STEP_BYTES = 3200  # 100 ms


@pytest.fixture(scope="module")
def clip(repository: Path) -> Path:
    """A short synthetic sentence."""
    return repository / "tests" / "data" / "synthetic" / "narrow_seen_003.flac"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which programs find the daemon by its socket, and it keeps what it is asked to keep."""
    home = tmp_path_factory.mktemp("home")
    (home / "run").mkdir(mode=0o700)
    own = {
        "XDG_RUNTIME_DIR": str(home / "run"),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_DATA_HOME": str(home / "data"),
    }
    return {**os.environ, **own, "AMANUENSIS_RECORDING_MODE": "asked"}


@pytest.fixture(scope="module")
def daemon(builtin_model: Path, folders: dict[str, str]) -> Iterator[DaemonProcess]:
    """The daemon that the examples find by themselves."""
    with running_daemon(builtin_model, Path(folders["XDG_RUNTIME_DIR"]), ["--listen", "unix:"], folders) as process:
        yield process


def example(name: str, *words: str) -> list[str]:
    """The command line of an example."""
    return [sys.executable, str(EXAMPLES / name), *words]


def test_live_captions(daemon: DaemonProcess, folders: dict[str, str], clip: Path) -> None:
    """The words of a file that is played as a microphone would be."""
    words = example("live_captions.py", f"file:{clip}")
    done = subprocess.run(words, env=folders, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) > 2


def test_meeting_recorder(daemon: DaemonProcess, folders: dict[str, str], clip: Path, tmp_path: Path) -> None:
    """Stopped in the middle of the sound of one side, it leaves a meeting of both sides with the daemon."""
    words = example("meeting_recorder.py", "Weekly", "-", f"file:{clip}")
    pipe = subprocess.PIPE
    with subprocess.Popen(words, env=folders, cwd=tmp_path, stdin=pipe, stdout=pipe, text=False) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        with soundfile.SoundFile(tmp_path / "talk.wav", "w", 16_000, 1) as wav:
            wav.write(soundfile.read(clip, dtype="int16")[0])
            wav.write(np.zeros(32_000, np.int16))  # a pause, after which the words are final
        program.stdin.write((tmp_path / "talk.wav").read_bytes())
        program.stdin.flush()
        said = {program.stdout.readline().decode().partition(":")[0] for _ in range(2)}
        program.send_signal(signal.SIGINT)
        *_, hint = program.stdout.read().decode().splitlines()
        assert program.wait(ANSWER_S) == 0
    assert said == {"me", "them"}
    command = [*COMMAND, *hint.split()[1:], "--json"]
    while (shown := answer(command, folders)).get("state") != "finished":
        assert daemon.readiness()["ready"]  # it puts the meeting into the index meanwhile
    assert shown["title"] == "Weekly"
    assert {line["track"] for line in shown["utterances"]} == {"me", "them"}


def answer(command: list[str], env: dict[str, str]) -> Any:
    """Return the JSON that a command prints; nothing when it fails."""
    done = subprocess.run(command, env=env, capture_output=True, check=False, timeout=ANSWER_S)
    return json.loads(done.stdout or "{}")


async def test_watchers(daemon: DaemonProcess, folders: dict[str, str], clip: Path, tmp_path: Path) -> None:
    """A text for OBS and a program in a pipe behind `amanuensis watch --json`, on a session that somebody speaks in."""
    samples, _ = soundfile.read(clip, dtype="int16")
    watching = asyncio.Event()

    async def sound() -> AsyncIterator[bytes]:
        await watching.wait()
        data = samples.astype("<i2").tobytes() + bytes(32_000)
        for at in range(0, len(data), STEP_BYTES):
            yield data[at : at + STEP_BYTES]

    programs: list[subprocess.Popen[bytes]] = []
    said = ""
    async for event in Client(daemon.url).listen(sound()):
        if event["type"] == "ready":
            programs = start_watchers(event["session"], folders, tmp_path)
            while await asyncio.to_thread(watchers, daemon, event["session"]) < 2:
                pass  # each question waits for its answer
            watching.set()
        elif event["type"] == "final":
            said += event["text"]
    assert [await asyncio.to_thread(program.wait, ANSWER_S) for program in programs] == [0, 0, 0]
    assert (tmp_path / "captions.txt").read_text().split() == said.split()
    assert "words a minute: " in (tmp_path / "rates.txt").read_text()
    assert said.split()[-1] in (tmp_path / "rates.txt").read_text()


def start_watchers(session: str, env: dict[str, str], folder: Path) -> list[subprocess.Popen[bytes]]:
    """Start the text for OBS, and the pipe as a shell would."""
    obs = subprocess.Popen(example("obs_text.py", str(folder / "captions.txt"), session), env=env)
    socket = next(Path(env["XDG_RUNTIME_DIR"]).rglob("*.sock"))
    words = [*COMMAND, "watch", "--json", f"unix:{socket}:/v1/watch/{session}"]
    watch = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with (folder / "rates.txt").open("wb") as rates:
        rate = subprocess.Popen(example("pipe_speech_rate.py"), env=env, stdin=watch.stdout, stdout=rates)
    assert watch.stdout is not None
    watch.stdout.close()
    return [obs, watch, rate]


def watchers(daemon: DaemonProcess, session: str) -> int:
    """How many clients a session has beside its speaker."""
    rows = json.loads(daemon.get("/v1/sessions"))["sessions"]
    return int(next(row["clients"] for row in rows if row["id"] == session)) - 1
