"""One engine process as its parent holds it: spawned, spoken to, watched, killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from amanuensis.npu.engine.frames import FrameDecoder, FrameError, Message, encode_frame
from amanuensis.npu.engine.slots import FeatureSlots

LOADER = "amanuensis.npu.loading:load_model"
RECEIVE_BYTES = 1 << 16
# A second pool of threads beside ONNX Runtime's costs half of the speed (NumPy's OpenBLAS does not sleep when idle).
ONE_THREAD: Mapping[str, str] = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class Supervision:
    """How an engine process is watched and replaced.

    Silence is counted in beats, on the watcher's own ticks: a suspended machine or a stopped daemon is no silence.
    """

    beat_s: float = 0.5  # time between heartbeats
    silent_beats: int = 20  # so many missing in a row: the process hangs
    loading_silent_beats: int = 240  # while the model is loaded, in long calls that let no other thread run
    job_limit_s: float = 300.0  # one window; beyond a driver's own watchdog and large models on slow CPUs
    restarts: int = 8  # in a row without an answer between them; then the engine is lost
    backoff_s: float = 0.1  # before the second restart in a row; doubles each time
    max_backoff_s: float = 5.0
    job_crashes: int = 2  # a job running in so many is given up; `restarts` leaves room for its stream's three attempts
    depth: int = 2  # jobs at the process at once: one runs, one waits
    nice: int = 0  # added to the niceness of the process
    loader: str = LOADER  # module:function(EngineConfig) -> model


class Child:
    """A running engine process."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self.killed_why = ""
        self.ready = False
        self.silent_beats = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    @classmethod
    async def spawn(cls, slots: FeatureSlots, supervision: Supervision) -> Child:
        """Start a process that reads features from `slots`; OSError when the system refuses."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", "-m", "amanuensis.npu.engine"]
            command += ["--control", str(theirs.fileno()), "--features", str(slots.descriptor)]
            command += ["--slots", str(slots.n_slots), "--loader", supervision.loader]
            command += ["--beat-s", str(supervision.beat_s)]
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=2,  # results go to the daemon's stdout, nothing of the engine's
                    pass_fds=(theirs.fileno(), slots.descriptor),
                    env=os.environ | ONE_THREAD,
                    start_new_session=True,  # Ctrl-C is the daemon's to handle
                )
            except BaseException:
                ours.close()
                raise
        return cls(process, *await asyncio.open_connection(sock=ours))

    def send(self, message: Message) -> None:
        """Queue a message; lost when the process is gone, which `messages` tells."""
        self._writer.write(encode_frame(message))

    async def messages(self) -> AsyncIterator[Message]:
        """Yield what the process says until it is gone; one that talks nonsense is killed."""
        decoder = FrameDecoder()
        while True:
            try:
                data = await self._reader.read(RECEIVE_BYTES)
            except OSError:
                return
            if not data:
                return
            try:
                for message in decoder.feed(data):
                    yield message
            except FrameError as error:
                self.kill(str(error))
                return

    async def watch(self, supervision: Supervision) -> None:
        """Kill the process when it has been silent for too many beats."""
        while True:
            await asyncio.sleep(supervision.beat_s)
            self.silent_beats += 1
            limit = supervision.silent_beats if self.ready else supervision.loading_silent_beats
            if self.silent_beats > limit:
                self.kill(f"no sign of life for {limit * supervision.beat_s:.0f} s")
                return

    def kill(self, why: str) -> None:
        """Kill the process for a reason that `gone` tells."""
        if self._process.returncode is None and not self.killed_why:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)  # Process.kill may take the exit status away from asyncio's watcher
        self.killed_why = self.killed_why or why

    async def gone(self) -> str:
        """Make sure that the process is dead and return why it died."""
        if self._process.returncode is None:
            try:
                await asyncio.wait_for(self._process.wait(), 1.0)  # its end of the socket is closed: it is leaving
            except TimeoutError:
                self.kill("it closed its connection but went on")
        status = await self._process.wait()
        self._writer.close()
        if self.killed_why:
            return self.killed_why
        return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
