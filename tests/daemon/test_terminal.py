"""Output to a terminal that was closed."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

WRITES = """
import signal, sys
from amanuensis.daemon.terminal import outlive_terminal
signal.signal(signal.SIGHUP, signal.SIG_IGN)
outlive_terminal()
print("here", flush=True)
sys.stdin.read()
print("gone", flush=True)
print("gone", file=sys.stderr, flush=True)
sys.exit(7)
"""


def test_what_is_written_after_a_terminal_was_closed_is_dropped() -> None:
    """A write does not fail, so whoever writes ends as the signal asks."""
    terminal, end = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", WRITES], stdin=subprocess.PIPE, stdout=end, stderr=end)
    os.close(end)
    assert os.read(terminal, 100) == b"here\r\n"
    os.close(terminal)
    process.communicate()
    assert process.returncode == 7
