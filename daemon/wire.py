"""The server's half of the native protocol `amanuensis.v1`: events to text or binary frames (docs/protocol.md)."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any, Final

import msgpack

from amanuensis.daemon.protocol import DEFAULT_WANTED, EventEncoding
from amanuensis.stream.events import Commit, Event, Ready, Snapshot, SpeakerRevised, Word

WIRE_NAMES: Final = {"start_ms": "from", "end_ms": "to", "at_ms": "at"}  # `from` cannot be a name in Python
DECIMALS: Final = 3  # of all numbers: microseconds of media time, thousandths of a probability


def wire_map(event: Event, seq: int | None = None, want: frozenset[str] = DEFAULT_WANTED) -> dict[str, Any]:
    """Return an event as the map that is sent.

    Args:
        event: one of stream/events.py.
        seq: its number, for durable events only.
        want: what the client asked for; without `words`, a word is its text and speaker only; without `proof`, it is
            not told what a device was given to do.

    """
    if event.durable != (seq is not None):
        raise ValueError(f"{event.type}: a durable event has a seq, another has none")
    content = {WIRE_NAMES.get(f.name, f.name): _value(getattr(event, f.name)) for f in fields(event)}
    if isinstance(event, Ready) and not event.resume_token:
        del content["resume_token"]  # only the speaker may come back as the speaker
    if isinstance(event, SpeakerRevised):
        content["words"] = [{"utt": utt, "i": index, "spk": spk} for utt, index, spk in event.words]
    if isinstance(event, Snapshot):
        content["places"] = [{"utt": utt, "i": index, "n": n} for utt, index, n in event.places]
    if isinstance(event, Commit | Snapshot) and "words" not in want:
        content["words"] = [_without_detail(word) for word in event.words]
    if "proof" not in want and "engine" in content:
        content["engine"].pop("work", None)
    numbered = {} if seq is None else {"seq": seq}
    return {"type": event.type} | numbered | {name: value for name, value in content.items() if value is not None}


def encode_event(
    event: Event, seq: int | None, encoding: EventEncoding, want: frozenset[str] = DEFAULT_WANTED
) -> str | bytes:
    """Return an event as a text frame (JSON) or a binary frame (msgpack)."""
    content = wire_map(event, seq, want)
    if encoding == "msgpack":
        packed: bytes = msgpack.packb(content)
        return packed
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _value(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DECIMALS)
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        content = {WIRE_NAMES.get(f.name, f.name): _value(getattr(value, f.name)) for f in fields(value)}
        return {name: item for name, item in content.items() if item is not None}
    return value


def _without_detail(word: Word) -> dict[str, Any]:
    return {"text": word.text} if word.spk is None else {"text": word.text, "spk": word.spk}
