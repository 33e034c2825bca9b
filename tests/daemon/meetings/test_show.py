"""The captions of all tracks in one terminal."""

from __future__ import annotations

import io
import json

from amanuensis.daemon.meetings.show import MeetingPrinter

COMMIT = {"type": "commit", "utt": 0, "words": [{"text": " one", "from": 100, "to": 400}]}


def shown(*, as_json: bool, word_times: bool) -> str:
    """Return what is printed of a word in each of two tracks."""
    out, said = io.StringIO(), list[str]()
    printer = MeetingPrinter(out, said.append, as_json=as_json, word_times=word_times, hint="")
    for track in ("me", "them"):
        printer.show(track, COMMIT)
        printer.show(track, {"type": "final", "utt": 0, "text": " one"})
    printer.close()
    assert not said
    return out.getvalue()


def test_tracks_are_speakers() -> None:
    """A line names its track where another spoke before."""
    assert shown(as_json=False, word_times=False) == "me: one\nthem: one\n"


def test_words_of_tracks_have_their_times() -> None:
    """With word times each word is a line."""
    assert shown(as_json=False, word_times=True) == "0.100\t0.400\tme: one\n0.100\t0.400\tthem: one\n"


def test_programs_are_told_the_track() -> None:
    """As JSON each event is as it came, with its track."""
    lines = [json.loads(line) for line in shown(as_json=True, word_times=True).splitlines()]
    assert [line["track"] for line in lines] == ["me", "me", "them", "them"]
    assert lines[0] == {"track": "me", **COMMIT}
