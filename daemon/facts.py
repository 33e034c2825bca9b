"""What a daemon tells of itself over HTTP: health, readiness, metrics, its sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from amanuensis.daemon.engine_facts import engine_facts, engine_trouble
from amanuensis.daemon.gate import Gate
from amanuensis.daemon.http import Site
from amanuensis.daemon.journal import Journal
from amanuensis.daemon.metrics import Gauges, Metrics
from amanuensis.daemon.overview import overview
from amanuensis.daemon.sessions import Sessions
from amanuensis.npu.engine.api import Engine


class Facts:
    """The facts of one daemon.

    Args:
        engine: of the daemon.
        sessions: of the daemon.
        metrics: of the daemon; the engine's and what stands now are read at every scrape from now on.
        gate: of the daemon.
        max_sessions: that may be open at once.

    """

    def __init__(
        self, engine: Engine, sessions: Sessions, metrics: Metrics, gate: Gate, max_sessions: Callable[[], int]
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._metrics = metrics
        self._gate = gate
        self._max_sessions = max_sessions
        self._started_s = metrics.clock()
        metrics.watch_engine(lambda: engine.info, engine.stats, self.gauges)

    def site(self) -> Site:
        """Return what the pages are made from."""
        return Site(
            health=lambda: engine_facts(self._engine.info, self._engine.stats()),
            readiness=self.readiness,
            metrics=self.scraped,
            overview=lambda: overview(self._sessions, self._metrics.clock(), self._started_s, self.trouble),
            journal=self.journal,
            ledger=self.ledger,
            owns=self.owns,
            fetch=self.fetch,
        )

    @property
    def trouble(self) -> str:
        """Why no session can be opened now; "" when one can."""
        stopping = "stopping" if self._sessions.closing else ""
        return engine_trouble(self._engine.stats()) or stopping or self._sessions.elsewhere.trouble

    def readiness(self) -> tuple[bool, dict[str, Any]]:
        """Return whether sessions can be opened now, and what to tell with it."""
        why, gauges = self.trouble, self._sessions.gauges()
        facts = {
            "why": why,
            "engine": asdict(self._engine.info),
            "sessions": gauges.sessions,
            "clients": gauges.clients,
            "max_sessions": self._max_sessions(),
            "records": self._sessions.records,
        }
        return not why, facts

    def gauges(self) -> Gauges:
        """Return what stands now."""
        gauges, gate = self._sessions.gauges(), self._gate
        return replace(gauges, connections=len(gate), strangers=gate.strangers, tasks=len(asyncio.all_tasks()))

    def scraped(self) -> bytes:
        """Return the metrics, with what became of the audio up to now."""
        for session in self._sessions.live:
            session.count_fates()
        return self._metrics.render()

    def journal(self, name: str) -> Journal | None:
        """Return the journal of a session, if there is one of this name."""
        session = self._sessions.find(name) or self._sessions.elsewhere.followed(name)
        return None if session is None else session.journal

    async def fetch(self, name: str) -> None:
        """Make sure that everything which a session has said may be told, wherever the session is.

        Raises:
            ProtocolError: another front has it, or may have it: ask again.

        """
        session = self._sessions.find(name)
        if session is not None:
            await session.store.kept()
        else:
            await self._sessions.elsewhere.follow(name)

    def ledger(self, name: str) -> dict[str, Any]:
        """Return what became of the audio of a session; of one that another front has it is not known."""
        session = self._sessions.find(name)
        return {} if session is None else session.ledger()

    def owns(self, name: str, token: str) -> bool:
        """Whether a token is the one by which the session of this name is resumed."""
        session = self._sessions.find(name)
        return session is not None and session.identity.is_token(token)
