"""A daemon that is killed, stopped, started again, filled up and confused, always on the same folders."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from tests.helpers.jumping_clock import set_offset

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 60.0  # only against hanging
SETTINGS = {
    "BACKLOG_S": "1",  # sound waits at the speaker, so that a fault strikes in the middle of it
    "PING_S": "1",
    "HELLO_S": "30",  # on a machine that is busy a client may be slow to say it
    "QUEUE_EVENTS": "64",  # so that a reader that stalls is noticed
    "SHUTDOWN_S": "5",
}


class Host:
    """One daemon after the other.

    Args:
        model: folder of the model.
        folder: for everything that a daemon leaves behind.
        limits: further settings of [limits].

    Attributes:
        port: of the daemon that runs, 0 while none does.
        spool: its folder.
        log: what all daemons have said on stderr.
        starts: daemons started.
        dead_s: between the end of a daemon and the start of the next.
        rough_ends: exit statuses other than 0 after SIGTERM.

    """

    def __init__(self, model: Path, folder: Path, limits: Mapping[str, str] | None = None) -> None:
        self.port = 0
        self.spool = folder / "spool"
        self.recordings = folder / "recordings"
        self.log = folder / "daemon.log"
        self.config = folder / "config" / "amanuensis" / "config.toml"
        self.starts = 0
        self.dead_s = 0.0
        self._ended_s: float | None = None
        self.rough_ends: list[int] = []
        self._limits = SETTINGS | dict(limits or {})
        self._clock = folder / "clock"
        self._model = model
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self.config.parent.mkdir(parents=True)
        set_offset(self._clock, 0.0)

    async def start(self) -> None:
        """Start a daemon and wait until it listens; settings that it would not start with are mended before."""
        self.config.unlink(missing_ok=True)
        words = ["serve", "--listen", "127.0.0.1:0", "--model", str(self._model), "--threads", "1"]
        command = [sys.executable, "-m", "tests.helpers.jumping_clock", str(self._clock), *words]
        with self.log.open("a") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=log, env=self._environment(), cwd=ROOT
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(LIMIT_S):
            line = (await self._process.stdout.readline()).decode().split()
        assert line[:1] == ["listening"], self.log.read_text()
        self.port = int(line[1].removeprefix("ws://127.0.0.1:").partition("/")[0])
        self.starts += 1
        if self._ended_s is not None:
            self.dead_s += time.monotonic() - self._ended_s

    def _environment(self) -> dict[str, str]:
        own = {
            "AMANUENSIS_SPOOL_FOLDER": str(self.spool),
            "AMANUENSIS_RECORDING_FOLDER": str(self.recordings),
            "AMANUENSIS_RECORDING_MODE": "asked",
            "AMANUENSIS_LOG_LEVEL": "info",
            "XDG_CONFIG_HOME": str(self.config.parents[1]),
            "XDG_STATE_HOME": str(self._folder / "state"),
            "XDG_DATA_HOME": str(self._folder / "data"),
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }
        # Branches are not counted: where the disk is full, the count would fail and not the daemon.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        return inherited | own | {f"AMANUENSIS_LIMITS_{name}": value for name, value in self._limits.items()}

    @property
    def pid(self) -> int:
        """Of the daemon that runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether there is a daemon."""
        return self._process is not None and self._process.returncode is None

    @property
    def died(self) -> int | None:
        """Exit status of a daemon that nobody here has ended."""
        return self._process.returncode if self._process is not None and self.port else None

    async def kill(self) -> None:
        """Kill the daemon with SIGKILL."""
        assert self._process is not None
        self._ended_s = time.monotonic()
        self._process.kill()
        await self._gone()

    async def stop(self) -> None:
        """End the daemon in good order."""
        assert self._process is not None
        self._ended_s = time.monotonic()
        self._process.terminate()
        status = await self._gone()
        self.rough_ends += [status] * (status != 0)

    async def _gone(self) -> int:
        assert self._process is not None
        async with asyncio.timeout(LIMIT_S):
            status = await self._process.wait()
        self.port = 0
        return status

    def hang_up(self) -> None:
        """Have the daemon read its settings again."""
        os.kill(self.pid, signal.SIGHUP)

    def engines(self) -> list[int]:
        """Return the engine processes that there are just now."""
        children = Path(f"/proc/{self.pid}/task").glob("*/children")
        return [int(child) for file in children for child in file.read_text().split()]

    def kill_engine(self) -> bool:
        """Kill the daemon's engine with SIGKILL; False when it has none just now."""
        engines = self.engines()
        for engine in engines:
            with contextlib.suppress(ProcessLookupError):
                os.kill(engine, signal.SIGKILL)
        return bool(engines)

    def fill_disk(self, n_bytes: int) -> None:
        """Let no file of the daemon grow beyond so many bytes."""
        _, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (n_bytes, hard))

    def set_clock(self, seconds: float) -> None:
        """Have the daemon's wall clock be so much ahead of the true time."""
        set_offset(self._clock, seconds)

    @property
    def url(self) -> str:
        """Where speakers find the daemon."""
        return f"ws://127.0.0.1:{self.port}/v1/session"

    async def get(self, path: str) -> str:
        """Return a page."""

        def fetch() -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=LIMIT_S) as answer:
                text: str = answer.read().decode()
            return text

        return await asyncio.to_thread(fetch)

    async def ledger(self, session: str) -> dict[str, int] | None:
        """Return what became of the samples of a session, as its JSON has it; None: it is not known here."""
        try:
            facts: dict[str, Any] = json.loads(await self.get(f"/v1/sessions/{session}.json"))
        except HTTPError as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise
            return None
        samples: dict[str, int] | None = facts["ledger"].get("samples")  # none where another front has the session
        return samples

    async def settled_s(self) -> float:
        """Return the seconds of audio that this daemon has given a fate, as its metrics have it."""
        return await self.metric("amanuensis_ledger_seconds_total")

    async def metric(self, name: str) -> float:
        """Return a metric, the sum over its labels."""
        lines = (await self.get("/metrics")).splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.split("{")[0].split(" ")[0] == name)


@asynccontextmanager
async def host(model: Path, folder: Path, limits: Mapping[str, str] | None = None) -> AsyncIterator[Host]:
    """Run a daemon, and whoever takes its place, until the end."""
    running = Host(model, folder, limits)
    try:
        await running.start()
        yield running
    finally:
        if running.runs:
            await running.kill()
