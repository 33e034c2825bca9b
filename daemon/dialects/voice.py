"""One voice of a client that speaks another protocol: a session of its own, and the events that come of it."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Final

from amanuensis.daemon.config import LimitSettings
from amanuensis.daemon.dialects.event_queue import EventQueue
from amanuensis.daemon.dialects.settled_labels import SettledLabels
from amanuensis.daemon.live_session import END, SPEAKER_LEFT, Ending, LiveSession
from amanuensis.daemon.protocol import Audio, Configure, Flush, Hello, Options
from amanuensis.daemon.sessions import Sessions
from amanuensis.stream.events import Event
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.words import to_ms

MAX_HELD_S: Final = 5.0  # without any news of a label


@dataclass(frozen=True, slots=True)
class Listening:
    """How events come to whoever translates them.

    Attributes:
        wanted: of the events that may be hidden.
        limits: how many may wait.
        news: set when there are some.
        abandoned: set when too many were not taken.
        settled_labels: words are told once their speaker is settled, because it cannot be put right later.

    """

    wanted: frozenset[str]
    limits: LimitSettings
    news: asyncio.Event
    abandoned: asyncio.Event
    settled_labels: bool = False


class Voice:
    """A session that a foreign client speaks into. It cannot be resumed: these protocols know no coming back.

    Attributes:
        session: of it.
        queue: what is to be translated.
        holds: words wait for their speaker; `take` is to be called now and then, whether or not there is news.

    """

    def __init__(self, session: LiveSession, listening: Listening) -> None:
        self.session = session
        self.queue = EventQueue(listening.wanted, listening.limits, listening.news, listening.abandoned)
        self._labels = SettledLabels() if listening.settled_labels else None
        self._held_since_s: float | None = None
        self._settled_ms = 0.0
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
        """Return the events since the last call that can be told."""
        events = self.queue.take()
        if self._labels is None:
            return events
        told = self._labels.take(events, self._labels_settled_ms())
        now_s = asyncio.get_running_loop().time()
        if not self.holds or told:
            self._held_since_s = now_s if self.holds else None
        return told

    @property
    def holds(self) -> bool:
        return self._labels is not None and len(self._labels) > 0

    def _labels_settled_ms(self) -> float:
        """Return before which media time speakers are settled; a label is not waited for for ever."""
        speakers = self.session.pump.session.speakers
        since_s = self._held_since_s
        is_late = since_s is not None and asyncio.get_running_loop().time() - since_s > MAX_HELD_S
        if speakers is None or speakers.stopped or is_late or self.queue.closing is not None:
            return math.inf
        if not self.session.pump.has_untold:  # else what was settled is on its way
            self._settled_ms = to_ms(speakers.settled)
        return self._settled_ms

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be told."""
        return self.queue.closing is not None and not len(self.queue) and not self.holds

    @property
    def settled_ms(self) -> float | None:
        """How much sound was heard when everything of it is final and told; None while something is on its way."""
        pump = self.session.pump
        is_settled = pump.is_idle and not (len(self.queue) or self.holds) and pump.session.lag_ms == 0
        return pump.session.received_ms if is_settled else None
