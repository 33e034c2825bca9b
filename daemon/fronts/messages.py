"""What fronts and the store that they share tell each other. Plain and immutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

EventMap: TypeAlias = Mapping[str, Any]  # as `event_maps.event_map` makes it; without `seq` it is not durable
Then: TypeAlias = Literal["", "release", "forget"]
AnswerKind: TypeAlias = Literal["kept", "fenced", "wait", "behind", "full"]
ClaimKind: TypeAlias = Literal["granted", "held", "unknown", "wait"]


@dataclass(frozen=True, slots=True)
class Patch:
    """A change of one file: it is cut to `offset` bytes and `data` follows; without `data` the file is gone."""

    name: str
    offset: int = 0
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """What a front has kept of a session since its last write.

    Attributes:
        session: its name.
        epoch: under which the front has it.
        number: counts up within an epoch; a write that comes late or again changes nothing.
        patches: of the files of the session's folder, all of one moment.
        sizes: bytes of these files then, those that did not change included.
        said: events for those who follow elsewhere, in order.
        is_first: the session was just opened: nobody else can know it.
        opened_s: when, in seconds since the epoch.
        ended: why the session is over; empty while it goes on.
        then: what becomes of it afterwards: the front lets another have it, or it is forgotten.

    """

    session: str
    epoch: int
    number: int
    patches: tuple[Patch, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    said: tuple[EventMap, ...] = ()
    is_first: bool = False
    opened_s: float = 0.0
    ended: str = ""
    then: Then = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a write.

    Attributes:
        kind: kept; fenced: another front has the session; wait: not taken, nobody may be told yet; behind: not taken,
            the store has less than the front thought: all is to be sent; full: not taken, there is no room.
        followed: somebody follows the session at another front.

    """

    kind: AnswerKind
    followed: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """What became of the wish to have a session.

    Attributes:
        kind: granted; held: another front that lives has it; unknown: there is none; wait: it is not known yet.
        epoch: under which it was granted.
        owner: who holds it.

    """

    kind: ClaimKind
    epoch: int = 0
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Copy:
    """The files of a session, and where its news stand at the same moment.

    Attributes:
        files: by name.
        cursor: number of the newest event.
        era: of these numbers: another store counts anew.
        ended: why the session is over; empty while it goes on.
        engine: of the front that has it: `encoder`, `decoder`, `model` and `why`.
        is_awaited: the store does not know yet; ask again.

    """

    files: Mapping[str, bytes]
    cursor: int
    era: str
    ended: str = ""
    engine: Mapping[str, str] = field(default_factory=dict)
    is_awaited: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """What a session has said since.

    Attributes:
        said: events, in order.
        cursor: where to go on.
        is_lost: some are not there any more: copy the session anew.
        is_gone: the session was forgotten.
        ended: why it is over; empty while it goes on.

    """

    said: tuple[EventMap, ...] = ()
    cursor: int = 0
    is_lost: bool = False
    is_gone: bool = False
    ended: str = ""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a front is asked for.

    Attributes:
        wanted: sessions of its own that another front asks for.
        orphans: sessions without a front.
        era: of the store; another one may not know what the last one knew.
        tokens: changes when the tokens of the fronts do.

    """

    wanted: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()
    era: str = ""
    tokens: str = ""


@dataclass(frozen=True, slots=True)
class Times:
    """How long is waited, in seconds.

    Attributes:
        lease_s: a front that gives no sign for so long is taken for dead: others may have its sessions.
        settle_s: a store that knows less than a front waits so long for other fronts that may know more.
        fill_s: a store that began without knowing anything calls no session unknown for so long.
        adopt_s: a session without a front waits so long for its speaker; then any front goes on with it.
        handover_s: a front that lives has so long to hand a session over; then it is taken from it.
        lost_s: after so long without the store a front sends its clients to the others.
        call_s: a call of the store that takes longer is tried again.

    """

    lease_s: float = 3.0
    settle_s: float = 6.0
    fill_s: float = 30.0
    adopt_s: float = 5.0
    handover_s: float = 3.0
    lost_s: float = 8.0
    call_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a front is told when it comes.

    Attributes:
        born_s: when the store began to know anything, in seconds since the epoch.
        version: of the program that the store runs.

    """

    born_s: float
    version: str


USUAL: Final = Times()
