"""Deepgram's protocol from a page in a real browser, which can show its key in a subprotocol only."""

from __future__ import annotations

import pytest

from tests.helpers.browser import Tab
from tests.helpers.daemon_client import running

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOKEN = "a-token-of-thirty-two-characters"
SPEAK = """new Promise((done) => {
  const socket = new WebSocket(`ws://${location.host}/v1/listen?encoding=linear16&sample_rate=16000`, ["token", %s]);
  const told = [];
  socket.onopen = () => { socket.send(new Uint8Array(3200)); socket.send('{"type": "CloseStream"}'); };
  socket.onmessage = (message) => told.push(JSON.parse(message.data).type);
  socket.onclose = (event) => done([socket.protocol, told, event.code]);
})"""


async def test_a_page_logs_in_by_subprotocol(tab: Tab) -> None:
    """`token` is echoed, as browsers want it; with a wrong key there is no connection."""
    async with running(token=TOKEN) as (_, address):
        await tab.go(f"http://{address}/captions")
        assert await tab.value(SPEAK % f"'{TOKEN}'") == ["token", ["Metadata"], 1000]
        assert await tab.value(SPEAK % "'wrong'") == ["", [], 1006]
