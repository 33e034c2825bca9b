"""How recorders are called; tests/microphone runs them."""

from __future__ import annotations

import pytest

from amanuensis.daemon.sources.base import SourceError
from amanuensis.daemon.sources.system_sound import Recorder


def test_the_command_names_what_is_recorded() -> None:
    """A sink's monitor or one stream, as bare samples, by either family of programs."""
    pulse, pipewire = Recorder(with_pactl=True), Recorder(with_pactl=False, raw=("--raw",))
    assert "--device=speaker.monitor" in pulse.system("speaker")
    assert "--monitor-stream=7" in pulse.application("7")
    assert {"--raw", "{ stream.capture.sink=true }"} < set(pipewire.system(None))
    assert pipewire.application("7")[-3:] == ["--target", "7", "-"]


async def test_a_machine_without_recorders_is_told_what_to_install() -> None:
    """Neither family of programs is there."""
    with pytest.raises(SourceError, match="pulseaudio-utils"):
        await Recorder.find(lambda program: None)
