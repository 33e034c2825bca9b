"""A sound server of our own, so that a real microphone path can be tested on a machine without sound.

PulseAudio with a null sink: what is played into the sink comes out of its monitor, which ALSA's default device
(routed to PulseAudio by an ALSA configuration of our own) offers to PortAudio as a microphone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

TOOLS = ("pulseaudio", "pactl", "paplay")
SINK = "speaker"
HEADSET = "headset"
ALSA_CONFIG = """\
pcm.!default { type pulse }
ctl.!default { type pulse }
"""
HEADSET_CONFIG = "pcm.{HEADSET} {{ type pulse server unix:{socket} device {SINK}.monitor }}\n"
START_S = 20  # bound of the wait for the sound server's own answer


@dataclass(frozen=True)
class SoundServer:
    """A running PulseAudio daemon and the environment in which programs find it."""

    process: subprocess.Popen[bytes]
    env: dict[str, str]
    folder: Path

    def pactl(self, *words: str) -> str:
        """Run a command of the sound server's control program."""
        return subprocess.run(
            ["pactl", *words], env=self.env, check=True, capture_output=True, text=True, timeout=START_S
        ).stdout

    def play(self, path: Path, sink: str = SINK, client: str = "paplay") -> subprocess.Popen[bytes]:
        """Start to play a sound file into a sink, in real time, as an application of that name."""
        return subprocess.Popen(["paplay", f"--device={sink}", f"--client-name={client}", str(path)], env=self.env)

    def add_output(self, name: str) -> None:
        """Plug a second sound card in."""
        self.pactl("load-module", "module-null-sink", f"sink_name={name}", "rate=16000")

    @contextmanager
    def replugged(self) -> Iterator[None]:
        """Plug the sound card in again that was pulled out."""
        self.pactl("load-module", "module-null-sink", f"sink_name={SINK}", "rate=48000")
        yield

    def unplug(self) -> None:
        """Pull the sound card out."""
        self.pactl("unload-module", "module-null-sink")

    def add_headset(self, server: SoundServer) -> None:
        """Have ALSA offer what another sound server plays as a second microphone, for as long as that runs."""
        line = HEADSET_CONFIG.format(HEADSET=HEADSET, SINK=SINK, socket=server.folder / "runtime" / "native")
        (self.folder / "asound.conf").write_text(ALSA_CONFIG + line)

    def kill(self) -> None:
        """End the sound server as a crash would."""
        self.process.kill()
        self.process.wait()

    @contextmanager
    def again(self) -> Iterator[None]:
        """Run another sound server in the place of one that was killed."""
        log = self.folder / "again.log"
        with log.open("wb") as file:
            process = subprocess.Popen(pulseaudio_command(self.folder), env=self.env, stdout=file, stderr=file)
        try:
            wait_until_up(process, self.env, log)
            self.pactl("load-module", "module-null-sink", f"sink_name={SINK}", "rate=48000")
            yield
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def sound_server(tmp_path: Path) -> Iterator[SoundServer]:
    """PulseAudio with a null sink."""
    with running_server(tmp_path) as server:
        yield server


@contextmanager
def running_server(folder: Path) -> Iterator[SoundServer]:
    """Start PulseAudio with a null sink in a folder of its own."""
    for tool in TOOLS:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed: no microphone to test with")
    folder.mkdir(exist_ok=True)
    env = sound_env(folder)
    with (folder / "pulseaudio.log").open("wb") as log:
        process = subprocess.Popen(pulseaudio_command(folder), env=env, stdout=log, stderr=log)
    try:
        wait_until_up(process, env, folder / "pulseaudio.log")
        server = SoundServer(process, env, folder)
        server.pactl("load-module", "module-null-sink", f"sink_name={SINK}", "rate=48000")
        yield server
    finally:
        process.kill()
        process.wait()


def sound_env(folder: Path) -> dict[str, str]:
    """Return the environment in which ALSA's default device is the monitor of the null sink."""
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    config = folder / "asound.conf"
    config.write_text(ALSA_CONFIG)
    return os.environ | {
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(runtime),
        "PULSE_RUNTIME_PATH": str(runtime),
        "PULSE_SERVER": f"unix:{runtime}/native",
        "PULSE_SOURCE": f"{SINK}.monitor",
        "ALSA_CONFIG_PATH": str(config),
    }


def pulseaudio_command(folder: Path) -> list[str]:
    """Return the command of a PulseAudio that loads nothing but what is said here, and stays."""
    protocol = f"module-native-protocol-unix auth-anonymous=1 socket={folder}/runtime/native"
    return ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "-L", protocol]


def wait_until_up(process: subprocess.Popen[bytes], env: dict[str, str], log: Path) -> None:
    """Wait until the sound server answers; each try waits for an answer by itself."""
    for _ in range(START_S * 10):
        asked = subprocess.run(["pactl", "info"], check=False, env=env, capture_output=True, timeout=START_S)
        if asked.returncode == 0:
            return
        try:
            process.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            continue
        break
    pytest.skip(f"PulseAudio does not start here: {log.read_text(errors='replace')[-300:]}")
