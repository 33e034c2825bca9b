"""Entries of the journal, read from a real socket."""

from __future__ import annotations

import logging
import os
import socket
import struct
from pathlib import Path

import pytest

from amanuensis.daemon.service.journal import (
    MAX_FIELD_BYTES,
    JournalHandler,
    encode_entry,
    is_journal,
    priority_of,
)


def decode(data: bytes) -> dict[str, str]:
    """The fields of a datagram, as systemd-journald(8) reads them."""
    fields = {}
    while data:
        head, _, data = data.partition(b"\n")
        name, has_value, value = head.partition(b"=")
        if not has_value:
            (size,) = struct.unpack("<Q", data[:8])
            value, data = data[8 : 8 + size], data[9 + size :]
        fields[name.decode()] = value.decode()
    return fields


def test_a_record_becomes_an_entry_with_fields(tmp_path: Path) -> None:
    """Message, priority, place in the code and the session are fields of their own; a traceback keeps its lines."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(tmp_path / "socket"))
        journal.settimeout(30)
        handler = JournalHandler(tmp_path / "socket")
        logger = logging.Logger("amanuensis.part")
        logger.addHandler(handler)
        logger.warning("cut %d", 7, extra={"session": "ab12", "code": "gap"})
        entry = decode(journal.recv(65536))
        assert entry["MESSAGE"] == "cut 7"
        assert (entry["PRIORITY"], entry["SESSION"], entry["CODE"]) == ("4", "ab12", "gap")
        assert (entry["SYSLOG_IDENTIFIER"], entry["LOGGER"]) == ("amanuensis", "amanuensis.part")
        assert entry["CODE_FILE"] == __file__
        try:
            raise RuntimeError("MESSAGE=forged")
        except RuntimeError:
            logger.exception("fault")
        entry = decode(journal.recv(65536))
        assert entry["PRIORITY"] == "3"
        assert entry["MESSAGE"].startswith("fault\nTraceback")
        assert entry["MESSAGE"].endswith("MESSAGE=forged")
        handler.close()


def test_what_the_journal_does_not_take_goes_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal that is not there loses no message."""
    handler = JournalHandler(tmp_path / "nobody")
    logger = logging.Logger("part")
    logger.addHandler(handler)
    logger.error("told all the same")
    handler.close()
    assert capsys.readouterr().err == "amanuensis: told all the same\n"


def test_a_value_is_bounded() -> None:
    """A message of any length fits into a datagram."""
    entry = encode_entry({"MESSAGE": "x" * (MAX_FIELD_BYTES * 10), "PRIORITY": "3"})
    assert len(decode(entry)["MESSAGE"]) == MAX_FIELD_BYTES
    assert decode(entry)["PRIORITY"] == "3"


def test_the_journal_is_known_by_its_file() -> None:
    """JOURNAL_STREAM must name the very file that stderr is, not merely be inherited."""
    read, write = os.pipe()
    stands = os.fstat(write)
    environ = {"JOURNAL_STREAM": f"{stands.st_dev}:{stands.st_ino}"}
    assert is_journal(environ, write)
    assert not is_journal({"JOURNAL_STREAM": f"{stands.st_dev}:{stands.st_ino + 1}"}, write)
    assert not is_journal({}, write)
    os.close(read)
    os.close(write)
    assert not is_journal(environ, write)


@pytest.mark.parametrize(("level", "priority"), [(10, 7), (20, 6), (30, 4), (35, 4), (40, 3), (50, 2), (60, 2), (5, 7)])
def test_levels_are_priorities_of_syslog(level: int, priority: int) -> None:
    """Levels between the named ones count as the one below."""
    assert priority_of(level) == priority
