"""The real daemon in a process of its own, and a speaker for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amanuensis.daemon.client import Client, Hello, connect
from amanuensis.stream.formats import AudioFormat

COMMAND = (sys.executable, "-m", "amanuensis.daemon.main")
MONO_16K = AudioFormat("f32le", 16_000, 1)
START_LIMIT_S = 120.0  # only against hanging: a first start builds the graphs
Event = dict[str, Any]


@dataclass(frozen=True)
class DaemonProcess:
    """A running daemon."""

    process: subprocess.Popen[str]
    url: str  # ws://HOST:PORT/v1/session
    errors: Path  # its standard error

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return self.url.removeprefix("ws://").partition("/")[0]

    def get(self, path: str) -> str:
        """Return a page."""
        with urllib.request.urlopen(f"http://{self.address}{path}", timeout=START_LIMIT_S) as answer:
            text: str = answer.read().decode()
        return text

    def metric(self, name: str) -> float:
        """Return the sum of the samples of a metric over its labels."""
        lines = [line for line in self.get("/metrics").splitlines() if line.split("{")[0].split(" ")[0] == name]
        assert lines, f"/metrics has no {name}"
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def readiness(self) -> Event:
        """Return what /readyz says."""
        answer: Event = json.loads(self.get("/readyz"))
        return answer

    def children(self) -> list[int]:
        """Return the processes that the daemon has started: its engine."""
        found = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(child) for file in found for child in file.read_text().split()]


@contextlib.contextmanager
def running_daemon(
    model: Path, folder: Path, arguments: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> Iterator[DaemonProcess]:
    """Start a daemon on a free port and stop it at the end; it must stop in good order."""
    errors = folder / "daemon.log"
    command = [*COMMAND, "serve", "--listen", "127.0.0.1:0", "--model", str(model), "--threads", "1", *arguments]
    own = {"AMANUENSIS_SPOOL_FOLDER": str(folder / "spool")}  # no session of another test is taken up again
    with errors.open("w") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **own, **(env or {})}
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline().split()
        assert line[:1] == ["listening"], errors.read_text()
        yield DaemonProcess(process, line[1], errors)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        assert process.wait(START_LIMIT_S) in (0, -signal.SIGKILL), errors.read_text()  # killed by a test, or in order
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def run_command(*words: str | Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run one command of ours to its end."""
    command = [*COMMAND, *map(str, words)]
    return subprocess.run(
        command,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=START_LIMIT_S,
        check=False,
    )


async def caption(url: str, sound: NDArray[np.float32], hello: Hello | None = None) -> list[Event]:
    """Speak a whole recording as fast as it is taken and return every event up to `bye`."""
    async with connect(url, hello or Hello(audio=MONO_16K)) as client, asyncio.TaskGroup() as tasks:
        tasks.create_task(speak(client, sound.astype(np.float32).tobytes()))
        return [event async for event in client]


async def speak(client: Client, data: bytes) -> None:
    """Send sound and the end of it."""
    await client.send_audio(data)
    await client.end()


def text_of(events: Sequence[Event]) -> str:
    """Return the committed words."""
    return "".join(word["text"] for event in events if event["type"] == "commit" for word in event["words"]).strip()


def check_whole(events: Sequence[Event]) -> None:
    """Assert what every finished session keeps: numbers without holes, finals equal commits, a `bye`."""
    seq = [event["seq"] for event in events if "seq" in event and event["type"] != "snapshot"]
    assert seq == list(range(1, len(seq) + 1))
    finals = "".join(event["text"] for event in events if event["type"] == "final").strip()
    assert finals.split() == text_of(events).split()
    assert events[-1]["type"] == "bye"
