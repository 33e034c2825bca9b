"""Cookies of pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from amanuensis.daemon.logins import LIFE, MAX_LOGINS, Logins
from amanuensis.daemon.tokens import new_token

NOW = datetime(2027, 1, 1, tzinfo=UTC)
TOKEN, _ = new_token("page", ["watch"], NOW)


def test_a_cookie_stands_for_its_token_until_it_ends() -> None:
    """It is found for as long as it was said to live, and no longer."""
    logins = Logins()
    value, life_s = logins.open(TOKEN, NOW)
    assert life_s == LIFE.total_seconds()
    assert logins.find(value, NOW) == TOKEN
    assert logins.find(value + "x", NOW) is None
    assert logins.find(value, NOW + LIFE) is None


def test_a_cookie_does_not_outlive_its_token() -> None:
    """A token that ends sooner ends its cookies."""
    soon, _ = new_token("soon", ["watch"], NOW, NOW + timedelta(minutes=5))
    assert Logins().open(soon, NOW)[1] == 300


def test_cookies_are_bounded() -> None:
    """When there are too many, the oldest is forgotten."""
    logins = Logins()
    values = [logins.open(TOKEN, NOW)[0] for _ in range(MAX_LOGINS + 1)]
    assert logins.find(values[0], NOW) is None
    assert logins.find(values[1], NOW) == TOKEN
