"""What the programs of a sound server say about who plays; tests/microphone asks a real one."""

from __future__ import annotations

import json

import pytest

from amanuensis.daemon.sources.base import SourceError
from amanuensis.daemon.sources.sound_server import (
    Playing,
    ask,
    choose_playing,
    parse_default_sink,
    parse_pipewire,
    parse_sink_inputs,
)

LISTING = """\
Sink Input #7
\tDriver: protocol-native.c
\tCorked: no
\tProperties:
\t\tmedia.name = "Song"
\t\tapplication.name = "Firefox"
\t\tapplication.process.binary = "firefox-bin"

Sink Input #12
\tDriver: protocol-native.c
\tCorked: yes
\tProperties:
\t\tmedia.name = "Playback"
\t\tapplication.name = "Music Player"
"""


def test_streams_are_read_from_pactl() -> None:
    """Index, names and whether it is paused."""
    assert parse_sink_inputs(LISTING) == [
        Playing("7", ("Firefox", "firefox-bin", "Song"), corked=False),
        Playing("12", ("Music Player", "Playback"), corked=True),
    ]
    assert parse_sink_inputs("") == []
    quoted = 'Sink Input #3\n\t\tapplication.name = "the \\"best\\" C:\\\\ player"\n'
    assert parse_sink_inputs(quoted) == [Playing("3", ('the "best" C:\\ player',))]


def test_streams_are_read_from_pipewire() -> None:
    """Only the streams that play sound count; what is no list of objects gets one line."""
    props = {"media.class": "Stream/Output/Audio", "object.serial": 41, "application.name": "mpv"}
    nodes = [
        {"type": "PipeWire:Interface:Node", "info": {"state": "running", "props": props}},
        {"type": "PipeWire:Interface:Node", "info": {"state": "idle", "props": {"media.class": "Audio/Sink"}}},
        {"type": "PipeWire:Interface:Client", "info": {"props": {}}},
    ]
    assert parse_pipewire(json.dumps(nodes)) == [Playing("41", ("mpv",))]
    with pytest.raises(SourceError, match="pw-dump"):
        parse_pipewire("no json")


@pytest.mark.parametrize(
    ("info", "sink"),
    [
        ("Server Name: x\nDefault Sink: speaker\n", "speaker"),
        ("Default Sink: @DEFAULT_SINK@\n", None),
        ("Default Sink: (null)\n", None),
        ("", None),
    ],
)
def test_the_default_output_is_read(info: str, sink: str | None) -> None:
    """A server may have none yet."""
    assert parse_default_sink(info) == sink


@pytest.mark.parametrize(
    ("wanted", "target"), [("firefox", "7"), ("FOX", "7"), ("player", "12"), ("mpv", "9"), ("chromium", None)]
)
def test_an_application_is_meant_by_name_or_part_of_it(wanted: str, target: str | None) -> None:
    """The exact name first, then a part of any of its names; what plays before what is paused; the newest."""
    streams = [
        *parse_sink_inputs(LISTING),
        Playing("8", ("mpv",)),
        Playing("9", ("mpv",)),
        Playing("10", ("mpv",), corked=True),
    ]
    chosen = choose_playing(wanted, streams)
    assert (chosen and chosen.target) == target


async def test_a_program_that_fails_or_is_missing_is_told_in_one_line() -> None:
    """The program is named, with what it said."""
    with pytest.raises(SourceError, match=r"ls: .*no-such-folder.*is PipeWire or PulseAudio running"):
        await ask("ls", "/no-such-folder")
    with pytest.raises(SourceError, match="no-such-program cannot be started"):
        await ask("no-such-program")
