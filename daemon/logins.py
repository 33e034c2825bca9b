"""Pages that have shown a token: each holds a cookie in its place, which scripts cannot read. Pure."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from amanuensis.daemon.tokens import Token

COOKIE: Final = "amanuensis"
MAX_LOGINS: Final = 256  # more make the oldest forgotten: that page shows its token again
LIFE: Final = timedelta(hours=12)


class Logins:
    """The cookies of one daemon; in memory only, so that none outlives it."""

    def __init__(self) -> None:
        self._tokens: OrderedDict[str, tuple[Token, datetime]] = OrderedDict()  # by the hash of the cookie

    def open(self, token: Token, now: datetime) -> tuple[str, int]:
        """Return a new cookie for a token, and the seconds that it lives."""
        ends = now + LIFE if token.expires is None else min(now + LIFE, token.expires)
        value = secrets.token_urlsafe(32)
        self._tokens[_hash(value)] = (token, ends)
        while len(self._tokens) > MAX_LOGINS:
            self._tokens.popitem(last=False)
        return value, int((ends - now).total_seconds())

    def find(self, value: str, now: datetime) -> Token | None:
        """Return the token that a cookie stands for."""
        token, ends = self._tokens.get(_hash(value), (None, now))
        return token if now < ends else None


def _hash(value: str) -> str:
    """Looked up by its hash, a cookie cannot be guessed piece by piece from how long the search takes."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
