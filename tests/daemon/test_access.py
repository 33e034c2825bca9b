"""Who may come in, and what for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from websockets.datastructures import Headers

from amanuensis.daemon.access import Access, Grant, Peer, presented
from amanuensis.daemon.addresses import Address, UnixAddress
from amanuensis.daemon.logins import COOKIE
from amanuensis.daemon.tokens import Role, Token, TokenTable, digest

NOW = datetime(2027, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
SECRET = "amn_" + "0" * 43
LOOPBACK = Peer(Address("127.0.0.1", 8770), "127.0.0.1")
NETWORK = Peer(Address("0.0.0.0", 8770), "192.0.2.7")
OPEN = Access(origins=("https://captions.example",))
WATCH: frozenset[Role] = frozenset({"watch"})
EVERYTHING = frozenset({"watch", "speak", "admin"})


def with_token(*roles: Role, expires: datetime | None = None) -> Access:
    """Rules with one token."""
    return Access(TokenTable((Token("one", digest(SECRET), frozenset(roles), NOW, expires),)), uid=1000)


def status(peer: Peer, **headers: str) -> int | None:
    """Return the status of the refusal, None when there is none."""
    refusal = OPEN.refuse(peer, Headers({name: value for name, value in headers.items() if value}))
    return refusal.status if refusal else None


def granted(access: Access, peer: Peer, path: str = "/v1/session", **headers: str) -> Grant:
    """Return what a request is granted."""
    return access.grant(peer, presented(Headers(headers), path), NOW)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8770", "localhost:8770", "localhost", "[::1]:1", "127.1.2.3", "", "x.localhost"]
)
def test_loopback_takes_its_own_names(host: str) -> None:
    """Names of the loopback address, and clients that name none, may come."""
    assert status(LOOPBACK, Host=host) is None


@pytest.mark.parametrize("host", ["evil.example:8770", "localhost.evil.example", "10.0.0.1", "[bad"])
def test_loopback_refuses_other_names(host: str) -> None:
    """A name of somebody else that leads here (DNS rebinding) is refused."""
    assert status(LOOPBACK, Host=host) == 421


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://localhost:8770", None),
        ("https://captions.example", None),
        ("https://evil.example", 403),
        ("http://localhost:9999", 403),
        ("null", 403),
        ("ftp://localhost:8770", 403),
        ("http://[", 403),
    ],
)
def test_pages_of_other_origins_are_refused(origin: str, expected: int | None) -> None:
    """A browser's page comes from the daemon itself or from a listed origin."""
    assert status(LOOPBACK, Host="localhost:8770", Origin=origin) == expected


@pytest.mark.parametrize("name", ["Host", "Origin"])
def test_doubled_headers_are_not_guessed_about(name: str) -> None:
    """Whoever sends two of them could mean one for us and one for somebody else."""
    refusal = OPEN.refuse(LOOPBACK, Headers([(name, "localhost"), (name, "evil.example")]))
    assert refusal is not None
    assert refusal.status == 400


def test_listed_origin_may_name_its_own_host() -> None:
    """A reverse proxy of a listed origin may keep its own Host."""
    assert status(LOOPBACK, Host="captions.example", Origin="https://captions.example") is None


def test_other_addresses_take_any_host() -> None:
    """Where a token is needed, and on a unix socket, the Host says nothing."""
    assert status(NETWORK, Host="anything.example") is None
    assert status(Peer(UnixAddress(Path("/s")), uid=1), Host="anything.example") is None


def test_loopback_without_tokens_is_open() -> None:
    """Where there are no tokens, whoever is on this machine may do everything."""
    assert granted(OPEN, LOOPBACK).roles == EVERYTHING
    assert granted(OPEN, LOOPBACK, Authorization="Bearer nonsense").roles == EVERYTHING


def test_a_token_is_asked_of_every_tcp_connection() -> None:
    """Once there is a token, loopback shows it as well; another machine is granted nothing without one."""
    access = with_token("speak")
    for peer in (LOOPBACK, NETWORK):
        assert granted(access, peer).roles == frozenset()
        assert granted(access, peer, Authorization=f"Bearer {SECRET}") == Grant(
            frozenset({"speak"}), "one", access.tokens.tokens[0]
        )
    assert granted(OPEN, NETWORK).roles == frozenset()


@pytest.mark.parametrize(("uid", "roles"), [(1000, EVERYTHING), (0, EVERYTHING), (1001, frozenset({"watch", "speak"}))])
def test_a_unix_socket_knows_its_peers(uid: int, roles: frozenset[str]) -> None:
    """The daemon's own user and root may do everything; others that the socket's rights let in speak and watch."""
    assert granted(with_token("watch"), Peer(UnixAddress(Path("/s")), uid=uid)).roles == roles


