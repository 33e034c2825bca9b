"""One engine process as its parent holds it: spawned, spoken to, watched, killed."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from amanuensis.npu.engine.api import EngineInfo
from amanuensis.npu.engine.frames import FrameDecoder, FrameError, Message, encode_frame
from amanuensis.npu.engine.slots import FeatureSlots
from amanuensis.npu.engine.supervision import Supervision

log = logging.getLogger(__name__)
RECEIVE_BYTES = 1 << 16
LEAVING_S: Final = 1.0  # for a process that has closed its end of the socket to be gone
# A second pool of threads beside ONNX Runtime's costs half of the speed (NumPy's OpenBLAS does not sleep when idle).
ONE_THREAD: Mapping[str, str] = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Child:
    """A running engine process.

    Attributes:
        killed_why: why it was killed by its parent, if it was.
        failure: why it could not start, in its own words.
        info: what it runs, once it is ready.
        silent_beats: since it was last heard.
        idle_beats: in a row in which it did nothing while it had something to do.

    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        supervision: Supervision,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._supervision = supervision
        self._decoder = FrameDecoder()
        self._received: deque[Message] = deque()
        self._end = ""
        self.killed_why = ""
        self.failure = ""
        self.info: EngineInfo | None = None
        self.silent_beats = 0
        self.idle_beats = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ready(self) -> bool:
        """Whether it has loaded the model."""
        return self.info is not None

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
        return cls(process, *await asyncio.open_connection(sock=ours), supervision)

    def send(self, message: Message) -> None:
        """Queue a message; lost when the process is gone, which `receive` tells."""
        self._writer.write(encode_frame(message))

    async def receive(self) -> Message | None:
        """Return what the process says next, None when it is gone; one that talks nonsense is killed."""
        while not self._received:
            try:
                data = await self._reader.read(RECEIVE_BYTES)
            except OSError:
                return None
            if not data:
                return None
            try:
                self._received.extend(self._decoder.feed(data))
            except FrameError as error:
                self.kill(str(error))
                return None
        return self._received.popleft()

    async def watch(self, seen: Callable[[], None]) -> None:
        """Kill the process when it has been silent for too many beats; `seen` is called while it may be silent."""
        rules = self._supervision
        while True:
            await asyncio.sleep(rules.beat_s)
            self.silent_beats += 1
            limit = rules.silent_beats if self.ready else rules.loading_silent_beats
            if self.silent_beats > limit:
                self.kill(f"no sign of life for {limit * rules.beat_s:.0f} s")
                return
            if not self.ready:
                seen()

    def kill(self, why: str) -> None:
        """Kill the process for a reason that `gone` tells."""
        if self._process.returncode is None and not self.killed_why:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)  # Process.kill may take the exit status away from asyncio's watcher
            self._writer.transport.abort()  # nothing more is read, even if the process goes on
        self.killed_why = self.killed_why or why

    async def gone(self) -> str:
        """Make sure that the process is dead, or will be once the system lets it, and return why it died."""
        if not self._end:
            if not self.killed_why and not await self._ended(LEAVING_S):
                self.kill("it closed its connection but went on")
            in_time = await self._ended(self._supervision.death_s)
            self._writer.close()
            self._end = self._reason() if in_time else self._left_behind()
        return self._end

    async def _ended(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self._process.wait()
        except TimeoutError:
            return False
        return True

    def _reason(self) -> str:
        status = self._process.returncode or 0
        if self.failure or self.killed_why:
            return self.failure or self.killed_why
        return f"killed by {signal_name(-status)}" if status < 0 else f"exit status {status}"

    def _left_behind(self) -> str:
        """Say that the process lives on: SIGKILL waits while a driver holds it in a call."""
        held = f"process {self.pid} does not end, a driver may hold it: see `dmesg`"
        log.error("%s; it is left behind", held)
        return f"{self.killed_why}; {held}"


def signal_name(number: int) -> str:
    """Return the name of a signal; real-time signals have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
