"""Playing a sound file through PortAudio's default output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import soundfile

from amanuensis.daemon.sources.base import SourceError
from amanuensis.daemon.sources.microphone import portaudio, quiet_stderr


def start_playing(path: Path) -> Callable[[], None]:
    """Play a file in the background; returns what stops it.

    Raises:
        SourceError: there is no output, or PortAudio is not installed.

    """
    sounddevice = portaudio()
    samples, rate = soundfile.read(path, dtype="float32")
    try:
        with quiet_stderr():
            sounddevice.play(samples, rate)
    except (sounddevice.PortAudioError, ValueError):
        raise SourceError("no loudspeaker found: the sound is not played") from None
    stop: Callable[[], None] = sounddevice.stop
    return stop
