"""Sockets that the service manager opened before the daemon was started: sd_listen_fds(3).

Whoever connects before the daemon is up waits in the socket's queue and is served once it is.
"""

from __future__ import annotations

import socket
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final

FIRST_FD: Final = 3  # SD_LISTEN_FDS_START
MAX_FDS: Final = 64  # nobody passes more by intention
FAMILIES: Final = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


class ActivationError(Exception):
    """The manager passed something that cannot be served; the message says which and what to change."""


@dataclass(frozen=True, slots=True)
class Inherited:
    """A listening socket of the manager's.

    Attributes:
        name: what the unit calls it (FileDescriptorName=), else the unit's name, else "unknown".
        socket: not blocking, and closed in every child process.

    """

    name: str
    socket: socket.socket


def inherited_sockets(environ: MutableMapping[str, str], pid: int) -> list[Inherited]:
    """Take over the sockets that were passed to this process, and take their variables out of the environment.

    Args:
        environ: of this process: LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES.
        pid: of this process; sockets that are meant for another one are left alone.

    Raises:
        ActivationError: a variable is not a number, or a descriptor is no stream socket that listens.

    """
    count, owner = environ.pop("LISTEN_FDS", ""), environ.pop("LISTEN_PID", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if not count or not owner:
        return []
    if not (count.isascii() and count.isdigit() and owner.isascii() and owner.isdigit()):
        raise ActivationError(f"LISTEN_FDS {count!r} and LISTEN_PID {owner!r} must be numbers; unset both")
    if int(owner) != pid:
        return []
    if int(count) > MAX_FDS:
        raise ActivationError(f"LISTEN_FDS {count} is not allowed: at most {MAX_FDS} sockets; remove Listen lines")
    names += ["unknown"] * (int(count) - len(names))
    return [take_over(FIRST_FD + i, names[i] or "unknown") for i in range(int(count))]


def take_over(descriptor: int, name: str) -> Inherited:
    """Return the listening socket behind a descriptor.

    Raises:
        ActivationError: it is something else.

    """
    try:
        listener = socket.socket(fileno=descriptor)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ActivationError(f"descriptor {descriptor} ({name}) from LISTEN_FDS is not a socket: {why}") from None
    listens = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if listener.family not in FAMILIES or listener.type != socket.SOCK_STREAM or not listens:
        listener.detach()
        raise ActivationError(
            f"socket {name!r} (descriptor {descriptor}) cannot be served: it must be a TCP or unix stream socket that "
            "listens; use ListenStream= with Accept=no in the .socket unit"
        )
    listener.set_inheritable(False)
    listener.setblocking(False)
    return Inherited(name, listener)
