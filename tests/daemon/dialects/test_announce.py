"""The announcement of Wyoming, found by a browser of the same network as Home Assistant looks for it."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from ipaddress import ip_address

import ifaddr
import pytest
from zeroconf import ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from amanuensis.daemon.addresses import Address
from amanuensis.daemon.dialects.announce import KIND, addresses_of, announced, instance_name

LOOPBACK = ["127.0.0.1"]
PORT = 20_000 + os.getpid() % 40_000  # stands in the name: another run of this test must not have the same


async def test_the_address_is_found_and_taken_back() -> None:
    """Who looks for Wyoming finds host and port, and hears when it is gone."""
    found: asyncio.Queue[tuple[str, ServiceStateChange]] = asyncio.Queue()

    def note(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if name.endswith(f"-{PORT}.{KIND}"):
            found.put_nowait((name, state_change))

    seeker = AsyncZeroconf(interfaces=LOOPBACK)
    browser = AsyncServiceBrowser(seeker.zeroconf, KIND, handlers=[note])
    try:
        async with announced([Address("127.0.0.1", PORT)], LOOPBACK):
            name, change = await found.get()
            assert change is ServiceStateChange.Added
            info = AsyncServiceInfo(KIND, name)
            assert await info.async_request(seeker.zeroconf, 60_000)
            assert (info.port, info.parsed_addresses()) == (PORT, LOOPBACK)
        while change is not ServiceStateChange.Removed:
            _, change = await found.get()
    finally:
        await browser.async_cancel()
        await seeker.async_close()


def test_a_name_is_told_as_its_addresses() -> None:
    """Others cannot use `localhost`, or "all addresses"."""
    assert "127.0.0.1" in addresses_of(Address("localhost", 1))
    assert "0.0.0.0" not in addresses_of(Address("0.0.0.0", 1))


def test_all_addresses_are_told_as_those_that_others_can_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is told only where there is nothing else, and a kernel that gives no list is asked another way."""
    told = addresses_of(Address("0.0.0.0", 1))
    assert told
    assert told == ["127.0.0.1"] or not any(ip_address(address).is_loopback for address in told)

    def refuse() -> None:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr(ifaddr, "get_adapters", refuse)
    assert set(addresses_of(Address("0.0.0.0", 1))) <= {*told, "127.0.0.1"}


@pytest.mark.parametrize("host", ["pc", "h" * 63, "ü" * 31])
def test_a_name_is_short_enough_whatever_the_host_is_called(host: str) -> None:
    """And keeps the port, by which two daemons of a machine are told apart."""
    name = instance_name(host, 10300)
    assert len(name.encode()) <= 63
    assert name.startswith(f"amanuensis-{host[:20]}")
    assert name.endswith("-10300")


async def test_a_name_that_cannot_be_told_does_not_stop_the_daemon(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A host may be called what no zeroconf name can be."""
    monkeypatch.setattr(socket, "gethostname", lambda: "a\x01b")
    async with announced([Address("127.0.0.1", PORT)], LOOPBACK):
        pass
    assert "wyoming: cannot be announced: " in caplog.text


async def test_where_nothing_can_be_told_the_daemon_runs_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says why."""

    def refuse(**_: object) -> None:
        raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr("zeroconf.asyncio.AsyncZeroconf", refuse)
    async with announced([Address("127.0.0.1", 10399)]):
        pass
    assert "wyoming: cannot be announced: [Errno 19] No such device" in caplog.text
