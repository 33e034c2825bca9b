"""Connecting to a cluster: what is missing or wrong is told in one line, and soon."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from amanuensis.daemon.cluster.runtime import ClusterError, connect
from amanuensis.daemon.config import ClusterSettings, ConfigError, load_config
from tests.helpers.daemon_process import run_command


@contextlib.contextmanager
def server(answer: bytes) -> Iterator[str]:
    """Give HOST:PORT of a server that says something else than Ray to whoever comes."""
    with socket.create_server(("", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listening.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def test_without_ray_it_says_what_to_install(tmp_path: Path, builtin_model: Path) -> None:
    """`--engine ray` where Ray is not installed is one line and status 1."""
    (tmp_path / "ray.py").write_text("raise ImportError(\"No module named 'ray'\")\n")
    done = run_command("serve", "--engine", "ray", "--listen", "127.0.0.1:0", env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Ray cannot be loaded (No module named 'ray'): pip install 'amanuensis[cluster]'" in done.stderr


def test_the_local_engine_needs_no_ray() -> None:
    """What serves, listens and transcribes on this machine imports nothing of it."""
    modules = "pipeline", "lifecycle", "commands.serve", "commands.listen", "commands.transcribe", "commands.cluster"
    imports = "\n".join(f"import amanuensis.daemon.{module}" for module in modules)
    script = f"{imports}\nimport sys\nprint([name for name in sys.modules if name.split('.')[0] == 'ray'])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=100)
    assert done.stdout.strip() == "[]"


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port on which nobody listens is named, with what to do."""
    pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with socket.create_server(("", 0)) as taken:
        free = f"127.0.0.1:{taken.getsockname()[1]}"
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ClusterError, match=r"no Ray cluster answers at .*refused.*ray start --head"):
        connect(free)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 hello\r\n", b""])
def test_somebody_else_there(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is no Ray cluster is told from one at once."""
    pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with server(answer) as address, pytest.raises(ClusterError, match="is no Ray cluster"):
        connect(address)


@pytest.mark.parametrize("address", ["", "host", "host:", ":6379", "host:0", "host:70000", "ray://host:10001x"])
def test_an_address_that_is_none(address: str) -> None:
    """The setting is checked before anything is connected."""
    with pytest.raises(ConfigError, match=r"\[cluster\] address .* is not allowed: give auto or HOST:PORT"):
        load_config({"cluster.address": address}, {}, [])


def test_addresses() -> None:
    """`auto`, names and numbers are taken."""
    assert [ClusterSettings(it).address for it in ("auto", "head:6379", "[::1]:1")] == ["auto", "head:6379", "[::1]:1"]
