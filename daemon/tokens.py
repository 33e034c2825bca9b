"""Bearer tokens: what each may do, until when, and how they are kept. Pure.

A token is 256 random bits, so one round of SHA-256 hides it: there is no list of likely tokens to try against a stolen
file. Slow hashes protect words that people choose, and would let strangers spend the daemon's time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeAlias, get_args

from amanuensis.daemon.fields import FieldError, Fields

Role: TypeAlias = Literal["watch", "speak", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
ALL_ROLES: Final = frozenset(ROLES)
PREFIX: Final = "amn_"  # so that a token is known for one where it was left lying about
SECRET_BYTES: Final = 32
MAX_TOKENS: Final = 1000
MAX_PRESENTED_CHARS: Final = 512
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SHA256: Final = re.compile(r"[0-9a-f]{64}")
SPAN: Final = re.compile(r"([1-9][0-9]{0,5})([mhdw])")
UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class TokenError(ValueError):
    """A token, or a file of them, is not as it must be; one line that says what is allowed."""


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of one token; never the token itself.

    Attributes:
        name: for people, and for revoking it.
        sha256: of the token, in hexadecimal.
        roles: what it may do; admin may do all.
        created: when it was made, UTC.
        expires: from when it is worth nothing; None: never.

    """

    name: str
    sha256: str
    roles: frozenset[Role]
    created: datetime
    expires: datetime | None = None

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise TokenError(
                f"token name {self.name[:70]!r} is not allowed: 1 to 64 letters, digits, '.', '_' and '-', no '-' first"
            )
        if not self.roles or not self.roles <= ALL_ROLES:
            raise TokenError(f"token {self.name}: it needs at least one role of {', '.join(ROLES)}")

    def is_valid(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires is None or now < self.expires

    @property
    def may_be_in_address(self) -> bool:
        """Whether it may stand in a URL, where others may read it: it only watches, and not for ever."""
        return self.roles == {"watch"} and self.expires is not None


def digest(secret: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def new_token(name: str, roles: Iterable[Role], now: datetime, expires: datetime | None = None) -> tuple[Token, str]:
    """Make a token; return what is kept of it, and the secret, which nobody can be told again.

    Raises:
        TokenError: the name or the roles are not allowed, or it would have expired already.

    """
    if expires is not None and expires <= now:
        raise TokenError(f"token {name}: it would expire at {expires.isoformat()}, which is over")
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    return Token(name, digest(secret), frozenset(roles), now.replace(microsecond=0), expires), secret


@dataclass(frozen=True, slots=True)
class TokenTable:
    """All tokens that a daemon knows.

    Attributes:
        tokens: its own.
        others: of the daemons that it shares its sessions with; good here too, and not written to its file.

    """

    tokens: tuple[Token, ...] = ()
    others: tuple[Token, ...] = ()

    def __post_init__(self) -> None:
        names = [token.name for token in self.tokens]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise TokenError(f"token {twice} is there twice; each name stands for one")
        if len(names) > MAX_TOKENS:
            raise TokenError(f"{len(names)} tokens; at most {MAX_TOKENS} are allowed")

    def __bool__(self) -> bool:
        return bool(self.tokens)

    def find(self, presented: str, now: datetime) -> Token | None:
        """Return the valid token that was presented; takes as long whichever it is."""
        if len(presented) > MAX_PRESENTED_CHARS:
            return None
        wanted, found = digest(presented), None
        for token in (*self.others, *self.tokens):
            if hmac.compare_digest(token.sha256, wanted):
                found = token
        return found if found is not None and found.is_valid(now) else None

    def has(self, token: Token, now: datetime) -> bool:
        """Whether a token that was found before is still worth what it was."""
        return token in (*self.tokens, *self.others) and token.is_valid(now)

    def added(self, token: Token) -> TokenTable:
        """Return a table with one more.

        Raises:
            TokenError: there is one of this name, or there are too many.

        """
        if any(other.name == token.name for other in self.tokens):
            raise TokenError(f"there is a token {token.name} already: choose another name, or revoke it first")
        return replace(self, tokens=(*self.tokens, token))

    def revoked(self, name: str) -> TokenTable:
        """Return a table without the one of this name.

        Raises:
            TokenError: there is none.

        """
        kept = tuple(token for token in self.tokens if token.name != name)
        if len(kept) == len(self.tokens):
            known = ", ".join(token.name for token in self.tokens) or "none"
            raise TokenError(f"there is no token {name!r}; known: {known}")
        return replace(self, tokens=kept)

    def to_plain(self) -> dict[str, Any]:
        """Return the table for a JSON file."""
        return {"version": 1, "tokens": [_to_plain(token) for token in self.tokens]}

    @classmethod
    def from_plain(cls, plain: object) -> TokenTable:
        """Read a table.

        Raises:
            TokenError: it is none; says where and what is allowed.

        """
        try:
            fields = Fields("tokens file", _mapping(plain), ("version", "tokens"))
            fields.integer("version", 1, 1)
            rows = _mapping(plain).get("tokens")
            if not isinstance(rows, list):
                raise fields.wrong("tokens", "a list")
            return cls(tuple(_from_plain(f"token {k + 1}", _mapping(row)) for k, row in enumerate(rows)))
        except FieldError as error:
            raise TokenError(str(error)) from None


def _mapping(plain: object) -> Mapping[object, object]:
    if not isinstance(plain, dict):
        raise TokenError("tokens file: an object is needed, as `amanuensis tokens add` writes it")
    return plain


def _to_plain(token: Token) -> dict[str, Any]:
    return {
        "name": token.name,
        "sha256": token.sha256,
        "roles": [role for role in ROLES if role in token.roles],
        "created": token.created.isoformat(),
        "expires": None if token.expires is None else token.expires.isoformat(),
    }


def _from_plain(what: str, row: Mapping[object, object]) -> Token:
    fields = Fields(what, row, ("name", "sha256", "roles", "created", "expires"))
    hashed = fields.text("sha256", 64)
    if not SHA256.fullmatch(hashed):
        raise fields.wrong("sha256", "64 hexadecimal digits")
    roles = frozenset(role for role in ROLES if role in fields.choices("roles", ROLES))
    created = parse_time(fields.text("created", 40))
    expires = parse_time(fields.text("expires", 40)) if "expires" in fields else None
    return Token(fields.text("name", 64), hashed, roles, created, expires)


def parse_time(text: str) -> datetime:
    """Read a date, or a date and time, of ISO 8601; without an offset it is UTC.

    Raises:
        TokenError: it is none.

    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise TokenError(f"time {text[:40]!r} is not allowed: give a date such as 2027-01-31T12:00+00:00") from None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def parse_expiry(text: str, now: datetime) -> datetime:
    """Read when a token ends: a span from now such as 12h, 30d or 8w, or a date.

    Raises:
        TokenError: it is neither.

    """
    if match := SPAN.fullmatch(text):
        try:
            return now.replace(microsecond=0) + timedelta(**{UNITS[match[2]]: int(match[1])})
        except OverflowError:
            raise TokenError(f"{text!r} from now is after the year 9999") from None
    try:
        return parse_time(text)
    except TokenError:
        raise TokenError(
            f"expiry {text[:40]!r} is not allowed: give a span such as 90m, 12h, 30d or 8w, or a date, 2027-01-31"
        ) from None
