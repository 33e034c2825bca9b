"""All sessions at a glance, for an operator: `GET /v1/sessions`. It tells how they do, never what was said."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from amanuensis.daemon.ended_session import EndedSession
from amanuensis.daemon.live_session import LiveSession
from amanuensis.daemon.sessions import Sessions

DECIMALS: Final = 3


def overview(sessions: Sessions, now_s: float, started_s: float, trouble: str) -> dict[str, Any]:
    """Return what is told of a daemon.

    Args:
        sessions: of the daemon.
        now_s: on the clock of its metrics.
        started_s: when it began, on the same clock.
        trouble: why no sessions can be opened, if so.

    """
    return {
        "version": version("amanuensis"),
        "uptime_s": round(now_s - started_s, DECIMALS),
        "ready": not trouble,
        "why": trouble,
        "sessions": [live_facts(session, now_s) for session in sessions.live],
        "ended": [ended_facts(session) for session in sessions.ended],
    }


def live_facts(session: LiveSession, now_s: float) -> dict[str, Any]:
    """Return how a session that goes on does; `rtf` is computing time through audio time."""
    stats = session.stats()
    engine = stats.engine
    return {
        "id": session.id,
        "state": _state(session),
        "age_s": round(now_s - session.opened_s, DECIMALS),
        "audio_s": round(session.audio_s, DECIMALS),
        "lag_ms": round(stats.lag_ms, DECIMALS),
        "queue_ms": round(stats.queue_ms, DECIMALS),
        "tick_ms": round(stats.tick_ms, DECIMALS),
        "tick_every_ms": round(stats.tick_every_ms, DECIMALS),
        "rtf": round(stats.rtf, DECIMALS),
        "clients": len(session.hub.clients),
        "queued_events": max(map(len, session.hub.clients), default=0),
        "last_seq": session.journal.last_seq,
        "ledger": session.ledger(),
        "engine": {"encoder": engine.encoder, "decoder": engine.decoder, "model": engine.model, "why": engine.why},
    }


def _state(session: LiveSession) -> str:
    if session.ending is not None:
        return "ending"
    return "live" if session.detached is None else "detached"


def ended_facts(session: EndedSession) -> dict[str, Any]:
    """Return what is told of a session that is over."""
    return {
        "id": session.identity.id,
        "reason": session.reason,
        "last_seq": session.journal.last_seq,
        "ledger": session.ledger(),
    }
