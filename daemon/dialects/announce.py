"""Telling the local network where Wyoming is spoken, by zeroconf (extra `[zeroconf]`), as Home Assistant looks for it.

A shell around the library; nothing is told unless `wyoming.announce` is set.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from amanuensis.daemon.addresses import Address
from amanuensis.daemon.listeners import ServeError

log = logging.getLogger(__name__)

KIND: Final = "_wyoming._tcp.local."
NOT_INSTALLED: Final = "wyoming.announce needs zeroconf: pip install 'amanuensis[zeroconf]', or leave announce out"


def check_announcement() -> None:
    """Raise ServeError where there is nothing to announce with."""
    try:
        import zeroconf.asyncio  # noqa: F401
    except ImportError:
        raise ServeError(NOT_INSTALLED) from None


@asynccontextmanager
async def announced(addresses: Sequence[Address], interfaces: Sequence[str] | None = None) -> AsyncIterator[None]:
    """Announce these addresses, until it is left.

    Args:
        addresses: TCP addresses; for `0.0.0.0` and `::` those of this machine are told.
        interfaces: addresses of ours that it is told on; None: all.

    """
    from zeroconf import InterfaceChoice
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

    name = socket.gethostname().partition(".")[0]
    services = [
        AsyncServiceInfo(
            KIND,
            f"amanuensis-{name}-{address.port}.{KIND}",
            port=address.port,
            parsed_addresses=addresses_of(address),
            server=f"{name}.local.",
        )
        for address in addresses
    ]
    try:
        teller = AsyncZeroconf(interfaces=list(interfaces) if interfaces is not None else InterfaceChoice.All)
    except OSError as error:  # a service that may not ask for the machine's addresses
        log.warning("wyoming: cannot be announced: %s; in a service allow RestrictAddressFamilies=AF_NETLINK", error)
        yield
        return
    try:
        for service in services:
            await (await teller.async_register_service(service, allow_name_change=True))
        yield
    finally:
        await teller.async_unregister_all_services()
        await teller.async_close()


def addresses_of(address: Address) -> list[str]:
    """Return the numeric addresses that others can use for one that is listened on."""
    host = address.host
    try:
        if not ipaddress.ip_address(host).is_unspecified:
            return [host]
    except ValueError:
        pass
    wanted = socket.gethostname() if host in ("0.0.0.0", "::") else host
    found = socket.getaddrinfo(wanted, None, type=socket.SOCK_STREAM)
    return sorted({str(entry[4][0]) for entry in found})
