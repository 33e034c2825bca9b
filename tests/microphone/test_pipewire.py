"""What the machine plays, with PipeWire's own programs and no PulseAudio: a real server, a null sink, a player."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.helpers.programs import ANSWER_S, COMMAND, line_with, over

PROGRAMS = ("pipewire", "wireplumber", "pw-dump", "pw-record", "pw-cat", "pw-cli", "dbus-run-session")
SERVERS = "pipewire & wireplumber & wait"
SINK = "{ factory.name=support.null-audio-sink node.name=speaker media.class=Audio/Sink object.linger=true }"


@pytest.fixture
def pipewire(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Start PipeWire with a null sink; gives the environment in which programs find it."""
    for program in PROGRAMS:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: no PipeWire to test with")
    (tmp_path / "run").mkdir(mode=0o700)
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path / "run"), "HOME": str(tmp_path)}
    with (tmp_path / "pipewire.log").open("wb") as log:
        words = ["dbus-run-session", "--", "sh", "-c", SERVERS]
        server = subprocess.Popen(words, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(server, env, '"WirePlumber"')
        subprocess.run(["pw-cli", "create-node", "adapter", SINK], env=env, check=True, capture_output=True)
        wait_for(server, env, '"speaker"')
        yield env
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_for(server: subprocess.Popen[bytes], env: dict[str, str], name: str) -> None:
    """Ask until the server knows a name; each question waits for its answer."""
    while server.poll() is None:
        asked = subprocess.run(["pw-dump"], env=env, capture_output=True, text=True, timeout=ANSWER_S, check=False)
        if name in asked.stdout:
            return
    pytest.skip("PipeWire does not start here")


@pytest.mark.long
@pytest.mark.parametrize(("name", "told"), [("system", "listening to system sound"), ("app:pw-cat", "(application)")])
async def test_what_is_played_is_heard(
    pipewire: dict[str, str], repository: Path, tmp_path: Path, name: str, told: str
) -> None:
    """All of it, or one application, by `pw-record`."""
    samples, rate = soundfile.read(repository / "tests/data/synthetic/narrow_seen_010.flac", dtype="int16")
    soundfile.write(tmp_path / "later.wav", np.concatenate([np.zeros(2 * rate, np.int16), samples]), rate)
    player = ["pw-cat", "-p", "--target", "speaker", str(tmp_path / "later.wav")]
    pipe = asyncio.subprocess.PIPE
    words = (*COMMAND, "listen", "--json", "--input", name)
    process = await asyncio.create_subprocess_exec(*words, env=pipewire, stdout=pipe, stderr=pipe)
    try:
        await line_with(process.stderr, "listening to" if name == "system" else "waiting for")
        playing = await asyncio.create_subprocess_exec(*player, env=pipewire)
        if name != "system":
            await line_with(process.stderr, told)
        final = json.loads(await line_with(process.stdout, '"type":"final"'))
        assert await playing.wait() == 0
        process.send_signal(signal.SIGINT)
        assert (await over(process))[0] == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    assert final["text"].strip() == "eight hundred twenty five weeks"
