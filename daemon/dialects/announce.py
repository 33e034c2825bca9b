"""Telling the local network where Wyoming is spoken, by zeroconf (extra `[zeroconf]`), as Home Assistant looks for it.

A shell around the library; nothing is told unless `wyoming.announce` is set.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from amanuensis.daemon.addresses import Address
from amanuensis.daemon.listeners import ServeError

if TYPE_CHECKING:
    from zeroconf.asyncio import AsyncZeroconf

log = logging.getLogger(__name__)

KIND: Final = "_wyoming._tcp.local."
NOT_INSTALLED: Final = "wyoming.announce needs zeroconf: pip install 'amanuensis[zeroconf]', or leave announce out"
MAX_LABEL_BYTES: Final = 63
FAR: Final = ("192.0.2.1", 9)  # of no machine (RFC 5737); nothing is sent there


def check_announcement() -> None:
    """Raise ServeError where there is nothing to announce with."""
    try:
        import zeroconf.asyncio  # noqa: F401
    except ImportError:
        raise ServeError(NOT_INSTALLED) from None


@asynccontextmanager
async def announced(addresses: Sequence[Address], interfaces: Sequence[str] | None = None) -> AsyncIterator[None]:
    """Announce these addresses, until it is left; where that cannot be, the log says why.

    Args:
        addresses: TCP addresses; for `0.0.0.0` and `::` those of this machine are told.
        interfaces: addresses of ours that it is told on; None: all.

    """
    teller = _teller(interfaces)
    if teller is None:
        yield
        return
    try:
        await _tell(teller, addresses)
        yield
    finally:
        await teller.async_unregister_all_services()
        await teller.async_close()


async def _tell(teller: AsyncZeroconf, addresses: Sequence[Address]) -> None:
    from zeroconf import Error
    from zeroconf.asyncio import AsyncServiceInfo

    host = socket.gethostname().partition(".")[0]
    try:
        for address in addresses:
            service = AsyncServiceInfo(
                KIND,
                f"{instance_name(host, address.port)}.{KIND}",
                port=address.port,
                parsed_addresses=addresses_of(address),
                server=f"{host}.local.",
            )
            await (await teller.async_register_service(service, allow_name_change=True))
    except (Error, OSError) as error:
        log.warning("wyoming: cannot be announced: %s", error)


def instance_name(host: str, port: int) -> str:
    """Return what the service of this machine is called: at most 63 bytes (RFC 6763), whatever the host is called."""
    head, tail = f"amanuensis-{host}", f"-{port}"
    return head.encode()[: MAX_LABEL_BYTES - len(tail)].decode(errors="ignore") + tail


def _teller(interfaces: Sequence[str] | None) -> AsyncZeroconf | None:
    """Return what tells on all interfaces, or on the usual one: a service in its sandbox may not ask for all of them.

    None where neither can be; the log says why.
    """
    from zeroconf import InterfaceChoice
    from zeroconf.asyncio import AsyncZeroconf

    if interfaces is not None:
        return AsyncZeroconf(interfaces=list(interfaces))
    why = ""
    for choice in (InterfaceChoice.All, InterfaceChoice.Default):
        try:
            return AsyncZeroconf(interfaces=choice)
        except OSError as error:
            why = f"{why}; {error}" if why else str(error)
    log.warning("wyoming: cannot be announced: %s", why)
    return None


def addresses_of(address: Address) -> list[str]:
    """Return the numeric addresses that others can use for one that is listened on."""
    try:
        is_unspecified = ipaddress.ip_address(address.host).is_unspecified
    except ValueError:
        found = socket.getaddrinfo(address.host, None, type=socket.SOCK_STREAM)
        return sorted({str(entry[4][0]) for entry in found})
    return own_addresses() if is_unspecified else [address.host]


def own_addresses() -> list[str]:
    """Return the addresses of this machine on its networks; its loopback address where it has no other."""
    import ifaddr

    try:
        found = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)]
    except OSError:
        found = _usual_address()
    return sorted(ip for ip in found if not ipaddress.ip_address(ip).is_loopback) or ["127.0.0.1"]


def _usual_address() -> list[str]:
    """Return the address that this machine would call others from, which asks the kernel for no list."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(FAR)
        except OSError:
            return []
        return [str(asking.getsockname()[0])]
