"""Playing a file; tests/microphone plays one for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.daemon.loudspeaker import start_playing
from amanuensis.daemon.sources.base import SourceError
from amanuensis.daemon.sources.microphone import portaudio


def test_a_machine_without_a_loudspeaker_is_told_so(repository: Path) -> None:
    """Where PortAudio sees no output there is one clear line."""
    if any(row["max_output_channels"] for row in portaudio().query_devices()):
        pytest.skip("this machine has a loudspeaker")
    with pytest.raises(SourceError, match="no loudspeaker found"):
        start_playing(repository / "tests" / "data" / "synthetic" / "narrow_seen_003.flac")
