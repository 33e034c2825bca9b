"""Listening sockets: TCP addresses, and unix sockets that only their owner may connect to."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from amanuensis.daemon.addresses import Address, ListenAddress, UnixAddress, usual_socket

SOCKET_BUFFER_BYTES: Final = 2**18  # of the kernel, each way: the less, the sooner is a stalled client noticed
BACKLOG: Final = 128
ONLY_OWNER: Final = 0o600
NEW: Final = ".new"  # a socket that is not in its place yet
MAX_PATH_BYTES: Final = 107 - len(NEW)  # sockaddr_un.sun_path, with its zero
PROBE_S: Final = 1.0
PEERCRED: Final = struct.Struct("3i")  # pid, uid, gid: struct ucred of unix(7)


class ServeError(Exception):
    """The daemon cannot serve; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that listens.

    Attributes:
        address: that was bound.
        socket: of it.
        inode: of a unix socket that was made here, and is removed when it is closed.

    """

    address: ListenAddress
    socket: socket.socket
    inode: int | None = None

    def close(self) -> None:
        """Listen no more."""
        self.socket.close()
        if isinstance(self.address, UnixAddress) and self.address.path is not None and self.inode is not None:
            with contextlib.suppress(OSError):
                if self.address.path.lstat().st_ino == self.inode:  # else another daemon has put its own there
                    self.address.path.unlink()


@contextlib.contextmanager
def open_listeners(addresses: Sequence[ListenAddress], env: Mapping[str, str]) -> Iterator[list[Listener]]:
    """Listen on all of the addresses; `unix:` without a path is left out where there is no folder for it.

    Raises:
        ServeError: one cannot be listened on, or none is left.

    """
    with contextlib.ExitStack() as stack:
        opened: list[Listener] = []
        for address in addresses:
            place = UnixAddress(usual_socket(env)) if address == UnixAddress() else address
            if place != UnixAddress():
                opened.append(open_one(place))
                stack.callback(opened[-1].close)
        if not opened:
            raise ServeError(
                "cannot listen on unix: neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR is set; give a path: unix:/PATH"
            )
        yield opened


def open_one(address: ListenAddress) -> Listener:
    """Listen on one address.

    Raises:
        ServeError: it is taken, is not this machine's, or is not allowed.

    """
    if isinstance(address, UnixAddress):
        return _open_unix(address)
    listener = open_listener(address)
    return Listener(bound_address(listener), listener)


def adopt(listener: socket.socket) -> Listener:
    """Return a socket that somebody else opened; its file is left where it is."""
    _tune(listener)
    return Listener(bound_address(listener), listener)


def bound_address(listener: socket.socket) -> ListenAddress:
    """Return where a socket listens."""
    if listener.family == socket.AF_UNIX:
        return UnixAddress(Path(os.fsdecode(listener.getsockname())))
    host, port = listener.getsockname()[:2]
    return Address(host, port)


def peer_uid(connection: socket.socket) -> int:
    """Return the user at the other end of a unix socket, as the kernel noted it when it connected."""
    _, uid, _ = PEERCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEERCRED.size))
    return int(uid)


def open_listener(address: Address) -> socket.socket:
    """Return a listening TCP socket.

    Raises:
        ServeError: the address is taken, is not this machine's, or is not allowed.

    """
    try:
        family, _, _, _, target = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(target[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        hints = {
            errno.EADDRINUSE: "another program listens there; stop it or choose another port with --listen HOST:PORT",
            errno.EADDRNOTAVAIL: "this machine has no such address; see `ip address`",
            errno.EACCES: "ports below 1024 need a privilege; choose a higher one",
        }
        what = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        hint = hints.get(error.errno or 0, "check server.listen")
        raise ServeError(f"cannot listen on {address}: {what}: {hint}") from None
    _tune(listener)
    return listener


def _tune(listener: socket.socket) -> None:
    """Set what connections inherit."""
    if listener.family != socket.AF_UNIX:
        # asyncio forgets it for sockets made this way, which costs an event 40 ms: Nagle's algorithm waits for an
        # acknowledgement that the other side delays.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        listener.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)


def _open_unix(address: UnixAddress) -> Listener:
    """Listen on a path; a socket that a dead daemon left there is replaced, anything else is left alone."""
    path = address.path
    assert path is not None
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise ServeError(
            f"cannot listen on {address}: the path is longer than {MAX_PATH_BYTES} bytes; choose a shorter"
        )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone_in(path.parent):
            _check_free(path)
            return _bind(path)
    except OSError as error:
        raise ServeError(f"cannot listen on {address}: {error.strerror}: check the folder and its rights") from None


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Let no other daemon look at and replace a socket in the same folder at the same time."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ServeError(f"another daemon is being started in {folder}: try again") from None
    finally:
        os.close(descriptor)


def _check_free(path: Path) -> None:
    """Raise ServeError when something else than a socket that nobody listens on is in the way."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ServeError(f"cannot listen on unix:{path}: there is a file that is no socket; move it or choose a path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            return
        except OSError:
            pass  # it answers badly, or not to us: it is alive, or not ours to replace
    raise ServeError(f"cannot listen on unix:{path}: another daemon listens there; stop it or choose another path")


def _bind(path: Path) -> Listener:
    """Bind beside the place and move there: at no moment may others connect, or does the path lead nowhere."""
    new = path.with_name(path.name + NEW)
    new.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(os.fspath(new))
        new.chmod(ONLY_OWNER)  # nobody can connect before `listen`
        _tune(listener)
        listener.listen(BACKLOG)
        new.replace(path)
        return Listener(UnixAddress(path), listener, path.lstat().st_ino)
    except BaseException:
        listener.close()
        new.unlink(missing_ok=True)
        raise
