"""Live captions from Python: speak to an Amanuensis daemon, or watch (docs/client.md).

    async for event in Client().listen("default"):       # the microphone; or bytes, or any iterable of them
        if event["type"] == "final":
            print(event["text"].strip())

`BlockingClient` is the same without asyncio. A connection that is lost is replaced, and the session taken up again:
nothing that was sent is lost, and no durable event comes twice.
"""

from amanuensis.client.asynchronous import Client
from amanuensis.client.blocking import BlockingClient
from amanuensis.client.events import (
    Ack,
    Bye,
    Commit,
    EngineUse,
    Error,
    Event,
    Final,
    Gap,
    Marked,
    Noted,
    Partial,
    Place,
    Pong,
    Ready,
    RevisedWord,
    Snapshot,
    SpeakerRevised,
    Speech,
    Stats,
    Turn,
    Warning,  # noqa: A004 - the name on the wire
    Word,
)
from amanuensis.daemon.client import AmanuensisClient, ClientError, Hello, Patience, connect
from amanuensis.daemon.signals import stop_on_signals
from amanuensis.daemon.sources.base import Lost, Pause, SourceError
from amanuensis.stream.formats import AudioFormat

__all__ = [
    "Ack",
    "AmanuensisClient",
    "AudioFormat",
    "BlockingClient",
    "Bye",
    "Client",
    "ClientError",
    "Commit",
    "EngineUse",
    "Error",
    "Event",
    "Final",
    "Gap",
    "Hello",
    "Lost",
    "Marked",
    "Noted",
    "Partial",
    "Patience",
    "Pause",
    "Place",
    "Pong",
    "Ready",
    "RevisedWord",
    "Snapshot",
    "SourceError",
    "SpeakerRevised",
    "Speech",
    "Stats",
    "Turn",
    "Warning",
    "Word",
    "connect",
    "stop_on_signals",
]
