"""Clients that send and do not read cannot make the daemon grow."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from amanuensis.daemon.client import PROTO, Hello, connect
from tests.helpers.daemon_process import MONO_16K, DaemonProcess, caption, check_whole

N_STALLED = 8
KERNEL_BYTES = 4096  # of our own receive buffer
FLOOD = 5_000_000  # messages of each: 400 MB, far more than the buffers of the kernel take before the daemon notices
SLACK_BYTES = 24 << 20  # over all of them; 4 MiB of events each would be 32


def resident_bytes(daemon: DaemonProcess) -> int:
    """Return the memory that the daemon's own process has, its engine not counted."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return 1024 * int(found[1])


class Stalled:
    """A client over a plain socket that never reads what it is told."""

    def __init__(self, url: str, hello: dict[str, object]) -> None:
        uri = parse_uri(url)
        self._protocol = ClientProtocol(uri, subprotocols=[Subprotocol(PROTO)])
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)
        self._socket.connect((uri.host, uri.port))
        self._protocol.send_request(self._protocol.connect())
        self._socket.sendall(b"".join(self._protocol.data_to_send()))
        self._protocol.receive_data(self._socket.recv(KERNEL_BYTES))
        self._protocol.send_text(json.dumps(hello).encode())
        self._socket.sendall(b"".join(self._protocol.data_to_send()))

    def flood(self, frame: dict[str, object]) -> int:
        """Send a message again and again until the daemon has closed the connection; return how often."""
        data = json.dumps(frame).encode()
        for n in range(FLOOD):
            try:
                self._protocol.send_text(data)
                self._socket.sendall(b"".join(self._protocol.data_to_send()))
            except (OSError, ConnectionClosed):
                return n
        return FLOOD

    def close(self) -> None:
        """Let go of it."""
        self._socket.close()


async def test_readers_that_stall_do_not_cost_memory(daemon: DaemonProcess, speech: NDArray[np.float32]) -> None:
    """Eight clients ask and ask and read no answer: each is closed, memory stays, and a speaker is served."""
    check_whole(await caption(daemon.url, speech))
    before = resident_bytes(daemon)
    hello: dict[str, object] = {"type": "hello", "proto": PROTO, "role": "watch"}
    async with connect(daemon.url, Hello(audio=MONO_16K)) as host:
        url = daemon.url.replace("/v1/session", f"/v1/watch/{host.session}")
        clients = [await asyncio.to_thread(Stalled, url, hello) for _ in range(N_STALLED)]
        floods = [asyncio.to_thread(client.flood, {"type": "ping", "id": "x" * 60}) for client in clients]
        counts = await asyncio.gather(*floods)
        check_whole(await caption(daemon.url, speech))
        grown = resident_bytes(daemon) - before
        for client in clients:
            client.close()
        await host.end()
        assert [event["type"] async for event in host][-1] == "bye"
    print(f"{N_STALLED} stalled clients, {sum(counts)} messages: {grown / 2**20:.1f} MiB more")
    assert max(counts) < FLOOD
    assert grown < SLACK_BYTES
