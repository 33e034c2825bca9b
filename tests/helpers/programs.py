"""Running the command line in processes of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

Process = asyncio.subprocess.Process
COMMAND = (sys.executable, "-m", "amanuensis.daemon.main")
ANSWER_S = 120  # bound of every wait for an answer of a program


def amanuensis(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    env = os.environ | options.pop("env", {})
    return subprocess.run(
        [*COMMAND, *words], check=False, capture_output=True, text=True, timeout=ANSWER_S, env=env, **options
    )


@asynccontextmanager
async def running(*words: str, **env: str) -> AsyncIterator[Process]:
    """A command that runs beside the test; it is ended if it has not ended by itself."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *words, env=os.environ | env, stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line_with(stream: asyncio.StreamReader | None, words: str) -> str:
    """The next line that contains the words."""
    assert stream is not None
    seen = ""
    async with asyncio.timeout(ANSWER_S):
        while line := (await stream.readline()).decode():
            seen += line
            if words in line:
                return line
    raise AssertionError(f"no line with {words!r} came, but {seen!r}")


async def over(process: Process) -> tuple[int, str, str]:
    """Exit status, rest of standard output and rest of stderr of a program that ends by itself."""
    async with asyncio.timeout(ANSWER_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
