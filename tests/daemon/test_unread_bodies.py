"""What is shown of a request that has a body."""

from __future__ import annotations

import pytest

from amanuensis.daemon.unread_bodies import MAX_HEAD_BYTES, HeadFilter

POST = b"POST /v1/listen HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\nX: y\r\n\r\n"
HEAD = b"POST /v1/listen HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n"


@pytest.mark.parametrize("step", [1, 7, 10**6])
@pytest.mark.parametrize("body", [b"", b"hello", b"x" * 10**5, b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"])
def test_a_body_is_not_shown(step: int, body: bytes) -> None:
    """However it is cut, the head is shown once, without what tells of a body, and nothing behind it."""
    taken, sent = HeadFilter(), POST + body
    assert b"".join(taken.take(sent[at : at + step]) for at in range(0, len(sent), step)) == HEAD


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"PROPFIND"])
def test_any_method_may_have_one(method: bytes) -> None:
    """Also those that usually have none."""
    assert HeadFilter().take(POST.replace(b"POST", method) + b"hello") == HEAD.replace(b"POST", method)


UPGRADE = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n\x81\x80"


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\n\r\nx", b"\x16\x03\x01\r\n\r\n", b"poster / x\r\n\r\n", b"A" * 30, UPGRADE]
)
@pytest.mark.parametrize("step", [1, 1000])
def test_everything_else_is_shown_whole(sent: bytes, step: int) -> None:
    """Requests without a body, WebSockets, whose frames follow, and what is no request."""
    taken = HeadFilter()
    assert b"".join(taken.take(sent[at : at + step]) for at in range(0, len(sent), step)) == sent


def test_a_head_that_does_not_end_is_not_kept() -> None:
    """It is left to whoever reads heads and has limits for them."""
    taken, shown = HeadFilter(), b""
    for _ in range(MAX_HEAD_BYTES // 64 + 2):
        shown += taken.take(b"POST " + b"x" * 59)
    assert len(shown) > MAX_HEAD_BYTES
