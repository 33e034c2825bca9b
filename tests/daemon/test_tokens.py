"""Bearer tokens."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from amanuensis.daemon.tokens import (
    MAX_TOKENS,
    Token,
    TokenError,
    TokenTable,
    digest,
    new_token,
    parse_expiry,
)

NOW = datetime(2027, 1, 1, 12, 0, 0, 5, UTC)
ROW: dict[str, Any] = {
    "name": "obs",
    "sha256": "0" * 64,
    "roles": ["watch"],
    "created": "2027-01-01T12:00:00+00:00",
    "expires": None,
}


def test_a_new_token_is_found_and_its_secret_is_not_kept() -> None:
    """The secret has 256 random bits and is nowhere in what is kept of it."""
    token, secret = new_token("obs", ["watch"], NOW)
    table = TokenTable((token,))
    assert table.find(secret, NOW) == token
    assert table.find(secret + "x", NOW) is None
    assert table.find("\ud800", NOW) is None
    assert len(secret) == 4 + 43
    assert secret.removeprefix("amn_") not in json.dumps(table.to_plain()) + repr(table)
    assert new_token("obs", ["watch"], NOW)[1] != secret


def test_a_table_survives_being_written() -> None:
    """What is read back is what was written, expiry included."""
    tokens = [new_token(f"t{k}", ["watch", "speak"], NOW, NOW + timedelta(days=k + 1))[0] for k in range(3)]
    table = TokenTable(tuple(tokens)).added(new_token("root", ["admin"], NOW)[0])
    assert TokenTable.from_plain(json.loads(json.dumps(table.to_plain()))) == table


def test_names_stand_for_one_token() -> None:
    """A name is given once, and again after it was revoked."""
    table = TokenTable((new_token("obs", ["watch"], NOW)[0],))
    with pytest.raises(TokenError, match="there is a token obs already"):
        table.added(new_token("obs", ["speak"], NOW)[0])
    with pytest.raises(TokenError, match="no token 'other'; known: obs"):
        table.revoked("other")
    assert table.revoked("obs").added(new_token("obs", ["speak"], NOW)[0]).tokens[0].roles == {"speak"}


def test_the_number_of_tokens_is_bounded() -> None:
    """Each connection is compared with all of them."""
    row = Token("t", digest("t"), frozenset({"watch"}), NOW)
    with pytest.raises(TokenError, match=f"at most {MAX_TOKENS}"):
        TokenTable(tuple(Token(f"t{k}", row.sha256, row.roles, NOW) for k in range(MAX_TOKENS + 1)))


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ([], "an object is needed"),
        ({"version": 2, "tokens": []}, "version is 2; it must be a whole number from 1 to 1"),
        ({"version": 1}, "tokens is missing; it must be a list"),
        ({"version": 1, "tokens": [3]}, "an object is needed"),
        ({"version": 1, "tokens": [], "more": 1}, "unknown field 'more'"),
        ({"version": 1, "tokens": [ROW | {"sha256": "secret"}]}, "token 1: sha256 is 'secret'; it must be 64 hexa"),
        ({"version": 1, "tokens": [ROW | {"roles": ["root"]}]}, "roles is ['root']; it must be a list of watch"),
        ({"version": 1, "tokens": [ROW | {"roles": []}]}, "token obs: it needs at least one role"),
        ({"version": 1, "tokens": [ROW | {"name": "a b"}]}, "token name 'a b' is not allowed"),
        ({"version": 1, "tokens": [ROW | {"expires": "soon"}]}, "time 'soon' is not allowed"),
        ({"version": 1, "tokens": [ROW, ROW]}, "token obs is there twice"),
    ],
)
def test_what_is_no_table_is_named(plain: object, words: str) -> None:
    """A table that was edited wrongly is refused in one line that says where."""
    with pytest.raises(TokenError) as caught:
        TokenTable.from_plain(plain)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", timedelta(minutes=90)),
        ("12h", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
        ("8w", timedelta(weeks=8)),
    ],
)
def test_expiry_as_a_span(text: str, expected: timedelta) -> None:
    """Spans are counted from now."""
    assert parse_expiry(text, NOW) == NOW.replace(microsecond=0) + expected


def test_expiry_as_a_date() -> None:
    """A date is midnight UTC, a time with an offset is what it says; anything else is refused."""
    assert parse_expiry("2027-02-01", NOW) == datetime(2027, 2, 1, tzinfo=UTC)
    assert parse_expiry("2027-02-01T01:00+01:00", NOW) == datetime(2027, 2, 1, tzinfo=UTC)
    for wrong in ("", "0d", "soon", "30", "-1d"):
        with pytest.raises(TokenError, match="give a span such as 90m"):
            parse_expiry(wrong, NOW)
    with pytest.raises(TokenError, match="after the year 9999"):
        parse_expiry("999999w", NOW)
    with pytest.raises(TokenError, match="which is over"):
        new_token("old", ["watch"], NOW, NOW)
