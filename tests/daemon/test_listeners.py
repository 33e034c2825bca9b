"""Listening sockets."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from amanuensis.daemon.addresses import Address, UnixAddress
from amanuensis.daemon.listeners import MAX_PATH_BYTES, ServeError, adopt, open_listeners, open_one, peer_uid

ANY = Address("127.0.0.1", 0)


def test_a_unix_socket_is_its_owners_only(tmp_path: Path) -> None:
    """The socket has mode 0600, tells who connects, and is gone when it is closed; nothing else is left behind."""
    path = tmp_path / "new" / "a.sock"
    listener = open_one(UnixAddress(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        accepted, _ = listener.socket.accept()
        with accepted:
            assert peer_uid(accepted) == os.getuid()
    listener.close()
    assert list(path.parent.iterdir()) == []


def test_a_dead_daemons_socket_is_replaced(tmp_path: Path) -> None:
    """A socket that nobody listens on any more is no obstacle."""
    path = tmp_path / "a.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    listener = open_one(UnixAddress(path))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    listener.close()


def test_a_live_daemons_socket_is_left_alone(tmp_path: Path) -> None:
    """A second daemon is told, and the first one's socket still works."""
    path = tmp_path / "a.sock"
    listener = open_one(UnixAddress(path))
    with pytest.raises(ServeError, match="another daemon listens there"):
        open_one(UnixAddress(path))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    listener.close()


def test_a_socket_of_another_daemon_is_not_removed(tmp_path: Path) -> None:
    """A daemon that ends leaves alone what has been put in the place of its socket."""
    path = tmp_path / "a.sock"
    listener = open_one(UnixAddress(path))
    path.unlink()
    other = open_one(UnixAddress(path))
    listener.close()
    assert path.is_socket()
    other.close()


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_what_is_no_socket_is_not_replaced(tmp_path: Path, kind: str) -> None:
    """A file, a link or a folder in the way is named and left as it is."""
    path = tmp_path / "a.sock"
    if kind == "file":
        path.write_text("precious")
    elif kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.mkdir()
    with pytest.raises(ServeError, match="there is a file that is no socket"):
        open_one(UnixAddress(path))
    assert path.is_symlink() or path.exists()


def test_paths_that_cannot_be_are_named(tmp_path: Path) -> None:
    """A path that is too long and a folder that cannot be made get one line each."""
    with pytest.raises(ServeError, match=f"longer than {MAX_PATH_BYTES} bytes"):
        open_one(UnixAddress(tmp_path / ("a" * MAX_PATH_BYTES)))
    (tmp_path / "file").write_text("")
    with pytest.raises(ServeError, match="check the folder and its rights"):
        open_one(UnixAddress(tmp_path / "file" / "a.sock"))


def test_two_daemons_that_start_at_once_do_not_replace_each_other(tmp_path: Path) -> None:
    """While one looks at the socket, another in the same folder waits its turn in vain and says so."""
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with pytest.raises(ServeError, match="another daemon is being started"):
        open_one(UnixAddress(tmp_path / "a.sock"))
    os.close(folder)
    outcomes: list[str] = []
    opened = []

    def start() -> None:
        try:
            opened.append(open_one(UnixAddress(tmp_path / "a.sock")))
            outcomes.append("listens")
        except ServeError:
            outcomes.append("refused")

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["listens"] + ["refused"] * 7
    opened[0].close()


def test_all_addresses_or_none(tmp_path: Path) -> None:
    """When one address cannot be listened on, the others are free again."""
    path = tmp_path / "a.sock"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(ServeError, match="another program listens there"),
            open_listeners([UnixAddress(path), Address("127.0.0.1", port)], {}),
        ):
            pass
    assert not path.exists()


def test_the_usual_socket_is_left_out_where_there_is_no_place(tmp_path: Path) -> None:
    """`unix:` alone lies in the runtime folder; without one it is skipped, unless it was all that was asked for."""
    with open_listeners([ANY, UnixAddress()], {"XDG_RUNTIME_DIR": str(tmp_path)}) as listeners:
        assert [type(listener.address) for listener in listeners] == [Address, UnixAddress]
        assert (tmp_path / "amanuensis" / "amanuensis.sock").is_socket()
        assert stat.S_IMODE((tmp_path / "amanuensis").stat().st_mode) == 0o700
    with open_listeners([ANY, UnixAddress()], {}) as listeners:
        assert [type(listener.address) for listener in listeners] == [Address]
    with (
        pytest.raises(ServeError, match="neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR"),
        open_listeners([UnixAddress()], {}),
    ):
        pass


def test_a_socket_of_the_service_manager_is_not_removed(tmp_path: Path) -> None:
    """What somebody else opened is served under its own address, and its file stays."""
    path = tmp_path / "a.sock"
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(str(path))
        theirs.listen()
        listener = adopt(theirs.dup())
        assert listener.address == UnixAddress(path)
        listener.close()
    assert path.is_socket()
