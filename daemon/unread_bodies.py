"""Requests with a body: the WebSocket library would hang up on them without a word, so it is shown their head only.

Nobody here reads a body. What comes behind the head is thrown away, so that the client can read its answer.
"""

from __future__ import annotations

from typing import Final

from websockets.asyncio.server import ServerConnection

END: Final = b"\r\n\r\n"  # of a head
MAX_HEAD_BYTES: Final = 16_384  # longer ones are for the library, which has limits of its own
OF_BODIES: Final = (b"content-length", b"transfer-encoding", b"expect")
METHODS: Final = (b"POST ", b"PUT ", b"PATCH ", b"DELETE ", b"OPTIONS ")  # whose requests may have a body


class HeadFilter:
    """Cuts the body off the first request of a connection, if its method may have one. Pure."""

    def __init__(self) -> None:
        self._head: bytearray | None = bytearray()  # until it is known what comes
        self._is_whole = False  # there was a body

    def take(self, data: bytes) -> bytes:
        """Return what of the bytes that came is to be read, now or with those before."""
        if self._is_whole:
            return b""
        if self._head is None:
            return data
        self._head += data
        head, end, _ = bytes(self._head).partition(END)
        may_have_one = any(method.startswith(head[: len(method)]) for method in METHODS)
        if not may_have_one or len(head) > MAX_HEAD_BYTES:
            head, self._head = bytes(self._head), None
            return head
        if not end:
            return b""
        self._head, self._is_whole = None, True
        return _without_body(head) + end


def _without_body(head: bytes) -> bytes:
    """Return the head of a request without the fields that tell of a body."""
    return b"\r\n".join(line for line in head.split(b"\r\n") if line.partition(b":")[0].lower() not in OF_BODIES)


class HttpConnection(ServerConnection):
    """A connection whose request may have any method, and a body."""

    _filter: HeadFilter | None = None

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._filter = self._filter or HeadFilter()
        if read := self._filter.take(data):
            super().data_received(read)
