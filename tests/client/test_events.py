"""The types of the events agree with what the server sends."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest

from amanuensis.client import events
from amanuensis.daemon.wire import wire_map
from amanuensis.stream.events import Event
from tests.helpers.protocol_cases import SERVER

MEMBERS: dict[str, Any] = {get_args(get_type_hints(member)["type"])[0]: member for member in get_args(events.Event)}


def test_every_event_has_a_type_and_no_other_has() -> None:
    """The union has one member for each event of the protocol."""
    assert set(MEMBERS) == {kind.type for kind in Event.__subclasses__()}


@pytest.mark.parametrize("case", SERVER)
def test_fields_are_those_on_the_wire(case: str) -> None:
    """What is always there is required, what may be missing is known, nothing else comes; words likewise."""
    sent = wire_map(*SERVER[case])
    check(sent, MEMBERS[sent["type"]])
    if sent["type"] in ("commit", "snapshot"):
        for word in sent["words"]:
            check(word, events.Word)
    if "engine" in sent:
        check(sent["engine"], events.EngineUse)


def check(sent: dict[str, Any], kind: Any) -> None:
    """Compare a map with a typed one."""
    assert kind.__required_keys__ <= set(sent) <= kind.__required_keys__ | kind.__optional_keys__
