"""What a service manager hands to the process that it starts, taken out of the environment once."""

from __future__ import annotations

import socket
from collections.abc import MutableMapping
from dataclasses import dataclass, field

from amanuensis.daemon.service.activation import inherited_sockets
from amanuensis.daemon.service.notify import Notifier
from amanuensis.daemon.service.watchdog import watchdog_interval_s


@dataclass(frozen=True, slots=True)
class Manager:
    """A service manager as the daemon sees it; the default is none.

    Attributes:
        notifier: tells it how we are.
        watchdog_s: it ends us after so long without a ping; None: it does not watch.
        sockets: that it opened for us, listening; they take the place of `server.listen`.

    """

    notifier: Notifier = field(default_factory=Notifier)
    watchdog_s: float | None = None
    sockets: tuple[socket.socket, ...] = ()

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str], pid: int) -> Manager:
        """Read and remove its variables, so that no child process takes them for its own.

        Args:
            environ: of this process.
            pid: of this process.

        Raises:
            ActivationError: a socket cannot be served.

        """
        notifier = Notifier.from_environment(environ)
        watchdog_s = watchdog_interval_s(environ, pid) if notifier.is_heard else None
        return cls(notifier, watchdog_s, tuple(one.socket for one in inherited_sockets(environ, pid)))
