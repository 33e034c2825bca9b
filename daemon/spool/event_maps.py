"""Durable events as maps and back: the maps of the protocol (docs/protocol.md), so that a log can be read without us.

Pure. Numbers have the three decimals of the wire: what is told again after a restart equals what was told before.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from amanuensis.daemon.fields import show
from amanuensis.daemon.protocol import DEFAULT_WANTED
from amanuensis.daemon.wire import WIRE_NAMES, wire_map
from amanuensis.stream.events import (
    Commit,
    Event,
    Gap,
    Marked,
    Noted,
    SpeakerRevised,
    Speech,
    Turn,
    Warning,  # noqa: A004 - the name on the wire
)
from amanuensis.stream.events import (
    Final as FinalEvent,
)

EVERYTHING: Final = DEFAULT_WANTED | {"proof"}
DURABLE: Final[dict[str, type[Event]]] = {
    kind.type: kind for kind in (Speech, Commit, Turn, SpeakerRevised, FinalEvent, Marked, Noted, Gap, Warning)
}
Built = TypeVar("Built")


class EventMapError(ValueError):
    """A map is not a durable event; the message names the field."""


def event_map(event: Event, seq: int) -> dict[str, Any]:
    """Return a durable event as its map, with all detail."""
    return wire_map(event, seq, EVERYTHING)


def read_event(content: Mapping[str, Any]) -> tuple[int, Event]:
    """Return the number and the event of a map.

    Raises:
        EventMapError: it is none.

    """
    kind = content.get("type")
    event_type = DURABLE.get(kind) if isinstance(kind, str) else None
    if event_type is None:
        raise EventMapError(f"event: type is {show(kind)}; it must be one of {', '.join(DURABLE)}")
    seq = _scalar(int, content.get("seq"), f"{kind}.seq")
    if event_type is SpeakerRevised:
        return seq, SpeakerRevised(_revised(content.get("words")))
    return seq, build(event_type, content, str(kind))


def build(kind: type[Built], content: object, where: str) -> Built:
    """Make a dataclass, and those in it, of a map with the names of the wire; what has a default may be left out.

    Raises:
        EventMapError: a field is missing or of another type.

    """
    if not isinstance(content, Mapping):
        raise EventMapError(f"{where} is {show(content)}; it must be a map")
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for f in fields(kind):  # type: ignore[arg-type]  # Built is always a dataclass here
        name = WIRE_NAMES.get(f.name, f.name)
        if name in content or (f.default is MISSING and f.default_factory is MISSING):
            values[f.name] = _value(hints[f.name], content.get(name), f"{where}.{name}")
    return kind(**values)


def _value(hint: Any, value: object, where: str) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if is_dataclass(hint) and isinstance(hint, type):
        return build(hint, value, where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise EventMapError(f"{where} is {show(value)}; it must be a list")
        return tuple(_value(args[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is Literal:
        if value not in args:
            raise EventMapError(f"{where} is {show(value)}; it must be one of {', '.join(map(str, args))}")
        return value
    if origin in (Union, types.UnionType):
        return _any_of(args, value, where)
    return _scalar(hint, value, where)


def _any_of(hints: tuple[Any, ...], value: object, where: str) -> Any:
    if value is None and type(None) in hints:
        return None
    kinds = [hint for hint in hints if hint is not type(None)]
    if len(kinds) == 1:
        return _value(kinds[0], value, where)
    if any(_fits(kind, value) for kind in kinds):
        return value
    raise EventMapError(f"{where} is {show(value)}; it must be {' or '.join(kind.__name__ for kind in kinds)}")


def _fits(kind: type, value: object) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, kind) and isinstance(value, bool) == (kind is bool)


def _scalar(kind: type[Built], value: object, where: str) -> Built:
    if not _fits(kind, value):
        raise EventMapError(f"{where} is {show(value)}; it must be of type {kind.__name__}")
    return kind(value)  # type: ignore[call-arg]  # a scalar of its own type, or a whole number as a float


def _revised(words: object) -> tuple[tuple[int, int, str], ...]:
    if not isinstance(words, list):
        raise EventMapError(f"speaker_revised.words is {show(words)}; it must be a list")
    revised = []
    for index, word in enumerate(words):
        where = f"speaker_revised.words[{index}]"
        if not isinstance(word, Mapping):
            raise EventMapError(f"{where} is {show(word)}; it must be a map")
        utt, i = (_scalar(int, word.get(name), f"{where}.{name}") for name in ("utt", "i"))
        revised.append((utt, i, _scalar(str, word.get("spk"), f"{where}.spk")))
    return tuple(revised)
