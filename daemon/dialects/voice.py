"""One voice of a client that speaks another protocol: a session of its own, and the events that come of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from amanuensis.daemon.config import LimitSettings
from amanuensis.daemon.dialects.event_queue import EventQueue
from amanuensis.daemon.live_session import END, SPEAKER_LEFT, Ending, LiveSession
from amanuensis.daemon.protocol import Audio, Configure, Flush, Hello, Options
from amanuensis.daemon.sessions import Sessions
from amanuensis.stream.events import Event
from amanuensis.stream.formats import AudioFormat


@dataclass(frozen=True, slots=True)
class Listening:
    """How events come to whoever translates them.

    Attributes:
        wanted: of the events that may be hidden.
        limits: how many may wait.
        news: set when there are some.
        abandoned: set when too many were not taken.

    """

    wanted: frozenset[str]
    limits: LimitSettings
    news: asyncio.Event
    abandoned: asyncio.Event


class Voice:
    """A session that a foreign client speaks into. It cannot be resumed: these protocols know no coming back.

    Attributes:
        session: of it.
        queue: what is to be translated.

    """

    def __init__(self, session: LiveSession, listening: Listening) -> None:
        self.session = session
        self.queue = EventQueue(listening.wanted, listening.limits, listening.news, listening.abandoned)
        session.can_resume = False
        session.hub.clients.add(self.queue)

    @classmethod
    def open(
        cls, sessions: Sessions, fmt: AudioFormat, options: Options, client: str | None, listening: Listening
    ) -> Voice:
        """Open a session.

        Raises:
            amanuensis.daemon.protocol.ProtocolError: there is no room (`full`), or the model cannot do it.

        """
        return cls(sessions.open(Hello("speak", fmt, options=options), client=client), listening)

    def hear(self, data: bytes) -> None:
        """Take sound; `room` says when more may come. What comes after the end is not heard."""
        if self.session.ending is None and (chunk := self.session.cursor.take(Audio(None, None, data))):
            self.session.hear(chunk)

    async def room(self) -> None:
        """Wait until what was taken is heard, and more may be."""
        await self.session.room()

    def flush(self, label: str | int) -> None:
        """Make what was heard final, and tell `marked` with this label then.

        Raises:
            amanuensis.daemon.protocol.ProtocolError: too many of these wait.

        """
        if self.session.ending is None:
            self.session.obey(Flush(label))

    def prefer(self, hotwords: tuple[str, ...]) -> None:
        """Prefer these words from now on.

        Raises:
            amanuensis.daemon.protocol.ProtocolError: they are not allowed.

        """
        if self.session.ending is None:
            self.session.obey(Configure(hotwords=hotwords))

    def end(self, ending: Ending = END) -> None:
        """No more sound comes: the rest becomes final, then `bye` is told."""
        self.session.finish(ending)

    def leave(self) -> None:
        """The client is gone: what was heard still becomes final, for those who watch."""
        self.session.finish(SPEAKER_LEFT)
        self.session.hub.clients.discard(self.queue)

    def take(self) -> list[Event]:
        """Return the events since the last call."""
        return self.queue.take()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be told."""
        return self.queue.closing is not None and not len(self.queue)

    @property
    def settled_ms(self) -> float | None:
        """How much sound was heard when everything of it is final and told; None while something is on its way."""
        pump = self.session.pump
        is_settled = pump.is_idle and not len(self.queue) and pump.session.lag_ms == 0
        return pump.session.received_ms if is_settled else None
