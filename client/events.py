"""The types of the events that a client gets: maps as on the wire (docs/protocol.md).

They are one union told apart by `type`: after `if event["type"] == "final":` a type checker knows the fields.
"""

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

# `from` cannot be a name in Python: maps that have it are written as calls.
Word = TypedDict(
    "Word",
    {
        "text": str,
        "from": NotRequired[float],
        "to": NotRequired[float],
        "conf": NotRequired[float],
        "spk": NotRequired[str],
    },
)
Partial = TypedDict(
    "Partial", {"type": Literal["partial"], "utt": int, "rev": int, "text": str, "from": float, "to": float}
)


class EngineUse(TypedDict):
    """Where the text was really computed; `work` only for those that want `proof`."""

    encoder: str
    decoder: str
    model: str
    why: str
    work: NotRequired[dict[str, Any]]


Final = TypedDict(
    "Final",
    {
        "type": Literal["final"],
        "seq": int,
        "utt": int,
        "reason": Literal["pause", "length", "flush", "end"],
        "text": str,
        "from": float,
        "to": float,
        "engine": EngineUse,
    },
)
Gap = TypedDict("Gap", {"type": Literal["gap"], "seq": int, "from": float, "to": float, "why": str})


class Speech(TypedDict):
    """Speech began (on) or ended (off)."""

    type: Literal["speech"]
    seq: int
    on: bool
    at: float


class Commit(TypedDict):
    """Words that will not change; each comes exactly once."""

    type: Literal["commit"]
    seq: int
    utt: int
    words: list[Word]


class Turn(TypedDict):
    """A speaker's turn begins."""

    type: Literal["turn"]
    seq: int
    utt: int
    spk: str
    at: float
    provisional: bool


class RevisedWord(TypedDict):
    """Word `i` of the utterance has another speaker."""

    utt: int
    i: int
    spk: str


class SpeakerRevised(TypedDict):
    """Committed words get another speaker."""

    type: Literal["speaker_revised"]
    seq: int
    words: list[RevisedWord]


class Marked(TypedDict):
    """Everything before the mark is final."""

    type: Literal["marked"]
    seq: int
    id: str | int
    at: float


class Noted(TypedDict):
    """What somebody wants to remember of this moment; without text it is a mark."""

    type: Literal["noted"]
    seq: int
    id: str | int
    at: float
    text: str


class Warning(TypedDict):  # noqa: A001 - the name on the wire
    """Something is wrong but the session goes on."""

    type: Literal["warning"]
    seq: int
    code: str
    message: str


class Ready(TypedDict):
    """The session is open; the first event, and the first again after a lost connection was replaced is not given."""

    type: Literal["ready"]
    session: str
    resume_token: NotRequired[str]
    proto: str
    limits: dict[str, int | float]
    next: int
    engine: EngineUse
    controls: NotRequired[int]


class Stats(TypedDict):
    """Once a second: how far behind the captions are, in milliseconds."""

    type: Literal["stats"]
    lag_ms: float
    queue_ms: float
    tick_ms: float
    tick_every_ms: NotRequired[float]  # older servers do not tell it
    rtf: float
    engine: EngineUse


class Ack(TypedDict):
    """Audio chunks up to `n` are kept by the server."""

    type: Literal["ack"]
    n: int


class Pong(TypedDict):
    """Answer to `ping`."""

    type: Literal["pong"]
    id: NotRequired[str | int]


class Error(TypedDict):
    """Something was refused."""

    type: Literal["error"]
    code: str
    message: str
    fatal: bool
    retry_after: NotRequired[float]


class Bye(TypedDict):
    """The session is over for this connection."""

    type: Literal["bye"]
    reason: str
    resume_until: NotRequired[float]


class Place(TypedDict):
    """Words in a row of an utterance: the index of the first in it, and how many they are."""

    utt: int
    i: int
    n: int


class Snapshot(TypedDict):
    """The committed words so far, for who comes late, and which they are, in their order."""

    type: Literal["snapshot"]
    seq: int
    text: str
    words: list[Word]
    first: int
    places: list[Place]


Event: TypeAlias = (
    Ready
    | Speech
    | Partial
    | Commit
    | Turn
    | SpeakerRevised
    | Final
    | Marked
    | Noted
    | Gap
    | Warning
    | Stats
    | Ack
    | Pong
    | Error
    | Bye
    | Snapshot
)
