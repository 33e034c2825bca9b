"""What a daemon asks about sessions that it does not have itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from amanuensis.daemon.protocol import Hello

if TYPE_CHECKING:
    from amanuensis.daemon.ended_session import EndedSession
    from amanuensis.daemon.fronts.followed import FollowedSession
    from amanuensis.daemon.live_session import LiveSession


class Elsewhere(Protocol):
    """Knows the sessions of other fronts."""

    @property
    def trouble(self) -> str:
        """Why no session can be shared now; empty when one can."""
        ...

    async def bring(self, hello: Hello) -> None:
        """Have the session here that a speaker comes back to, if another front has it or had it."""
        ...

    async def follow(self, name: str) -> LiveSession | FollowedSession | EndedSession | None:
        """Return a session that another front has, for watchers; it may have come here meanwhile."""
        ...

    def followed(self, name: str) -> FollowedSession | None:
        """Return a session that is followed here, or was just asked for."""
        ...

    async def newest(self) -> str | None:
        """Return the name of the session that was opened last at any front and goes on."""
        ...


class Nowhere:
    """A daemon that shares nothing."""

    trouble = ""

    async def bring(self, hello: Hello) -> None: ...

    async def follow(self, name: str) -> None: ...

    def followed(self, name: str) -> None: ...

    async def newest(self) -> None: ...
