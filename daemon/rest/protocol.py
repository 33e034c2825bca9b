"""The connections of the ASGI server: bounded in time, and answered in the form of the API whatever they bring."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from amanuensis.daemon.rest.errors import RestError

for library in ("uvicorn.error", "python_multipart"):  # a line for each mistake of each client; ours counts them
    logging.getLogger(library).setLevel(logging.ERROR)

NO_REQUEST: Final = "this is no HTTP/1.1 request that can be read"
NO_BODY: Final = "the body of the request is no HTTP/1.1 that can be read"
BROKEN_OFF: Final = "the upload broke off before its end; send the file again"


class PromptProtocol(H11Protocol):
    """Connections whose request must be there in time: the server itself would wait for ever for its first line.

    Attributes:
        hello_s: the time.
        on_refused: called when a request is refused that the application does not know of.

    """

    hello_s: float = 5.0
    on_refused: Callable[[], None] = staticmethod(lambda: None)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, and look after a while whether there is a request."""
        super().connection_made(transport)
        self.loop.call_later(self.hello_s, self._leave_if_mute)

    def eof_received(self) -> None:
        """Tell who closes its side in the middle of an upload; who has sent it whole and closes wants no answer."""
        if self.cycle is not None and self.cycle.more_body:
            self._refuse(BROKEN_OFF)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the server's words
        """Refuse what the server says cannot be read."""
        if self.cycle is None:
            self.on_refused()
        self._refuse(NO_REQUEST if self.cycle is None else NO_BODY)

    def _refuse(self, why: str) -> None:
        """Say why and close; a request that is being answered already is cut off."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps(RestError(400, why).to_map()).encode()
            headers = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
            start = h11.Response(status_code=400, headers=[*headers.items()], reason=b"Bad Request")
            for event in (start, h11.Data(body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _leave_if_mute(self) -> None:
        if self.cycle is None:
            self.transport.abort()
