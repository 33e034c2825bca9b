"""Commands of the user's that are run when a meeting begins and ends; whatever they do, the recording goes on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

log = logging.getLogger(__name__)


async def run_hook(command: Sequence[str], content: Mapping[str, Any], timeout_s: float) -> bool:
    """Run a command in a process group of its own, with JSON on its standard input; what goes wrong is logged.

    Args:
        command: and its arguments; no shell reads it.
        content: what it is told.
        timeout_s: after it the group is killed.

    Returns:
        Whether it ended in time with status 0.

    """
    pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=nowhere, stderr=nowhere, start_new_session=True
        )
    except (OSError, ValueError) as error:
        log.error("meetings: %s cannot be run: %s", command[0], error)
        return False
    try:
        async with asyncio.timeout(timeout_s):
            await process.communicate(json.dumps(content).encode())
    except TimeoutError:
        log.error("meetings: %s was killed: it did not end within %g s", command[0], timeout_s)
        return False
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it may be another user by now
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if process.returncode:
        log.error("meetings: %s ended with status %d", command[0], process.returncode)
    return process.returncode == 0
