"""Requests with a body: the WebSocket library would hang up on them without a word, so it is shown their head only.

Nobody here reads a body. What comes behind the head is thrown away, so that the client can read its answer.
"""

from __future__ import annotations

import re
from typing import Final

from websockets.asyncio.server import ServerConnection

END: Final = b"\r\n\r\n"  # of a head
MAX_HEAD_BYTES: Final = 16_384  # longer ones are for the library, which has limits of its own
REQUEST: Final = re.compile(rb"[A-Z]{1,20}(?: .*)?", re.DOTALL)  # or the beginning of one
UPGRADE: Final = re.compile(rb"^upgrade:", re.IGNORECASE | re.MULTILINE)
OF_BODIES: Final = (b"content-length", b"transfer-encoding", b"expect")


class HeadFilter:
    """Cuts the body off the first request of a connection. Pure."""

    def __init__(self) -> None:
        self._head: bytearray | None = bytearray()  # until it is whole, or no head
        self._had_body = False

    def take(self, data: bytes) -> bytes:
        """Return what of the bytes that came is to be read, now or with those before."""
        if self._had_body:
            return b""
        if self._head is None:
            return data
        self._head += data
        came = bytes(self._head)
        head, end, _ = came.partition(END)
        if not end and len(head) <= MAX_HEAD_BYTES and REQUEST.fullmatch(head):
            return b""
        self._head = None
        bare = _without_body(head) + end
        self._had_body = bool(end) and len(bare) < len(head + end) and not UPGRADE.search(head)
        return bare if self._had_body else came


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
