"""One browser for all tests of pages; each test finds it empty."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.helpers.browser import Tab, browser_path, open_tab


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tab]:
    """A browser that goes on from test to test, because it takes longer to start than most of them."""
    if browser_path() is None:
        pytest.skip("no chromium: apt-get install chromium")
    async with open_tab(tmp_path_factory.mktemp("browser")) as tab:
        yield tab


@pytest_asyncio.fixture(loop_scope="session")
async def tab(browser: Tab) -> Tab:
    """An empty page."""
    await browser.go("about:blank")
    await browser.call("Network.clearBrowserCookies")
    await browser.call("Emulation.clearDeviceMetricsOverride")
    await browser.call("Emulation.setEmulatedMedia", features=[])
    browser.problems.clear()
    return browser
