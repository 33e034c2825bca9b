"""Who may come in, and what for: the place that somebody comes from, tokens, and for browsers the page that sends them.

Pure. A browser sends any page's requests to a daemon on loopback, so the Host and the Origin are checked there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers

from amanuensis.daemon.addresses import Address, ListenAddress, UnixAddress
from amanuensis.daemon.logins import COOKIE, Logins
from amanuensis.daemon.request_target import split_target
from amanuensis.daemon.tokens import ALL_ROLES, Role, Token, TokenTable

IN_SESSIONS: Final[frozenset[Role]] = frozenset(("watch", "speak"))


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer in place of what was asked for."""

    status: int
    why: str


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection.

    Attributes:
        door: the address of ours that it came to.
        host: its own address; "" on a unix socket.
        uid: its user, on a unix socket.

    """

    door: ListenAddress
    host: str = ""
    uid: int | None = None

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine."""
        return self.uid is not None or Address(self.host, 0).is_loopback

    @property
    def shared_key(self) -> str | None:
        """The same, where clients are told apart: not among those of this machine that come over TCP."""
        return None if self.is_here and self.uid is None else self.key

    @property
    def key(self) -> str:
        """What its connections and failures are counted by; IPv6 gives each network of a customer 2^64 addresses."""
        if self.uid is not None:
            return f"uid {self.uid}"
        try:
            address = ipaddress.ip_address(self.host.partition("%")[0])
        except ValueError:
            return self.host
        if address.version == 6 and address.ipv4_mapped is None and not address.is_loopback:
            return str(ipaddress.ip_network((address, 64), strict=False))
        return str(address)


@dataclass(frozen=True, slots=True)
class Grant:
    """What somebody may do.

    Attributes:
        roles: admin may do all.
        holder: who it is, for the log.
        token: by which it was earned; None: by the place.

    """

    roles: frozenset[Role]
    holder: str
    token: Token | None = None

    def may(self, role: Role) -> bool:
        """Whether this role is among its own."""
        return role in self.roles or "admin" in self.roles


NOBODY: Final = Grant(frozenset(), "nobody")
EVERYBODY: Final = Grant(ALL_ROLES, "everybody")
Authorize: TypeAlias = Callable[[str | None], Grant]  # from the `auth` of a hello


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request brought to be let in by.

    Attributes:
        bearer: from the Authorization header, or `auth` in a hello.
        in_address: from `?token=`.
        cookie: of the page.
        is_wrong: there is an Authorization that cannot be read.

    """

    bearer: str | None = None
    in_address: str | None = None
    cookie: str | None = None
    is_wrong: bool = False

    @property
    def is_guess(self) -> bool:
        """Whether it could be somebody who tries tokens."""
        return self.is_wrong or self.bearer is not None or self.in_address is not None


def presented(headers: Headers, path: str, *, by_page: bool = True) -> Presented:
    """Return what a request brought.

    Args:
        headers: of the request.
        path: with its query.
        by_page: whether a cookie counts.

    """
    values = headers.get_all("Authorization")
    scheme, _, value = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    is_wrong = bool(values) and (scheme.lower() != "bearer" or not value.strip())
    queries = parse_qs(split_target(path).query, max_num_fields=16) if "?" in path and path.count("&") < 16 else {}
    return Presented(
        bearer=value.strip() if values and not is_wrong else None,
        in_address=queries["token"][-1] if "token" in queries else None,
        cookie=_cookie(headers) if by_page else None,
        is_wrong=is_wrong,
    )


def _cookie(headers: Headers) -> str | None:
    for value in headers.get_all("Cookie"):
        for part in value.split(";"):
            name, _, text = part.strip().partition("=")
            if name == COOKIE:
                return text
    return None


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one daemon.

    Attributes:
        tokens: all that are known; when there is one, TCP connections must show one.
        origins: web pages of other origins that may connect.
        uid: the daemon's own user.
        logins: pages that have shown a token and hold a cookie.

    """

    tokens: TokenTable = field(default_factory=TokenTable)
    origins: tuple[str, ...] = ()
    uid: int = -1
    logins: Logins = field(default_factory=Logins)

    def refuse(self, peer: Peer, headers: Headers) -> Refusal | None:
        """Return why a request is refused whoever sends it, or None."""
        hosts, origins = headers.get_all("Host"), headers.get_all("Origin")
        if len(hosts) > 1 or len(origins) > 1:
            return Refusal(400, "more than one Host or Origin: send one of each at most")
        host, origin = "".join(hosts), origins[0] if origins else None
        is_local_door = isinstance(peer.door, Address) and peer.door.is_loopback
        if is_local_door and not _is_local(host) and not self._is_listed_host(host):
            # A name that leads here by a trick of DNS would pass for the same origin.
            return Refusal(421, f"Host {host!r} is not a name of this machine's loopback address")
        if origin is not None and origin not in self.origins and not _is_same(origin, host):
            return Refusal(403, f"Origin {origin!r} may not connect; allow it with server.origins")
        return None

    def grant(self, peer: Peer, brought: Presented, now: datetime) -> Grant:
        """Return what somebody may do; NOBODY when it is nothing."""
        by_place = self._by_place(peer)
        if by_place.may("admin"):
            return by_place
        token = self._token(brought, now)
        if token is not None:
            return Grant(token.roles | by_place.roles, token.name, token)
        token = None if brought.cookie is None else self.logins.find(brought.cookie, now)
        if token is not None and self.tokens.has(token, now):
            return Grant(IN_SESSIONS if "admin" in token.roles else token.roles | by_place.roles, token.name, token)
        return NOBODY if brought.is_guess and isinstance(peer.door, Address) else by_place

    def _by_place(self, peer: Peer) -> Grant:
        if isinstance(peer.door, UnixAddress):
            trusted = peer.uid in (self.uid, 0)
            return Grant(ALL_ROLES if trusted else IN_SESSIONS, f"uid {peer.uid}")
        return EVERYBODY if peer.door.is_loopback and not self.tokens else NOBODY

    def _token(self, brought: Presented, now: datetime) -> Token | None:
        if brought.is_wrong:
            return None
        if brought.bearer is not None:
            return self.tokens.find(brought.bearer, now)
        if brought.in_address is not None:
            token = self.tokens.find(brought.in_address, now)
            return token if token is not None and token.may_be_in_address else None
        return None

    def still(self, grant: Grant, now: datetime) -> bool:
        """Whether a grant that was given is still good: its token was not revoked and has not expired."""
        return grant.token is None or self.tokens.has(grant.token, now)

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
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def is_origin(text: str) -> bool:
    """Whether it is an origin as browsers send it: scheme, host and perhaps a port, nothing behind them."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # ValueError where it is none
    except ValueError:
        return False
    return bool(parts.hostname) and text == f"{parts.scheme}://{parts.netloc}" and text.isascii() and " " not in text
