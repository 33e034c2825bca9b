"""What a session is, on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.daemon.protocol import Options
from amanuensis.daemon.spool.header import NAME, SessionHeader, read_header
from amanuensis.daemon.spool.log_file import LogFile, SpoolError
from tests.daemon.spool.conftest import MakeHeader


@pytest.mark.parametrize("options", [Options(), Options("en", "translate", "Minutes.", ("a", "b"))])
def test_headers_come_back(tmp_path: Path, make_header: MakeHeader, options: Options) -> None:
    """A header is read as it was written, and shows no token."""
    header = SessionHeader(**{f: getattr(make_header(), f) for f in SessionHeader.__slots__} | {"options": options})
    header.write(tmp_path)
    assert read_header(tmp_path) == header
    assert "secret-token" not in repr(header)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({}, "version None; this program knows 1"),
        ({"v": 2}, "version 2"),
        ({"v": 1}, "session is None; it must be a map"),
        ({"v": 1, "session": {"id": 3}}, "session.id is 3; it must be of type str"),
    ],
)
def test_wrong_headers_are_refused(tmp_path: Path, record: dict[str, object], message: str) -> None:
    """A header of another version or form is refused in one line that names the file."""
    log = LogFile(tmp_path / NAME)
    log.append(record)
    log.close()
    with pytest.raises(SpoolError, match=f"{NAME}: {message}.*; this session cannot be taken up again"):
        read_header(tmp_path)


def test_impossible_sound_is_refused(tmp_path: Path) -> None:
    """A rate that no source has is refused, though its type is right."""
    log = LogFile(tmp_path / NAME)
    audio = {"encoding": "s16le", "rate": 7, "channels": 1}
    log.append({"v": 1, "session": {"id": "a", "resume_token": "b", "audio": audio}})
    log.close()
    with pytest.raises(SpoolError, match="audio rate 7 is not supported"):
        read_header(tmp_path)
