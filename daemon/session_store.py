"""What a session gives to whoever keeps it, before it tells its clients: what was told is never forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from amanuensis.daemon.cursor import Chunk
from amanuensis.daemon.hub import Hub
from amanuensis.daemon.journal import Entry
from amanuensis.daemon.protocol import Configure, End, Flush, Mark, Note
from amanuensis.stream.session import StreamSession

Order: TypeAlias = Flush | Mark | Note | Configure | End


class SessionStore(Protocol):
    """Keeps one session. What a method was given is kept when it returns."""

    @property
    def survives(self) -> bool:
        """Whether the session can be taken up again by another process."""
        ...

    @property
    def newest_kept(self) -> int | None:
        """Number of the newest chunk that may be acknowledged; None: of the newest one that was taken."""
        ...

    @property
    def wants_step(self) -> bool:
        """Whether a step without events is worth being written: so much sound has come since the last one."""
        ...

    def append_audio(self, chunk: Chunk) -> None:
        """Keep sound before it is acknowledged."""
        ...

    def append_skip(self, n_samples: int, why: str, controls: int | None = None) -> None:
        """Keep that so many samples of each channel were lost; `controls` where the speaker said so."""
        ...

    def append_order(self, order: Order, controls: int) -> None:
        """Keep an order before it is carried out; `controls` as the session's `Cursor` counts with it."""
        ...

    def carried_out(self, index: int | None) -> None:
        """Take note, while what is kept is heard again, that orders before record `index` are done; None: all."""
        ...

    def append_step(self, entries: Sequence[Entry], stream: StreamSession) -> None:
        """Keep durable events before they are told, with the state of the stream after them."""
        ...

    def hub(self) -> Hub:
        """Return what tells the session's clients: not before what they are told is kept."""
        ...

    async def kept(self) -> None:
        """Wait until everything that was given is where it should be."""
        ...

    def suspend(self) -> None:
        """Let go of the session, which goes on in another process."""
        ...

    async def sync(self) -> None:
        """Called twice a second: see that what was kept is where it should be; never raises."""
        ...

    def end(self, reason: str, stream: StreamSession) -> None:
        """Take note that the session is over and everything has been told."""
        ...

    def forget(self) -> None:
        """Remove a session that is over, unless it is kept for good."""
        ...


class MemoryStore:
    """Keeps nothing: such a session lives as long as its process."""

    survives = False
    newest_kept = None
    wants_step = False

    def append_audio(self, chunk: Chunk) -> None: ...

    def append_skip(self, n_samples: int, why: str, controls: int | None = None) -> None: ...

    def append_order(self, order: Order, controls: int) -> None: ...

    def carried_out(self, index: int | None) -> None: ...

    def append_step(self, entries: Sequence[Entry], stream: StreamSession) -> None: ...

    def hub(self) -> Hub:
        return Hub()

    async def kept(self) -> None: ...

    def suspend(self) -> None: ...

    async def sync(self) -> None: ...

    def end(self, reason: str, stream: StreamSession) -> None: ...

    def forget(self) -> None: ...
