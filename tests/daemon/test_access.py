"""Who may come in."""

from __future__ import annotations

import pytest
from websockets.datastructures import Headers

from amanuensis.daemon.access import Access
from amanuensis.daemon.config import Address

TOKEN = "0123456789abcdef"
LOCAL = Access(Address("127.0.0.1", 8770), None, ("https://captions.example",))
PUBLIC = Access(Address("0.0.0.0", 8770), TOKEN, ())


def status(access: Access, **headers: str) -> int | None:
    """Return the status of the refusal, None when there is none."""
    refusal = access.refuse(Headers({name: value for name, value in headers.items() if value}))
    return refusal.status if refusal else None


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8770", "localhost:8770", "localhost", "[::1]:1", "127.1.2.3", "", "x.localhost"]
)
def test_loopback_takes_its_own_names(host: str) -> None:
    """Names of the loopback address, and clients that name none, may come."""
    assert status(LOCAL, Host=host) is None


@pytest.mark.parametrize("host", ["evil.example:8770", "localhost.evil.example", "10.0.0.1", "[bad"])
def test_loopback_refuses_other_names(host: str) -> None:
    """A name of somebody else that leads here (DNS rebinding) is refused."""
    assert status(LOCAL, Host=host) == 421


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://localhost:8770", None),
        ("https://captions.example", None),
        ("https://evil.example", 403),
        ("http://localhost:9999", 403),
        ("null", 403),
        ("ftp://localhost:8770", 403),
    ],
)
def test_pages_of_other_origins_are_refused(origin: str, expected: int | None) -> None:
    """A browser's page comes from the daemon itself or from a listed origin."""
    assert status(LOCAL, Host="localhost:8770", Origin=origin) == expected


def test_listed_origin_may_name_its_own_host() -> None:
    """A reverse proxy of a listed origin may keep its own Host."""
    assert status(LOCAL, Host="captions.example", Origin="https://captions.example") is None


def test_other_addresses_take_any_host() -> None:
    """With a token the Host says nothing; the token does."""
    assert status(PUBLIC, Host="anything.example") is None


@pytest.mark.parametrize(
    ("value", "right"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer  {TOKEN} ", True),
        (f"Bearer {TOKEN}x", False),
        (f"Basic {TOKEN}", False),
        (TOKEN, False),
        ("Bearer é", False),
        ("", False),
    ],
)
def test_bearer_token(value: str, right: bool) -> None:
    """Only `Bearer` with exactly the token is authorized; a wrong one is refused at once."""
    headers = Headers({"Authorization": value})
    assert PUBLIC.is_authorized(headers) == right
    refusal = PUBLIC.refuse(headers)
    assert (refusal is None) == right
    assert refusal is None or (refusal.status == 401 and TOKEN not in refusal.why)


def test_doubled_authorization_is_refused() -> None:
    """Two Authorization headers are not guessed about."""
    headers = Headers([("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer x")])
    assert not PUBLIC.is_authorized(headers)


def test_without_token_everybody_is_authorized() -> None:
    """A server that asks for no token asks nobody."""
    assert LOCAL.is_authorized(Headers())
