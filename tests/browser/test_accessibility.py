"""The captions page for everybody: an audit with axe-core, and what a screen reader gets."""

from __future__ import annotations

import pytest

from tests.helpers.axe import axe_script, violations
from tests.helpers.browser import Tab
from tests.helpers.captions_page import COMMITTED, STATE, click, type_into
from tests.helpers.daemon_client import connected, cut, hello, pcm, running
from tests.helpers.tone_engine import say

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHUNKS = cut(pcm(say([0, 1, 2, 3, 4, 5, 6])), [3200])
LIVE = "document.getElementById('text').getAttribute('aria-live')"
# Eight speakers, a note, a partial text and the login, beside what stands on the page anyway.
EVERYTHING = """Promise.all([import("/page/session_model.js"), import("/page/transcript_view.js")]).then(([m, v]) => {
  const model = new m.SessionModel(), view = new v.TranscriptView(document.getElementById("text"));
  model.begin("a");
  for (let i = 0; i < 8; i++) view.apply(model.take({ type: "commit", seq: i + 1, utt: i,
    words: [{ text: " words of a speaker", from: 9000 * i, to: 9000 * i + 1, conf: 1, spk: `Speaker ${i}` }] }));
  view.apply(model.take({ type: "warning", seq: 9, code: "x", message: "a note" }));
  view.apply(model.take({ type: "partial", utt: 9, rev: 1, text: " still uncertain", from: 0, to: 1 }));
  document.getElementById("login").hidden = false;
})"""


@pytest.mark.parametrize("theme", ["light", "dark", "contrast"])
async def test_page_passes_the_audit(tab: Tab, theme: str) -> None:
    """In every theme, on a wide and on a narrow screen, axe finds nothing against WCAG 2.2 AA."""
    if axe_script() is None:
        pytest.skip("axe-core is not there, and npm could not fetch it")
    async with running() as (_, address):
        await tab.go(f"http://{address}/captions")
        await tab.value(EVERYTHING)
        await tab.value(type_into("theme", theme, "change"))
        await tab.value(type_into("query", "words"))
        assert await violations(tab) == []
        await tab.call("Emulation.setDeviceMetricsOverride", width=360, height=640, deviceScaleFactor=1, mobile=True)
        assert await violations(tab) == []
        assert await tab.value("document.documentElement.scrollWidth") <= 360
        assert await tab.value("document.getElementById('page').clientHeight") > 150


async def test_only_what_is_committed_is_read_out(tab: Tab) -> None:
    """The live region gets each committed word once, as new elements; the text that still changes is hidden from it."""
    async with running() as (_, address), connected(address, hello()) as speaker:
        await speaker.until(type="ready")
        await tab.go(f"http://{address}/captions")
        await tab.until(f"{STATE} === 'live'")
        await tab.until(f"{LIVE} === 'polite'")
        await tab.value(WATCH_REGION)
        for chunk in CHUNKS:
            await speaker.send(chunk)
        await speaker.send({"type": "end"})
        await speaker.over()
        await tab.until(f"{STATE} === 'ended (end)'")
        text = await tab.value(COMMITTED)
        assert (await tab.value("spoken.join('')")).split() == text.split()
        await tab.value(click("announce"))
        assert await tab.value(LIVE) == "off"


# Collects what is added to the live region and not hidden, as a screen reader that reads additions out does.
WATCH_REGION = """{
  globalThis.spoken = [];
  const visible = (node) => node.nodeType === Node.TEXT_NODE ? node.data
    : node.ariaHidden === "true" ? "" : [...node.childNodes].map(visible).join("");
  new MutationObserver((changes) => {
    for (const { addedNodes, target } of changes)
      if (!target.closest("[aria-hidden=true]")) spoken.push(...[...addedNodes].map(visible));
  }).observe(document.getElementById("text"), { childList: true, subtree: true });
}"""
