"""The captions of all tracks of a meeting in one terminal: the tracks are its speakers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from amanuensis.daemon.console import make_printer

MAX_TRACKS = 8


class MeetingPrinter:
    """Shows the events of several sessions as if they were one.

    Args:
        out: where the words go.
        say: takes a line for a person.
        as_json: print each event as a line, with its track.
        word_times: print each word as a line, with its times from the start of its track.
        hint: what can be typed.

    """

    def __init__(self, out: TextIO, say: Callable[[str], None], *, as_json: bool, word_times: bool, hint: str) -> None:
        self._out = out
        self._as_json = as_json
        self._printer = make_printer(out, say, as_json=False, word_times=word_times, hint=hint)
        self._tracks: list[str] = []

    def show(self, track: str, event: Mapping[str, Any]) -> None:
        """Take the next event of a track."""
        if self._as_json:
            print(json.dumps({"track": track, **event}, ensure_ascii=False), file=self._out, flush=True)
            return
        if track not in self._tracks:
            self._tracks.append(track)
        self._printer.show(merged(track, self._tracks.index(track), event))

    def close(self) -> None:
        """Leave the output tidy."""
        self._printer.close()


def merged(track: str, number: int, event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event as one of a session in which each track speaks: its utterances are told from those of others."""
    changed = dict(event)
    if "utt" in changed:
        changed["utt"] = changed["utt"] * MAX_TRACKS + number
    if changed["type"] == "turn":
        changed["spk"] = _named(track, changed["spk"])
    if changed["type"] == "commit":
        changed["words"] = [word | {"spk": _named(track, word.get("spk"))} for word in changed["words"]]
    if changed["type"] == "speaker_revised":
        changed["words"] = [
            word | {"utt": word["utt"] * MAX_TRACKS + number, "spk": _named(track, word["spk"])}
            for word in changed["words"]
        ]
    return changed


def _named(track: str, spk: str | None) -> str:
    return track if spk is None else f"{track} {spk}"
