"""The engine process may die; the words do not."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amanuensis.daemon.client import Hello, connect
from tests.helpers.daemon_process import MONO_16K, DaemonProcess, caption, check_whole, running_daemon, speak, text_of


async def test_killed_engine_costs_no_words(daemon: DaemonProcess, speech: NDArray[np.float32]) -> None:
    """Killed with SIGKILL in mid-sentence the engine comes back, and two speakers get every word."""
    undisturbed = text_of(await caption(daemon.url, speech)).lower().split()
    (engine,) = daemon.children()
    beside = asyncio.create_task(caption(daemon.url, speech))
    async with connect(daemon.url, Hello(audio=MONO_16K)) as client, asyncio.TaskGroup() as tasks:
        tasks.create_task(speak(client, speech.tobytes()))
        events = []
        async for event in client:
            events.append(event)
            if event["type"] in ("partial", "commit") and daemon.children() == [engine]:
                os.kill(engine, signal.SIGKILL)
                engine = -1
    for heard in (events, await beside):
        check_whole(heard)
        assert not [event for event in heard if event["type"] == "gap"]
        assert abs(len(text_of(heard).split()) - len(undisturbed)) <= 0.2 * len(undisturbed)
    told = [event for event in events if event["type"] == "warning" and event["code"] == "engine_restarted"]
    assert told
    assert all("seq" in event for event in told)  # numbered: it is durable
    assert daemon.metric("amanuensis_engine_restarts_total") >= 1
    assert daemon.process.poll() is None


def test_daemon_stops_with_its_engine(builtin_model: Path, tmp_path: Path) -> None:
    """SIGTERM ends the daemon with status 0 and leaves no engine process behind."""
    with running_daemon(builtin_model, tmp_path) as daemon:
        (engine,) = daemon.children()
    assert not Path(f"/proc/{engine}").exists()


def test_killed_daemon_takes_its_engine_along(builtin_model: Path, tmp_path: Path) -> None:
    """When the daemon itself is killed, its engine notices and ends."""
    with running_daemon(builtin_model, tmp_path) as daemon:
        (engine,) = daemon.children()
        watched = os.pidfd_open(engine)
        daemon.process.kill()
        daemon.process.wait()
        # The descriptor of a process becomes readable when it ends; the test's time limit bounds the wait.
        select.select([watched], [], [])
        os.close(watched)
