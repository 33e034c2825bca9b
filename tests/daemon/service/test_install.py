"""Files of the service, and asking a daemon after itself."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from amanuensis.daemon.service.install import InstallError, readiness, remove, write
from amanuensis.daemon.service.units import UnitFile
from tests.helpers.daemon_client import running


def test_a_unit_is_written_whole(tmp_path: Path) -> None:
    """Folders are made, an old file is replaced, nothing else is left, and systemd may read it."""
    path = tmp_path / "a" / "b" / "x.service"
    write(UnitFile(path, "old"))
    write(UnitFile(path, "new"))
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_what_cannot_be_written_or_removed_is_named(tmp_path: Path) -> None:
    """One line has the file and the reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InstallError, match=r"file/x.service cannot be written: file exists$"):
        write(UnitFile(tmp_path / "file" / "x.service", ""))
    with pytest.raises(InstallError, match=r"x.service cannot be removed: no such file or directory$"):
        remove(tmp_path / "x.service")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_root_asks_for_root() -> None:
    """The system's units are not for everybody."""
    with pytest.raises(InstallError, match="sudo, or --user for your own"):
        write(UnitFile(Path("/etc/systemd/system/amanuensis-test.service"), ""))


async def test_a_daemon_is_asked_after_itself(tmp_path: Path) -> None:
    """/readyz is read over TCP; what does not answer, or is another program, is nobody."""
    import asyncio

    async with running() as (_, address):
        facts = await asyncio.to_thread(readiness, str(address))
    assert facts
    assert facts["ready"] is True
    assert readiness(str(address)) is None
    assert readiness(f"unix:{tmp_path}/none") is None
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        asked = asyncio.create_task(asyncio.to_thread(readiness, f"127.0.0.1:{port}"))
        connection, _ = await asyncio.to_thread(other.accept)
        connection.sendall(b"220 mail.example ESMTP\r\n")
        connection.close()
        assert await asked is None
