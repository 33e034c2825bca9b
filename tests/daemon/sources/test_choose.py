"""What stands after --input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from amanuensis.daemon.sources.base import SourceError
from amanuensis.daemon.sources.choose import DEFAULT_RAW, InputRequest, open_source
from amanuensis.daemon.sources.file import FileSource
from amanuensis.daemon.sources.socket import SocketSource
from amanuensis.stream.formats import AudioFormat


def silent(line: str) -> None:
    """Nobody to tell."""


async def test_a_file_is_opened_and_closed(tmp_path: Path) -> None:
    """file:PATH opens the file at the speed that is asked for."""
    soundfile.write(tmp_path / "a.wav", np.zeros(100), 16_000)
    async with open_source(InputRequest(f"file:{tmp_path}/a.wav", speed=3.0), silent) as source:
        assert isinstance(source, FileSource)
        assert source.speed == 3.0


@pytest.mark.parametrize("raw", [None, AudioFormat("f32le", 48_000, 2)])
async def test_a_socket_listens_for_the_format_that_is_named(raw: AudioFormat | None) -> None:
    """tcp:HOST:PORT takes raw sound, by default 16 kHz mono of 16 bits."""
    async with open_source(InputRequest("tcp:127.0.0.1:0", raw), silent) as source:
        assert isinstance(source, SocketSource)
        assert source.format == (raw or DEFAULT_RAW)


async def test_a_microphone_takes_no_format() -> None:
    """--raw with a microphone is a mistake."""
    with pytest.raises(SourceError, match="--raw is for files"):
        async with open_source(InputRequest(None, DEFAULT_RAW), silent):
            pass


async def test_an_application_needs_a_name() -> None:
    """app: alone is a mistake."""
    with pytest.raises(SourceError, match=r"'app: ' names no application: write app:NAME"):
        async with open_source(InputRequest("app: "), silent):
            pass


@pytest.mark.parametrize("spec", ["system", "app:firefox"])
async def test_without_a_sound_server_it_is_said_so(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine plays cannot be heard without a server; the line names it, or the programs to install."""
    monkeypatch.setenv("PULSE_SERVER", "unix:/no/such/socket")
    with pytest.raises(SourceError, match=r"is PipeWire or PulseAudio running\?|apt install pulseaudio-utils"):
        async with open_source(InputRequest(spec), silent):
            pass


async def test_the_name_of_a_file_gets_a_hint(tmp_path: Path) -> None:
    """Somebody who gives a file's name instead of a microphone's is told how to say it."""
    (tmp_path / "talk.wav").write_bytes(b"RIFF")
    with pytest.raises(SourceError, match=f"--input file:{tmp_path}/talk.wav"):
        async with open_source(InputRequest(f"{tmp_path}/talk.wav"), silent):
            pass
