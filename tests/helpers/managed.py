"""A service manager's end of `amanuensis serve`: sockets opened before, datagrams of sd_notify, signals."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.helpers.daemon_process import COMMAND, START_LIMIT_S

# Sockets come as descriptors 3, 4, ... and LISTEN_PID is that of the program itself: what systemd does before it.
LAUNCHER = """
import os, sys
count = int(sys.argv[1])
for number, descriptor in enumerate(map(int, sys.argv[2:2 + count]), 3):
    os.dup2(descriptor, number, inheritable=True)
if count:
    os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2 + count], sys.argv[2 + count:])
"""


@dataclass
class Managed:
    """A daemon under our management.

    Attributes:
        process: of it.
        told: the assignments of every datagram so far, in order.

    """

    process: subprocess.Popen[str]
    told: list[dict[str, str]] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _seen: int = 0

    def listen(self, notify: socket.socket) -> None:
        """Take datagrams until the socket is shut down."""
        while data := notify.recv(65536):
            with self._news:
                self.told.append(dict(line.split("=", 1) for line in data.decode().split("\n")))
                self._news.notify_all()

    def until(self, name: str, text: str = "") -> str:
        """Wait for the next assignment of a name whose value holds a text, and return the value."""

        def found() -> bool:
            while self._seen < len(self.told):
                self._seen += 1
                datagram = self.told[self._seen - 1]
                if name in datagram and text in datagram[name]:
                    return True
            return False

        with self._news:
            assert self._news.wait_for(found, START_LIMIT_S), f"no {name}={text}: {self.told}"
            return self.told[self._seen - 1][name]

    def stop(self, number: int) -> tuple[int, str, str]:
        """Send a signal and return exit status, output and errors."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=START_LIMIT_S)
        return self.process.returncode, out, err


@contextlib.contextmanager
def managed(
    model: Path, folder: Path, sockets: Sequence[socket.socket] = (), flags: Sequence[str] = (), **env: str
) -> Iterator[Managed]:
    """Start a daemon as a service manager would; it is killed at the end if it still runs."""
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(folder / "notify"))
    serve = [*COMMAND, "serve", "--model", str(model), "--threads", "1", *flags]
    descriptors = [str(one.fileno()) for one in sockets]
    passed = {"LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": "amanuensis"} if sockets else {}
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(len(sockets)), *descriptors, *serve],
        env=os.environ | {"NOTIFY_SOCKET": str(folder / "notify")} | passed | env,
        pass_fds=[one.fileno() for one in sockets],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    found = Managed(process)
    listener = threading.Thread(target=found.listen, args=[notify])
    listener.start()
    try:
        yield found
    finally:
        process.kill()
        process.communicate()
        notify.shutdown(socket.SHUT_RDWR)
        listener.join()
        notify.close()
