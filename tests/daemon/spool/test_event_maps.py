"""Durable events as maps and back."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from amanuensis.daemon.spool.event_maps import DURABLE, EventMapError, event_map, read_event
from amanuensis.npu.window import DeviceWork
from amanuensis.stream.events import EngineUse, Event, Final
from tests.helpers.protocol_cases import SERVER

EXAMPLES = {event.type: (event, seq) for event, seq in SERVER.values() if seq is not None}


def test_there_is_an_example_of_every_durable_event() -> None:
    """No durable event of the protocol is forgotten."""
    assert set(EXAMPLES) == set(DURABLE)


@pytest.mark.parametrize("kind", DURABLE)
def test_events_come_back(kind: str) -> None:
    """An event that went through msgpack is told with the same bytes again."""
    event, seq = EXAMPLES[kind]
    content = event_map(event, seq)
    number, again = read_event(msgpack.unpackb(msgpack.packb(content)))
    assert (number, event_map(again, number)) == (seq, content)


def test_the_proof_of_a_device_comes_back() -> None:
    """What a device was given and did is kept with the final."""
    engine = EngineUse("npu", "cpu", "base.en", "", DeviceWork(3, 100, 20, 1.5, "measured"))
    event = Final(0, "pause", " hi", 0.0, 10.0, engine)
    assert read_event(event_map(event, 7)) == (7, event)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "type is None; it must be one of speech"),
        ({"type": "ready", "seq": 1}, "type is 'ready'"),
        ({"type": "speech", "seq": True, "on": True, "at": 1.0}, "speech.seq is True; it must be of type int"),
        ({"type": "speech", "seq": 1, "on": 1, "at": 1.0}, "speech.on is 1; it must be of type bool"),
        ({"type": "gap", "seq": 1, "from": 1.0, "to": float("inf"), "why": ""}, "gap.to is inf"),
        ({"type": "commit", "seq": 1, "utt": 0, "words": {}}, r"commit.words is \{\}; it must be a list"),
        ({"type": "commit", "seq": 1, "utt": 0, "words": [{"text": "x"}]}, r"commit.words\[0\].from is None"),
        ({"type": "marked", "seq": 1, "id": 1.5, "at": 1.0}, "marked.id is 1.5; it must be str or int"),
        ({"type": "final", "seq": 1, "utt": 0, "reason": "boredom"}, "final.reason is 'boredom'"),
        ({"type": "speaker_revised", "seq": 1, "words": [3]}, r"speaker_revised.words\[0\] is 3"),
        ({"type": "speaker_revised", "seq": 1, "words": 3}, "speaker_revised.words is 3"),
    ],
)
def test_wrong_maps_are_refused_by_name(content: dict[str, Any], message: str) -> None:
    """A map that is no durable event is refused with the field, its value and what it must be."""
    with pytest.raises(EventMapError, match=message):
        read_event(content)


def test_whole_numbers_count_as_times() -> None:
    """A media time without decimals is a number all the same."""
    _, event = read_event({"type": "speech", "seq": 1, "on": False, "at": 20})
    assert isinstance(event, Event)
    assert event_map(event, 1)["at"] == 20.0
