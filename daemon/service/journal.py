"""Log records as entries of the systemd journal, with fields: the native protocol of systemd-journald(8).

`journalctl -u amanuensis SESSION=ab12cd34ef56` shows one session; `CODE=` holds the codes of docs/protocol.md.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from amanuensis.daemon.logs import StderrHandler, facts_of

JOURNAL: Final = Path("/run/systemd/journal/socket")
IDENTIFIER: Final = "amanuensis"
MAX_FIELD_BYTES: Final = 32_768  # a datagram holds some 200 KB; more than this nobody reads
PRIORITIES: Final = (  # syslog(3), by level of logging
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
)
DEBUG_PRIORITY: Final = 7


def is_journal(environ: Mapping[str, str], descriptor: int = 2) -> bool:
    """Whether what is written to a descriptor goes into the journal: JOURNAL_STREAM names it (systemd.exec(5))."""
    device, _, inode = environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        stands = os.fstat(descriptor)
    except OSError:
        return False
    return (device, inode) == (str(stands.st_dev), str(stands.st_ino))


def priority_of(level: int) -> int:
    """Return the priority of syslog for a level of logging."""
    return next((priority for least, priority in PRIORITIES if level >= least), DEBUG_PRIORITY)


def encode_entry(fields: Mapping[str, str]) -> bytes:
    """Return one datagram: `NAME=value` lines, or name, length and bytes where a value has more than one line."""
    out = bytearray()
    for name, value in fields.items():
        data = value.encode("utf-8", "backslashreplace")[:MAX_FIELD_BYTES]
        if b"\n" in data:
            out += name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
        else:
            out += name.encode() + b"=" + data + b"\n"
    return bytes(out)


class JournalHandler(logging.Handler):
    """Sends records to the journal; what it does not take goes to stderr, so that nothing is lost.

    Args:
        path: of the journal's socket.

    """

    def __init__(self, path: Path = JOURNAL) -> None:
        super().__init__()
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._else = StderrHandler()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._socket.sendto(encode_entry(entry_of(record, self.format(record))), self._path)
        except OSError:
            self._else.handle(record)

    def close(self) -> None:
        self._socket.close()
        super().close()


def entry_of(record: logging.LogRecord, message: str) -> dict[str, str]:
    """Return the fields of one entry."""
    fields = {
        "MESSAGE": message,
        "PRIORITY": str(priority_of(record.levelno)),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        "LOGGER": record.name,
        "CODE_FILE": record.pathname,
        "CODE_LINE": str(record.lineno),
        "CODE_FUNC": record.funcName or "",
    }
    return fields | {name.upper(): value for name, value in facts_of(record).items()}
