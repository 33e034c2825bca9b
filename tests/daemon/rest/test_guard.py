"""How long the REST API waits for its clients."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message

from amanuensis.daemon.dialects.settings import RestSettings
from amanuensis.daemon.rest.errors import RestError
from amanuensis.daemon.rest.guard import Incoming, Outgoing

SETTINGS = RestSettings("127.0.0.1:0", stall_s=0.1)


async def never(*_: object) -> Message:
    """Stall."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError


async def test_a_client_that_does_not_read_is_left() -> None:
    """Sending ends with an error that ends the request, and what it holds."""
    sent = Outgoing(never, Incoming(never, SETTINGS), SETTINGS.stall_s)  # type: ignore[arg-type]  # it returns never
    with pytest.raises(RestError, match="does not read"):
        await sent({"type": "http.response.start", "status": 200, "headers": []})


async def test_a_client_that_does_not_send_is_left() -> None:
    """An upload that stalls is 408."""
    with pytest.raises(RestError, match=r"nothing came for 0\.1 s") as refused:
        await Incoming(never, SETTINGS)()
    assert refused.value.status == 408


async def test_a_client_that_sends_next_to_nothing_is_left() -> None:
    """A byte now and then would hold a place for ever."""

    async def trickle() -> Message:
        await asyncio.sleep(SETTINGS.stall_s / 10)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def upload() -> None:
        incoming = Incoming(trickle, SETTINGS)
        while not incoming.is_whole:
            await incoming()

    with pytest.raises(RestError, match=r"less than 2000 bytes a second") as refused:
        await upload()
    assert refused.value.status == 408


async def test_after_the_upload_nobody_is_hurried() -> None:
    """The end of the connection may be as far away as the answer."""
    incoming = Incoming(never, SETTINGS)
    incoming.is_whole = True
    waiting = asyncio.create_task(incoming())
    done, _ = await asyncio.wait({waiting}, timeout=3 * SETTINGS.stall_s)
    waiting.cancel()
    assert not done
