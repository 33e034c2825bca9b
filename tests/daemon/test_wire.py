"""Events as frames."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, fields
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.daemon.protocol import DEFAULT_WANTED
from amanuensis.daemon.wire import WIRE_NAMES, encode_event, wire_map
from amanuensis.npu.window import DeviceWork
from amanuensis.stream import events as ev
from tests.helpers.protocol_cases import FOLDER, SERVER, WORDS

EVENT_TYPES = [cls for cls in vars(ev).values() if isinstance(cls, type) and issubclass(cls, ev.Event) and cls.type]


@pytest.mark.parametrize("name", SERVER)
def test_golden_events(name: str) -> None:
    """Every event is encoded exactly as its golden files have it."""
    event, seq = SERVER[name]
    text = encode_event(event, seq, "json")
    assert f"{text}\n" == (FOLDER / "server" / f"{name}.json").read_text(encoding="utf-8")
    assert encode_event(event, seq, "msgpack") == (FOLDER / "server" / f"{name}.msgpack").read_bytes()


def test_every_event_has_a_golden_file() -> None:
    """No event of the protocol is without fixture, and no fixture without event."""
    assert {type(event) for event, _ in SERVER.values()} == set(EVENT_TYPES)
    names = {path.stem for path in (FOLDER / "server").iterdir()}
    assert names == set(SERVER)


@pytest.mark.parametrize("name", SERVER)
def test_both_encodings_say_the_same(name: str) -> None:
    """JSON and msgpack carry the same map, without nulls and with the type first."""
    event, seq = SERVER[name]
    content = wire_map(event, seq)
    assert json.loads(encode_event(event, seq, "json")) == content
    assert msgpack.unpackb(encode_event(event, seq, "msgpack")) == content
    assert next(iter(content)) == "type"
    assert None not in content.values()


def test_seq_is_for_durable_events_only() -> None:
    """A number on an event that has none, or none on one that has, is a fault."""
    with pytest.raises(ValueError, match="durable"):
        wire_map(ev.Ack(1), 3)
    with pytest.raises(ValueError, match="durable"):
        wire_map(ev.Speech(True, 0.0))


def test_words_without_detail_keep_text_and_speaker() -> None:
    """A client that does not want `words` still gets every word."""
    content = wire_map(ev.Commit(0, WORDS), 1, frozenset({"partial"}))
    assert content["words"] == [{"text": " guten"}, {"text": " Tag — “été”", "spk": "B"}]


def test_proof_is_told_to_those_who_want_it() -> None:
    """What a device was given to do comes with the engine where it is wanted, and only where there was a device."""
    work = DeviceWork(40, 65536, 4096, 1234.5678, "modelled")
    final = ev.Final(0, "pause", " a", 0.0, 1.0, ev.EngineUse("sim", "sim", "m", "as configured", work))
    proven = wire_map(final, 1, DEFAULT_WANTED | {"proof"})["engine"]
    assert proven["work"] == asdict(work) | {"device_us": 1234.568}
    assert "work" not in wire_map(final, 1)["engine"]
    assert "work" not in wire_map(SERVER["final"][0], 1, DEFAULT_WANTED | {"proof"})["engine"]


def test_watchers_get_no_resume_token() -> None:
    """The secret of the speaker is left out where it is empty."""
    assert "resume_token" not in wire_map(SERVER["ready_watch"][0])


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=0, max_value=1e12))
def test_times_are_rounded_and_finite(at_ms: float) -> None:
    """Times survive to a thousandth of a millisecond."""
    content = json.loads(encode_event(ev.Speech(True, at_ms), 1, "json"))
    assert math.isclose(content["at"], at_ms, abs_tol=6e-4, rel_tol=1e-12)


def test_documentation_names_every_field(repository: Path) -> None:
    """The specification has a row for each event, with all of its fields."""
    rows = (repository / "docs" / "protocol.md").read_text(encoding="utf-8").splitlines()
    for cls in EVENT_TYPES:
        row = next(row for row in rows if row.startswith(f"| `{cls.type}` |"))
        assert ("`seq`" in row) == (cls.durable or cls is ev.Snapshot)
        for name in (WIRE_NAMES.get(f.name, f.name) for f in fields(cls)):
            assert f"`{name}`" in row or f"`{name}?`" in row, f"{cls.type}.{name} is not in docs/protocol.md"
