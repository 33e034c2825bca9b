"""Log messages of the parts: lines for a person on stderr, JSON lines for a program, or entries of the journal.

A record may carry facts beside its words: `log.info("opened", extra={"session": session_id})`, or a task has them for
all that it logs: `about(session=session_id)`. Neither a secret nor what was said stands in a message above debug.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from amanuensis.daemon.commands.common import complain

LogLevel: TypeAlias = Literal["error", "warning", "info", "debug"]
LogFormat: TypeAlias = Literal["auto", "text", "json", "journal"]
DEBUG_FORMAT: Final = "%(asctime)s %(name)s %(levelname)s %(message)s"
FACTS: Final = ("session", "code", "peer")  # attributes of a record that are fields of an entry
_about: ContextVar[Mapping[str, str]] = ContextVar("about", default=MappingProxyType({}))


class StderrHandler(logging.Handler):
    """Prints to what is stderr at the time: live captions put such lines above themselves."""

    def emit(self, record: logging.LogRecord) -> None:
        complain(self.format(record))


class JsonHandler(logging.Handler):
    """Prints one JSON object a line on stderr: time (UTC, ISO 8601), level, logger, message, and the record's facts."""

    def emit(self, record: logging.LogRecord) -> None:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        head = {"time": time, "level": record.levelname.lower(), "logger": record.name, "message": self.format(record)}
        with contextlib.suppress(OSError):  # nobody reads along any more: the daemon goes on
            print(json.dumps(head | facts_of(record), ensure_ascii=False), file=sys.stderr, flush=True)


def facts_of(record: logging.LogRecord) -> dict[str, str]:
    """Return what a record says beside its message."""
    told = {name: getattr(record, name, None) for name in FACTS}
    return dict(_about.get()) | {name: str(value) for name, value in told.items() if value is not None}


def about(**facts: str) -> None:
    """Say what the task that this is called in does from now on, and the tasks that it starts: one of FACTS each."""
    _about.set(MappingProxyType(dict(_about.get()) | facts))


def set_up(*, debug: bool) -> None:
    """Show warnings and errors; with `debug` everything, with time and origin."""
    if debug:
        logging.basicConfig(level=logging.DEBUG, format=DEBUG_FORMAT)
    else:
        logging.basicConfig(level=logging.WARNING, handlers=[StderrHandler()], format="%(message)s")


def set_up_daemon(form: LogFormat, level: LogLevel | None, environ: Mapping[str, str]) -> None:
    """Log as a daemon does; may be called again to change it.

    Args:
        form: "auto": the journal where stderr goes there, else text.
        level: of what is told; None: info where a program keeps it, warnings where a person reads along.
        environ: of this process, for JOURNAL_STREAM.

    """
    from amanuensis.daemon.service.journal import JournalHandler, is_journal

    if form == "auto":
        form = "journal" if is_journal(environ) else "text"
    handlers = {"text": StderrHandler, "json": JsonHandler, "journal": JournalHandler}
    chosen = (level or ("warning" if form == "text" else "info")).upper()
    logging.basicConfig(level=chosen, handlers=[handlers[form]()], format="%(message)s", force=True)
