"""The tokens of a front are good at all others: each offers its own, hashes only, and takes those of the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from amanuensis.daemon.fronts.link import StoreLink
from amanuensis.daemon.fronts.messages import Times, Wishes
from amanuensis.daemon.tokens import Token, TokenError, TokenTable

log = logging.getLogger(__name__)


class TokenExchange:
    """The tokens of one front.

    Args:
        own: returns what it knows now.
        share: takes the tokens of the others.

    """

    def __init__(self, own: Callable[[], TokenTable], share: Callable[[tuple[Token, ...]], None]) -> None:
        self._own = own
        self._share = share
        self._offered: tuple[Token, ...] | None = None
        self._offered_in = ""
        self._taken = ""

    async def follow(self, link: StoreLink, front: str, wishes: Wishes, times: Times) -> None:
        """Offer and take what has changed.

        Raises:
            StoreLostError: the store does not answer.

        """
        own = self._own()
        if own.tokens != self._offered or wishes.era != self._offered_in:
            await link.call("offer_tokens", front, own.to_plain(), limit_s=times.call_s)
            self._offered, self._offered_in = own.tokens, wishes.era
        if wishes.tokens != self._taken:
            others = await link.call("other_tokens", front, limit_s=times.call_s)
            self._share(tuple(token for name, plain in others.items() for token in _tokens_of(name, plain)))
            self._taken = wishes.tokens


def _tokens_of(front: str, plain: Mapping[str, Any]) -> tuple[Token, ...]:
    try:
        return TokenTable.from_plain(plain).tokens
    except TokenError as error:
        log.error("the tokens of front %s are not taken: %s", front, error)
        return ()