@pytest.mark.parametrize(
    ("value", "right"),
    [
        (f"Bearer {SECRET}", True),
        (f"bearer  {SECRET} ", True),
        (f"Bearer {SECRET}x", False),
        (f"Basic {SECRET}", False),
        (SECRET, False),
        ("Bearer é", False),
        ("Bearer ", False),
        (f"Bearer {'x' * 100_000}", False),
        ("", False),
    ],
)
def test_bearer_token(value: str, right: bool) -> None:
    """Only `Bearer` with exactly the token is one; anything else is a guess."""
    brought = presented(Headers({"Authorization": value}), "/")
    assert bool(with_token("watch").grant(NETWORK, brought, NOW).roles) == right
    assert brought.is_guess


def test_doubled_authorization_is_refused() -> None:
    """Two Authorization headers are not guessed about."""
    headers = Headers([("Authorization", f"Bearer {SECRET}"), ("Authorization", "Bearer x")])
    assert presented(headers, "/").is_wrong
    assert not with_token("watch").grant(NETWORK, presented(headers, "/"), NOW).roles


@pytest.mark.parametrize(
    ("roles", "expires", "counts"),
    [(("watch",), LATER, True), (("watch",), None, False), (("speak",), LATER, False), (("admin",), LATER, False)],
)
def test_only_watching_tokens_that_expire_may_stand_in_an_address(
    roles: tuple[Role, ...], expires: datetime | None, counts: bool
) -> None:
    """Addresses end up in logs and histories: what may stand there watches, and not for ever."""
    grant = granted(with_token(*roles, expires=expires), NETWORK, f"/v1/watch/latest?x=1&token={SECRET}")
    assert bool(grant.roles) == counts


def test_expired_and_revoked_tokens_are_worth_nothing() -> None:
    """Neither is granted anything, and who had come in by them is known to be no longer welcome."""
    access = with_token("watch", expires=LATER)
    grant = granted(access, NETWORK, Authorization=f"Bearer {SECRET}")
    assert access.still(grant, NOW)
    assert not access.still(grant, LATER)
    assert not replace(access, tokens=access.tokens.revoked("one")).still(grant, NOW)
    assert not access.grant(NETWORK, presented(Headers({"Authorization": f"Bearer {SECRET}"}), "/"), LATER).roles
    assert access.still(access.grant(Peer(UnixAddress(), uid=1000), presented(Headers(), "/"), NOW), LATER)


@pytest.mark.parametrize(("role", "roles"), [("watch", WATCH), ("admin", frozenset({"watch", "speak"}))])
def test_a_cookie_stands_for_its_token_but_never_for_an_admin(role: Role, roles: frozenset[str]) -> None:
    """A page may do what its token may in sessions; when that is revoked, or the cookie is another's, nothing."""
    access = with_token(role)
    value, _ = access.logins.open(access.tokens.tokens[0], NOW)
    assert granted(access, NETWORK, Cookie=f"a=b; {COOKIE}={value}").roles == roles
    assert not granted(access, NETWORK, Cookie=f"{COOKIE}={value}x").roles
    revoked = replace(access, tokens=access.tokens.revoked("one"))
    assert not granted(revoked, NETWORK, Cookie=f"{COOKIE}={value}").roles
    headers = Headers({"Cookie": f"{COOKIE}={value}"})
    assert not access.grant(NETWORK, presented(headers, "/", by_page=False), NOW).roles


def test_peers_are_counted_by_whom_they_belong_to() -> None:
    """IPv6 is counted by its /64, IPv4 by its address, a unix socket by its user."""
    door = Address("::", 1)
    assert Peer(door, "2001:db8::1").key == Peer(door, "2001:db8::2:3").key == "2001:db8::/64"
    assert Peer(door, "fe80::1%eth0").key == "fe80::/64"
    assert Peer(door, "::ffff:192.0.2.7").key != Peer(door, "::ffff:192.0.2.8").key
    assert Peer(door, "192.0.2.7").key == "192.0.2.7"
    assert Peer(UnixAddress(), uid=7).key == "uid 7"
    shared = [
        peer.shared_key for peer in (Peer(door, "192.0.2.7"), Peer(UnixAddress(), uid=7), Peer(door, "127.0.0.1"))
    ]
    assert shared == ["192.0.2.7", "uid 7", None]
    assert [Peer(door, host).is_here for host in ("127.0.0.1", "::1", "192.0.2.7")] == [True, True, False]
