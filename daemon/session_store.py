"""What a session gives to whoever keeps it, before it tells its clients: what was told is never forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from amanuensis.daemon.cursor import Chunk
from amanuensis.daemon.journal import Entry
from amanuensis.daemon.protocol import Configure, End, Flush, Mark
from amanuensis.stream.session import StreamSession

Order: TypeAlias = Flush | Mark | Configure | End


class SessionStore(Protocol):
    """Keeps one session. What a method was given is kept when it returns."""

    @property
    def survives(self) -> bool:
        """Whether the session can be taken up again by another process."""
        ...

    def append_audio(self, chunk: Chunk) -> None:
        """Keep sound before it is acknowledged."""
        ...

    def append_skip(self, n_samples: int, why: str) -> None:
        """Keep that the source lost so many samples of each channel."""
        ...

    def append_order(self, order: Order, controls: int) -> None:
        """Keep an order before it is carried out; `controls` as the session's `Cursor` counts with it."""
        ...

    def append_step(self, entries: Sequence[Entry], stream: StreamSession) -> None:
        """Keep durable events before they are told, with the state of the stream after them."""
        ...

    def suspend(self) -> None:
        """Let go of the session, which goes on in another process."""
        ...

    def end(self) -> None:
        """Take note that the session is over and everything has been told."""
        ...


class MemoryStore:
    """Keeps nothing: such a session lives as long as its process."""

    survives = False

    def append_audio(self, chunk: Chunk) -> None: ...

    def append_skip(self, n_samples: int, why: str) -> None: ...

    def append_order(self, order: Order, controls: int) -> None: ...

    def append_step(self, entries: Sequence[Entry], stream: StreamSession) -> None: ...

    def suspend(self) -> None: ...

    def end(self) -> None: ...
