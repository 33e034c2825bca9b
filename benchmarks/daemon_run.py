"""The real daemon, in its own processes, to be measured; with its default settings, whatever the user's are."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from amanuensis.benchmarks.processes import Memory, cpu_seconds, memory

COMMAND = (sys.executable, "-m", "amanuensis.daemon.main")
UNLIMITED = {"AMANUENSIS_LIMITS_SESSIONS": "512", "AMANUENSIS_LIMITS_MAX_LOAD": "0"}  # 0: nobody is refused for load


class DaemonFailedError(Exception):
    """The daemon did not start, or died; the message has what it said."""


@dataclass(frozen=True, slots=True)
class DaemonRun:
    """A running daemon."""

    url: str  # ws://HOST:PORT/v1/session
    pid: int
    started_s: float  # time.perf_counter() when its process was started
    listening_s: float  # from then to the line that says where it listens

    def cpu_s(self) -> float:
        """Return the CPU seconds that the daemon and its engine have used."""
        return cpu_seconds(self.pid)

    def memory(self) -> Memory:
        """Return what the daemon and its engine hold."""
        return memory(self.pid)

    def metric(self, name: str) -> float:
        """Return the sum of the samples of a metric over its labels (docs/metrics.md)."""
        page = self.url.removeprefix("ws://").partition("/")[0]
        with urllib.request.urlopen(f"http://{page}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)


@asynccontextmanager
async def running_daemon(
    model: str | None, threads: int, env: Mapping[str, str] | None = None
) -> AsyncIterator[DaemonRun]:
    """Start the daemon on a free port, and stop it at the end.

    Args:
        model: name or folder; None: the best installed.
        threads: of the engine; 0: its own choice.
        env: settings beside the default ones.

    Raises:
        DaemonFailedError: it did not start.

    """
    words = ["serve", "--listen", "127.0.0.1:0", *(["--model", model] if model else []), "--threads", str(threads)]
    with tempfile.TemporaryDirectory(prefix="amanuensis-bench-") as folder, tempfile.TemporaryFile() as errors:
        own = {"XDG_CONFIG_HOME": folder, "AMANUENSIS_SPOOL_FOLDER": f"{folder}/spool"}
        started = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *COMMAND, *words, stdout=asyncio.subprocess.PIPE, stderr=errors, env={**os.environ, **own, **(env or {})}
        )
        assert process.stdout is not None
        try:
            line = (await process.stdout.readline()).decode().split()
            listening_s = time.perf_counter() - started
            if line[:1] != ["listening"]:
                errors.seek(0)
                raise DaemonFailedError(f"the daemon did not start: {errors.read().decode(errors='replace').strip()}")
            yield DaemonRun(line[1], process.pid, started, listening_s)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.wait()
