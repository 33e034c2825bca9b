"""The events of the native protocol, one dataclass each (docs/protocol.md).

Durable events carry `seq` on the wire, the same for every client of a session; the others belong to one connection.
Media times are milliseconds from the start of the session, in source time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from amanuensis.npu.window import DeviceWork

Ms = float
FinalReason = Literal["pause", "length", "flush", "end"]


@dataclass(frozen=True, slots=True)
class Word:
    """A word as it is shown; `text` keeps its own leading space."""

    text: str
    start_ms: Ms
    end_ms: Ms
    conf: float  # probability in [0, 1]
    spk: str | None = None


@dataclass(frozen=True, slots=True)
class EngineUse:
    """Where the text was really computed.

    Attributes:
        encoder, decoder: device of each.
        model: its name.
        why: why these devices.
        work: what a device other than the CPU did for it; None when there was none.

    """

    encoder: str
    decoder: str
    model: str
    why: str = ""
    work: DeviceWork | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""

    type: ClassVar[str] = ""
    durable: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Speech(Event):
    """Speech began (on) or ended (off)."""

    type: ClassVar[str] = "speech"
    durable: ClassVar[bool] = True
    on: bool
    at_ms: Ms


@dataclass(frozen=True, slots=True)
class Partial(Event):
    """What is heard but not committed; replaces the earlier partial of the utterance."""

    type: ClassVar[str] = "partial"
    utt: int
    rev: int
    text: str
    start_ms: Ms
    end_ms: Ms


@dataclass(frozen=True, slots=True)
class Commit(Event):
    """Words that will not change; each word is committed exactly once."""

    type: ClassVar[str] = "commit"
    durable: ClassVar[bool] = True
    utt: int
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Turn(Event):
    """A speaker's turn begins."""

    type: ClassVar[str] = "turn"
    durable: ClassVar[bool] = True
    utt: int
    spk: str
    at_ms: Ms
    provisional: bool


@dataclass(frozen=True, slots=True)
class SpeakerRevised(Event):
    """Committed words get another speaker: (utt, index in the utterance, speaker)."""

    type: ClassVar[str] = "speaker_revised"
    durable: ClassVar[bool] = True
    words: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True, slots=True)
class Final(Event):
    """An utterance is over; `text` is the concatenation of its committed words."""

    type: ClassVar[str] = "final"
    durable: ClassVar[bool] = True
    utt: int
    reason: FinalReason
    text: str
    start_ms: Ms
    end_ms: Ms
    engine: EngineUse


@dataclass(frozen=True, slots=True)
class Marked(Event):
    """Everything before the mark is final."""

    type: ClassVar[str] = "marked"
    durable: ClassVar[bool] = True
    id: str | int
    at_ms: Ms


@dataclass(frozen=True, slots=True)
class Noted(Event):
    """What somebody wants to remember of this moment; without text it is a mark."""

    type: ClassVar[str] = "noted"
    durable: ClassVar[bool] = True
    id: str | int
    at_ms: Ms
    text: str


@dataclass(frozen=True, slots=True)
class Gap(Event):
    """Audio that was not transcribed."""

    type: ClassVar[str] = "gap"
    durable: ClassVar[bool] = True
    start_ms: Ms
    end_ms: Ms
    why: str


@dataclass(frozen=True, slots=True)
class Warning(Event):  # noqa: A001 - the name on the wire
    """Something is wrong but the session goes on."""

    type: ClassVar[str] = "warning"
    durable: ClassVar[bool] = True
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Ready(Event):
    """The session is open."""

    type: ClassVar[str] = "ready"
    session: str
    resume_token: str
    proto: str
    limits: dict[str, int | float]
    next: int  # first audio chunk wanted
    engine: EngineUse
    controls: int | None = None  # text frames that were taken after the chunk before it; only for who comes back


@dataclass(frozen=True, slots=True)
class Stats(Event):
    """Once a second: how far behind the captions are."""

    type: ClassVar[str] = "stats"
    lag_ms: Ms  # newest audio received minus newest audio decoded
    queue_ms: Ms
    tick_ms: Ms
    tick_every_ms: Ms  # new audio that makes a tick due; more than is set while the engine is slower
    rtf: float
    engine: EngineUse


@dataclass(frozen=True, slots=True)
class Ack(Event):
    """Audio chunks up to `n` are kept by the server."""

    type: ClassVar[str] = "ack"
    n: int


@dataclass(frozen=True, slots=True)
class Pong(Event):
    """Answer to `ping`."""

    type: ClassVar[str] = "pong"
    id: str | int | None = None


@dataclass(frozen=True, slots=True)
class Error(Event):
    """Something was refused."""

    type: ClassVar[str] = "error"
    code: str
    message: str
    fatal: bool = False
    retry_after: float | None = None  # seconds


@dataclass(frozen=True, slots=True)
class Bye(Event):
    """The session is over for this connection."""

    type: ClassVar[str] = "bye"
    reason: str
    resume_until: float | None = None  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Snapshot(Event):
    """The committed words so far, for a client that comes late.

    `places` says which they are, in their order: (utt, index of the first in the utterance, how many in a row).
    """

    type: ClassVar[str] = "snapshot"
    seq: int
    text: str
    words: tuple[Word, ...] = field(default=())
    first: int = 0  # words that were committed before these
    places: tuple[tuple[int, int, int], ...] = ()
