"""A session that another front has, as its watchers here see it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from amanuensis.daemon.config import LimitSettings
from amanuensis.daemon.ended_session import EndedSession
from amanuensis.daemon.fronts.crowd import Crowd
from amanuensis.daemon.fronts.messages import Copy, EventMap, News
from amanuensis.daemon.hub import Hub
from amanuensis.daemon.journal import Entry, Journal, JournalLimits
from amanuensis.daemon.live_session import GOING_AWAY, NORMAL, Identity, limits_told
from amanuensis.daemon.protocol import PROTO
from amanuensis.daemon.session_store import MemoryStore
from amanuensis.daemon.spool.event_maps import build, read_event
from amanuensis.daemon.spool.event_reader import EventHistory
from amanuensis.stream.events import Bye, EngineUse, Event, Partial, Ready, Stats

PASSING: dict[str, type[Event]] = {kind.type: kind for kind in (Partial, Stats)}


class FollowedSession:
    """A session at another front.

    Args:
        name: of the session.
        crowd: its watchers here.
        limits: of journals.

    Attributes:
        hub: the watchers.
        journal: what it has said.
        ended: why it is over; empty while it goes on.
        is_gone: it was forgotten, or this front has it now.

    """

    def __init__(self, name: str, crowd: Crowd, limits: JournalLimits) -> None:
        self.id = name
        self.crowd = crowd
        self.hub = Hub()
        self.hub.clients = crowd.clients
        self.journal = Journal(limits)
        self.ended = ""
        self.is_gone = False
        self._limits = limits
        self._cursor = 0
        self._era = ""
        self._engine = EngineUse("", "", "", "")

    @property
    def place(self) -> tuple[str, int]:
        """Where its news go on: era and number."""
        return self._era, self._cursor

    def take_copy(self, copy: Copy) -> None:
        """Begin anew with all that the session has said; its watchers are told what they do not know."""
        self.journal = _journal(copy, self._limits)
        self._era, self._cursor, self.ended = copy.era, copy.cursor, copy.ended
        encoder, decoder, model, why = (copy.engine.get(name, "") for name in ("encoder", "decoder", "model", "why"))
        self._engine = EngineUse(encoder, decoder, model, why)
        if self.crowd.clients:
            for entry in self.journal.replay(self.crowd.seq):
                self.crowd.tell(entry)
        self.crowd.seq = max(self.crowd.seq, self.journal.last_seq)
        self._end_if_over()

    def take_news(self, news: News) -> bool:
        """Tell what the session has said since; False: something is missing, and the store will say so next time."""
        self._cursor = news.cursor
        for content in news.said:
            if not self._take(content):
                self._era = ""
                return False
        self.ended = news.ended
        self._end_if_over()
        return True

    def _take(self, content: EventMap) -> bool:
        if "seq" not in content:
            entry = self.journal.add(build(PASSING[content["type"]], content, "news"))
        else:
            seq, event = read_event(content)
            if seq <= self.journal.last_seq:
                return True
            if seq > self.journal.last_seq + 1:
                return False
            entry = self.journal.add(event)
        self.crowd.tell(entry)
        return True

    def _end_if_over(self) -> None:
        if self.ended:
            self.hub.say_goodbye(Entry(Bye(self.ended)), lambda client: client.close(NORMAL, self.ended))

    def send_away(self) -> None:
        """Have the watchers come back: what they watch is not here any more."""
        self.crowd.send_away(GOING_AWAY, "the session is not here any more; connect again")

    def as_ended(self) -> EndedSession:
        """Return what is left of it, once it is over."""
        ready = self.ready(for_speaker=False, limits=LimitSettings())
        return EndedSession(Identity(self.id, ""), self.journal, ready, ready, self.ended, 0.0, {}, MemoryStore())

    def ready(self, *, for_speaker: bool, limits: LimitSettings) -> Ready:
        """Return the answer to the hello of a watcher."""
        assert not for_speaker
        return Ready(
            session=self.id, resume_token="", proto=PROTO, limits=limits_told(limits), next=0, engine=self._engine
        )


def _journal(copy: Copy, limits: JournalLimits) -> Journal:
    """Return what a session has said, from its files."""
    with TemporaryDirectory(prefix="amanuensis-") as folder:
        for name, data in copy.files.items():
            (Path(folder) / name).write_bytes(data)
        return EventHistory(Path(folder), limits).journal
