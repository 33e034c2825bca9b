"""Capture inside the hardened unit: PortAudio, ALSA's plugin, a sound server in the same machine, a sound that plays.

This machine need not have a sound device: ALSA's default device leads to the monitor of a null sink of PulseAudio. What
`DeviceAllow=char-alsa` does for real devices cannot be shown so.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from amanuensis.stream.wer import wer
from tests.helpers.booted import ANSWER_S, POLL_S, Machine
from tests.helpers.booted_service import SERVICE, connected
from tests.helpers.daemon_client import hello

FOLDER = "/run/test-sound"
SERVER = f"PULSE_SERVER=unix:{FOLDER}/native"
ALSA = "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
CAPTURES = f"""\
[Service]
Environment={SERVER} PULSE_SOURCE=speaker.monitor ALSA_CONFIG_PATH={FOLDER}/asound.conf
Environment=AMANUENSIS_INPUT_NAME=default
"""
SENTENCE = "narrow_seen_010.flac"
MAX_WER = 0.34


@pytest.fixture
def sound(machine: Machine) -> Machine:
    """The machine, with a sound server and a service that captures from it."""
    for tool in ("pulseaudio", "pactl", "paplay"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed: no microphone to test with")
    machine.write(f"{FOLDER}/asound.conf", ALSA)
    machine.write(f"/etc/systemd/system/{SERVICE}.d/sound.conf", CAPTURES)
    machine.systemctl("daemon-reload")
    protocol = f"module-native-protocol-unix auth-anonymous=1 socket={FOLDER}/native"
    server = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "-L", protocol]
    server += ["-L", "module-null-sink sink_name=speaker rate=48000"]
    machine.run("systemd-run", "--quiet", "--unit=test-sound", f"--setenv=HOME={FOLDER}", *server)
    until = time.monotonic() + ANSWER_S
    while machine.run("env", SERVER, "pactl", "info", check=False).returncode:
        assert time.monotonic() < until, machine.journal("-u", "test-sound")
        time.sleep(POLL_S)
    return machine


@pytest.mark.long
async def test_the_hardened_service_hears(sound: Machine, repository: Path) -> None:
    """What is played is captioned; after a restart the session goes on, and the time without a daemon is a gap."""
    folder = repository / "tests" / "data" / "synthetic"
    rows = map(json.loads, (folder / "manifest.jsonl").read_text().splitlines())
    (said,) = (row["text"] for row in rows if row["path"] == SENTENCE)
    sound.systemctl("start", SERVICE)
    wait_for_session(sound)
    async with connected(sound, hello("watch"), "/v1/watch/latest") as watcher:
        ready = await watcher.until(type="ready")
        await watcher.until(type="stats")
        sound.run("env", SERVER, "paplay", "--device=speaker", folder / SENTENCE)
        final = await watcher.until(type="final")
    assert wer(said, final["text"]) <= MAX_WER, final["text"]
    sound.systemctl("restart", SERVICE)
    wait_for_session(sound)
    async with connected(sound, hello("watch", after_seq=final["seq"]), f"/v1/watch/{ready['session']}") as watcher:
        gap = await watcher.until(type="gap")
        assert gap["why"] == "the daemon did not run"
        sound.run("env", SERVER, "paplay", "--device=speaker", folder / SENTENCE)
        again = await watcher.until(type="final")
    assert wer(said, again["text"]) <= MAX_WER, again["text"]
    assert gap["to"] <= again["from"]


def wait_for_session(machine: Machine) -> None:
    """Wait until the daemon's own input speaks; the status line is the first to say so."""
    until = time.monotonic() + ANSWER_S
    while not machine.show(SERVICE, "StatusText").startswith("1 sessions"):
        assert time.monotonic() < until, machine.journal("-u", SERVICE)
        time.sleep(POLL_S)
