"""A daemon of our own for a while: `amanuensis serve` on a free loopback port as a child process."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Final

FIRST_WORD: Final = "listening"
START_S: Final = 120.0  # a large model may have to be prepared first
STOP_S: Final = 15.0  # longer than the daemon gives its sessions
OWN_SESSIONS: Final = {  # they end with us; the folders may be those of a daemon that runs
    "AMANUENSIS_SPOOL_ENABLED": "false",
    "AMANUENSIS_RECORDING_MODE": "off",
}
PR_SET_PDEATHSIG: Final = 1  # of prctl(2)


class ChildError(Exception):
    """The daemon did not start; it has said why on stderr."""


@contextlib.asynccontextmanager
async def serving(flags: Sequence[str]) -> AsyncIterator[str]:
    """Run a daemon and give the address of its sessions, "ws://127.0.0.1:PORT/v1/session"; it is stopped afterwards.

    Args:
        flags: more flags of `amanuensis serve`.

    Raises:
        ChildError: it did not start.

    """
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "amanuensis.daemon.child",
            str(os.getpid()),
            "serve",
            "--listen",
            "127.0.0.1:0",
            *flags,
        ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | OWN_SESSIONS,
        start_new_session=True,  # a Ctrl-C is for us: we end the session first, then the daemon
    )
    try:
        yield await first_line(process)
    finally:
        await stop(process)


def serve_while(parent: int, words: Sequence[str]) -> int:
    """Run a command in this process, which gets SIGTERM when its parent has gone, however that ended.

    Args:
        parent: process id of the parent that is meant.
        words: the command line.

    """
    from amanuensis.daemon.main import main

    return main(words) if end_with(parent) else 1


def end_with(parent: int) -> bool:
    """Have this process get SIGTERM when its parent has gone, however that ended.

    Args:
        parent: process id of the parent that is meant.

    Returns:
        False where it went before we could ask.

    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
    return os.getppid() == parent


async def first_line(process: asyncio.subprocess.Process) -> str:
    """Wait until the daemon says where it listens."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            line = (await process.stdout.readline()).decode(errors="replace")
    except TimeoutError:
        raise ChildError(f"the daemon did not start within {START_S:.0f} s") from None
    word, _, address = line.strip().partition(" ")
    if word != FIRST_WORD:
        raise ChildError(f"the daemon did not start (exit status {await process.wait()}); its message stands above")
    return address


async def stop(process: asyncio.subprocess.Process) -> None:
    """Ask the daemon to stop, and end it if it does not."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


if __name__ == "__main__":
    sys.exit(serve_while(int(sys.argv[1]), sys.argv[2:]))
