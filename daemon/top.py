"""A live view of a daemon's sessions as text. Pure: what `GET /v1/sessions` answers in, lines out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from rich.table import Table

Overview: TypeAlias = Mapping[str, Any]
COLUMNS: Final = (
    "session",
    "state",
    "age",
    "lag s",
    "tick ms",
    "every ms",
    "rtf",
    "clients",
    "audio s",
    "text",
    "silence",
    "gap s",
    "device",
)
FAR_BEHIND_MS: Final = 5000.0


def headline(facts: Overview) -> str:
    """Return the daemon in a line."""
    n_sessions, n_ended = len(facts["sessions"]), len(facts["ended"])
    state = "ready" if facts["ready"] else f"not ready: {facts['why']}"
    return f"amanuensis {facts['version']}, up {span(facts['uptime_s'])}, {state}; {n_sessions} open, {n_ended} ended"


def row(session: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a session as cells, in the order of COLUMNS."""
    seconds, engine = session["ledger"]["seconds"], session["engine"]
    received = seconds["received"] or 1.0
    where = engine["encoder"] if engine["encoder"] == engine["decoder"] else f"{engine['encoder']}+{engine['decoder']}"
    return (
        session["id"],
        session["state"],
        span(session["age_s"]),
        f"{session['lag_ms'] / 1000:.1f}",
        f"{session['tick_ms']:.0f}",
        f"{session['tick_every_ms']:.0f}",
        f"{session['rtf']:.2f}",
        str(session["clients"]),
        f"{session['audio_s']:.0f}",
        f"{seconds['transcribed'] / received:.0%}",
        f"{seconds['silence'] / received:.0%}",
        f"{seconds['gap']:.1f}",
        f"{engine['model']} on {where}",
    )


def span(seconds: float) -> str:
    """Return a time span in at most two units."""
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days:
        return f"{days}d{hours % 24:02}h"
    if hours:
        return f"{hours}h{minutes % 60:02}m"
    return f"{minutes}m{int(seconds) % 60:02}s"


def table(facts: Overview) -> Table:
    """Return the sessions as a table; one that is far behind, or has lost sound, stands out."""
    from rich.table import Table

    made = Table(title=headline(facts), title_justify="left", box=None, pad_edge=False)
    for k, name in enumerate(COLUMNS):
        to_left = k < 2 or name == "device"
        made.add_column(name, justify="left" if to_left else "right", no_wrap=True, min_width=len(name))
    for session in facts["sessions"]:
        worrying = session["lag_ms"] > FAR_BEHIND_MS or session["ledger"]["seconds"]["gap"] > 0
        made.add_row(*row(session), style="bold red" if worrying else "")
    return made
