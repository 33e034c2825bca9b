"""Who may come in: the token, and for browsers the page that sends them.

Pure. A browser sends any page's requests to a daemon on loopback, so the Host and the Origin are checked there.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from urllib.parse import urlsplit

from websockets.datastructures import Headers

from amanuensis.daemon.config import Address


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer in place of what was asked for."""

    status: int
    why: str


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one daemon.

    Attributes:
        address: where it listens.
        token: what clients must show, or None.
        origins: web pages of other origins that may connect.

    """

    address: Address
    token: str | None
    origins: tuple[str, ...]

    def refuse(self, headers: Headers) -> Refusal | None:
        """Return why a request is refused whoever sends it, or None."""
        host, origin = headers.get("Host", ""), headers.get("Origin")
        if self.address.is_loopback and not _is_local(host) and not self._is_listed_host(host):
            # A name that leads here by a trick of DNS would pass for the same origin.
            return Refusal(421, f"Host {host!r} is not a name of this machine's loopback address")
        if origin is not None and origin not in self.origins and not _is_same(origin, host):
            return Refusal(403, f"Origin {origin!r} may not connect; allow it with server.origins")
        if self.token is not None and "Authorization" in headers and not self.is_authorized(headers):
            return Refusal(401, "Authorization is not `Bearer TOKEN` with the token of this server")
        return None

    def is_authorized(self, headers: Headers) -> bool:
        """Whether a request carries the token, or none is asked for."""
        if self.token is None:
            return True
        values = headers.get_all("Authorization")
        scheme, _, value = values[0].partition(" ") if len(values) == 1 else ("", "", "")
        same = hmac.compare_digest(value.strip().encode("utf-8", "surrogateescape"), self.token.encode())
        return scheme.lower() == "bearer" and same

    def _is_listed_host(self, host: str) -> bool:
        return any(urlsplit(origin).netloc == host for origin in self.origins)


def _is_local(host: str) -> bool:
    """Whether a Host header names loopback; one that is missing comes from no browser."""
    if not host:
        return True
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return Address(name, 0).is_loopback or name.endswith(".localhost")


def _is_same(origin: str, host: str) -> bool:
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
