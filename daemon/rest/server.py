"""The ASGI server that the REST application runs on, in the daemon's own loop and behind its gate."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import uvicorn

from amanuensis.daemon.addresses import Address
from amanuensis.daemon.dialects.settings import RestSettings
from amanuensis.daemon.gate import GuardedSocket
from amanuensis.daemon.listeners import Listener
from amanuensis.daemon.pipeline import Pipeline
from amanuensis.daemon.rest.app import rest_app
from amanuensis.daemon.rest.guard import Guard
from amanuensis.daemon.rest.protocol import PromptProtocol
from amanuensis.daemon.server import Daemon

HEADER_BYTES: Final = 16_384
STOP_S: Final = 2  # whole seconds, for requests that are being served


class QuietServer(uvicorn.Server):
    """A server that leaves signals to the daemon."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield


class RestServer:
    """Serves the REST application beside a daemon.

    Args:
        daemon: whose rules hold.
        pipeline: what runs, with the settings of now.
        settings: limits.

    """

    def __init__(self, daemon: Daemon, pipeline: Callable[[], Pipeline], settings: RestSettings) -> None:
        self.daemon = daemon
        self._settings = settings
        self._app = rest_app(pipeline, settings, self._count)
        self._running: list[tuple[uvicorn.Server, asyncio.Task[None]]] = []

    async def listen(self, listener: Listener) -> None:
        """Serve the connections of one socket."""
        door = listener.address
        guarded = GuardedSocket(fileno=listener.socket.detach())
        guarded.guard(door, self.daemon.gate)
        guard = Guard(self._app, door, self._settings, self.daemon.reception.refuse_elsewhere, self.daemon.metrics)
        server = QuietServer(self._config(guard))
        server.config.load()
        if self.daemon.security.tls is not None and isinstance(door, Address):
            server.config.ssl = self.daemon.security.tls.context
        self._running.append((server, asyncio.create_task(server.serve(sockets=[guarded]))))
        while not server.started:  # it has no other way to say so
            if self._running[-1][1].done():
                self._running[-1][1].result()
            await asyncio.sleep(0)

    def _count(self, seconds: float) -> None:
        self.daemon.metrics.files.inc()
        self.daemon.metrics.file_s.inc(seconds)

    def _config(self, app: Any) -> uvicorn.Config:
        limits, refused = self.daemon.config.limits, self.daemon.metrics.refused.labels("rest_400")
        rules = {"hello_s": limits.hello_s, "on_refused": staticmethod(refused.inc)}
        protocol = type("Prompt", (PromptProtocol,), rules)
        return uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            lifespan="off",
            loop="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # nobody may say that it is somebody else
            server_header=False,
            h11_max_incomplete_event_size=HEADER_BYTES,
            timeout_graceful_shutdown=STOP_S,
        )

    async def aclose(self) -> None:
        """Listen no more; what is being served is cut off after a while."""
        for server, _ in self._running:
            server.should_exit = True
        await asyncio.gather(*(task for _, task in self._running), return_exceptions=True)
