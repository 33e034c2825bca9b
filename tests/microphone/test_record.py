"""A meeting on a real sound server: the microphone and what the machine plays are never mixed up."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from amanuensis.stream.wer import wer
from tests.helpers.programs import Process, amanuensis, line_with, over, running
from tests.microphone.conftest import SINK, SoundServer
from tests.microphone.test_listen import MAX_WER, plain

CLIPS = {"me": "narrow_seen_010.flac", "them": "narrow_seen_012.flac"}
ROOM = "room"  # what is played into it is what the microphone hears


@pytest.mark.long
async def test_both_sides_of_a_call_are_tracks_of_their_own(
    sound_server: SoundServer, repository: Path, tmp_path: Path
) -> None:
    """Two sentences are said at the same time, one here and one at the other end; each is in its track, whole."""
    sound_server.add_output(ROOM)
    sound_server.pactl("set-default-sink", SINK)
    folder = repository / "tests" / "data" / "synthetic"
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    texts = {row["path"]: row["text"] for row in rows}
    places = {"XDG_DATA_HOME": str(tmp_path / "data"), "XDG_STATE_HOME": str(tmp_path / "state")}
    env = sound_server.env | places | {"PULSE_SOURCE": f"{ROOM}.monitor"}
    async with running("record", "--here", "--json", **env) as process:
        await tracks_with(process, "stats")
        players = [sound_server.play(folder / CLIPS["me"], ROOM), sound_server.play(folder / CLIPS["them"])]
        assert [player.wait() for player in players] == [0, 0]
        await tracks_with(process, "final")
        process.send_signal(signal.SIGINT)
        status, _, err = await over(process)
    assert status == 0, err
    shown = json.loads(amanuensis("meetings", "show", "latest", "--json", env=env).stdout)
    said = {name: " ".join(one["text"] for one in shown["utterances"] if one["track"] == name) for name in CLIPS}
    for name, other in (("me", "them"), ("them", "me")):
        assert wer(plain(texts[CLIPS[name]]), plain(said[name])) <= MAX_WER, said
        assert wer(plain(texts[CLIPS[other]]), plain(said[name])) > 1 - MAX_WER, said


async def tracks_with(process: Process, kind: str) -> None:
    """Wait until both tracks have had an event of a kind."""
    waiting = set(CLIPS)
    while waiting:
        event = json.loads(await line_with(process.stdout, f'"type": "{kind}"'))
        waiting -= {event["track"]}
