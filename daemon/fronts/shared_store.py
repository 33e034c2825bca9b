"""The store of a session that is kept here and for the other fronts: its spool, and what of it the others have."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from amanuensis.daemon.cursor import Chunk
from amanuensis.daemon.fronts.crowd import Crowd, SharedHub
from amanuensis.daemon.fronts.messages import Answer, EventMap, Then, Write
from amanuensis.daemon.fronts.mirror import Look, Seen, look
from amanuensis.daemon.guarded_store import GuardedStore
from amanuensis.daemon.hub import TRY_AGAIN, Hub
from amanuensis.daemon.journal import Entry
from amanuensis.daemon.protocol import ProtocolError
from amanuensis.daemon.session_store import Order
from amanuensis.daemon.spool.event_maps import EVERYTHING
from amanuensis.daemon.wire import wire_map
from amanuensis.stream.session import StreamSession

FOR_FOLLOWERS: Final = frozenset(
    {"partial", "stats"}
)  # that are of use at another front; told only if somebody follows
MAX_SAID: Final = 4096  # events that wait for a store that does not answer
NO_ROOM: Final = "the store of the fronts has no room"


class Brings(Protocol):
    """Brings what is kept to the store."""

    def wake(self, store: SharedStore) -> None:
        """Take note that a session has something to be brought."""
        ...


@dataclass(frozen=True, slots=True)
class Sent:
    """A write on its way, and what is done once it is kept."""

    write: Write
    found: Look
    n_acts: int
    n_said: int
    newest_chunk: int
    taken_bytes: int


class SharedStore:
    """Keeps one session here and for the others.

    Args:
        inner: keeps it here.
        name: of the session.
        epoch: under which this front has it.
        courier: brings writes to the store.
        crowd: its clients here.
        opened_s: when it was opened, in seconds since the epoch.
        frame_bytes: of its sound: a sample of each channel.
        is_first: it was just opened.
        seen: what the store has of its folder.
        newest_chunk: that the store has.
        on_fenced: told when another front has the session.
        on_full: told when the store has no room for it.

    Attributes:
        shared_hub: tells its clients.
        is_fenced: another front has the session.

    """

    def __init__(
        self,
        inner: GuardedStore,
        name: str,
        epoch: int,
        courier: Brings,
        crowd: Crowd,
        *,
        opened_s: float,
        frame_bytes: int,
        is_first: bool,
        seen: Seen | None = None,
        newest_chunk: int = -1,
        on_fenced: Callable[[SharedStore], None] = lambda _: None,
        on_full: Callable[[SharedStore], None] = lambda _: None,
    ) -> None:
        self.name = name
        self.shared_hub = SharedHub(crowd, self)
        self.is_fenced = False
        self._inner = inner
        self._epoch = epoch
        self._courier = courier
        self._opened_s = opened_s
        self._frame_bytes = frame_bytes
        self._is_first = is_first
        self._seen: Seen = seen or {}
        self._taken_chunk = self._kept_chunk = newest_chunk
        self._taken_bytes = self._kept_bytes = 0  # of sound, lost or not, since this front has the session
        self._on_fenced, self._on_full = on_fenced, on_full
        self._number = 0
        self._acts: deque[Callable[[], None]] = deque()
        self._said: deque[EventMap] = deque()
        self._is_dirty = False
        self._is_shared = True
        self._is_followed = False
        self._sent: Sent | None = None
        self._ended = ""
        self._then: Then = ""
        self._idle = asyncio.Event()
        self._idle.set()

    # What a session gives

    @property
    def survives(self) -> bool:
        """Whether the session can be taken up again by another process."""
        return self._inner.survives

    @property
    def newest_kept(self) -> int | None:
        """Number of the newest chunk that may be acknowledged."""
        inner = self._inner.newest_kept
        if not self._is_shared:
            return inner
        return self._kept_chunk if inner is None else min(inner, self._kept_chunk)

    @property
    def unkept_bytes(self) -> int:
        """Sound, lost or not, that the store has not said to have: what nobody else hears if this front is gone."""
        return self._taken_bytes - self._kept_bytes

    @property
    def wants_step(self) -> bool:
        """Whether a checkpoint without events is worth being written."""
        return self._inner.wants_step

    def append_audio(self, chunk: Chunk) -> None:
        """Keep sound before it is acknowledged."""
        self._inner.append_audio(chunk)
        self._taken_chunk = chunk.n
        self._taken_bytes += chunk.missing_bytes + len(chunk.data)
        self.touch()

    def append_skip(self, n_samples: int, why: str, controls: int | None = None) -> None:
        """Keep that so many samples of each channel were lost."""
        self._inner.append_skip(n_samples, why, controls)
        self._taken_bytes += n_samples * self._frame_bytes
        self.touch()

    def append_order(self, order: Order, controls: int) -> None:
        """Keep an order before it is carried out."""
        self._inner.append_order(order, controls)
        self.touch()

    def carried_out(self, index: int | None) -> None:
        """Take note that the orders before record `index` are done again; None: all."""
        self._inner.carried_out(index)

    def append_step(self, entries: Sequence[Entry], stream: StreamSession) -> None:
        """Keep durable events before they are told."""
        self._inner.append_step(entries, stream)
        self.touch()

    def hub(self) -> Hub:
        """Return what tells the session's clients, once the store has what they are told."""
        return self.shared_hub

    async def sync(self) -> None:
        """Have a recording on the disk, and the store follow what that changes."""
        await self._inner.sync()
        if self._inner.newest_kept is not None:
            self.touch()

    async def kept(self) -> None:
        """Wait until the store has everything.

        Raises:
            ProtocolError: another front has the session; try again there.

        """
        await self._idle.wait()
        if self.is_fenced:
            raise ProtocolError("full", "the session is at another server; connect again", TRY_AGAIN)

    def suspend(self) -> None:
        """Let go of the session, which goes on in another process: here or at another front."""
        self._inner.suspend()
        self.finish("release")

    def end(self, reason: str, stream: StreamSession) -> None:
        """Take note that the session is over and everything has been told."""
        self._inner.end(reason, stream)
        self._ended = reason
        self.touch()

    def forget(self) -> None:
        """Remove a session that is over, everywhere."""
        self._inner.forget()
        self.finish("forget")

    # What becomes of it

    def finish(self, then: Then) -> None:
        """Have the store take the last of it."""
        if self._is_shared and self._then != "forget":
            self._then = then
            self.touch()

    def when_kept(self, act: Callable[[], None]) -> None:
        """Do something once the store has everything that came before."""
        if self._is_dirty or self._acts or self._sent is not None:
            self._acts.append(act)
        else:
            act()

    def touch(self) -> None:
        """Have the store asked, also where nothing has changed."""
        if self._is_shared and not self._is_dirty:
            self._is_dirty = True
            self._idle.clear()
            self._courier.wake(self)

    def say(self, entry: Entry) -> None:
        """Have an event told to those who follow at other fronts."""
        passing = entry.event.type in FOR_FOLLOWERS
        if self._is_shared and (entry.seq is not None or (passing and self._is_followed)):
            if len(self._said) >= MAX_SAID:
                self._said.clear()  # who follows sees the hole and copies the session
            self._said.append(wire_map(entry.event, entry.seq, EVERYTHING))
            if passing:
                self._courier.wake(self)

    # For the courier

    def take(self) -> Write | None:
        """Return what is to be brought to the store now; None: nothing."""
        if not self._is_shared or self._sent is not None or not (self._is_dirty or self._said):
            return None
        self._is_dirty = False
        self._number += 1
        folder = self._inner.folder
        then: Then = "forget" if folder is None else self._then
        found = Look() if then == "forget" else look(folder, self._seen)
        write = Write(
            self.name,
            self._epoch,
            self._number,
            found.patches,
            {name: size for name, (_, size) in found.seen.items()},
            tuple(self._said),
            self._is_first,
            self._opened_s,
            self._ended,
            then,
        )
        self._sent = Sent(write, found, len(self._acts), len(self._said), self._taken_chunk, self._taken_bytes)
        return write

    def answered(self, answer: Answer) -> bool:
        """Take the store's answer; return whether it is to be asked again after a while."""
        sent, self._sent = self._sent, None
        assert sent is not None
        self._is_followed = answer.followed
        if answer.kind == "kept" or (sent.write.then == "forget" and answer.kind == "fenced"):
            self._kept(sent)
            return False
        if answer.kind == "fenced":
            self._let_go()
            self._on_fenced(self)
            return False
        if answer.kind == "full":
            self._on_full(self)
            self._then = "forget"
        if answer.kind == "behind":
            self._seen, self._is_first = {}, False
        self._is_dirty = True
        return True

    def _kept(self, sent: Sent) -> None:
        self._seen, self._is_first = sent.found.seen, False
        self._kept_chunk, self._kept_bytes = sent.newest_chunk, sent.taken_bytes
        for _ in range(min(sent.n_said, len(self._said))):
            self._said.popleft()
        if sent.write.then:
            self._is_shared = self._is_dirty = False
        for _ in range(sent.n_acts):
            self._acts.popleft()()
        while self._acts and not self._is_dirty:  # nothing has changed since
            self._acts.popleft()()
        if self._is_dirty or self._said:
            self._courier.wake(self)
        if not self._is_dirty:
            self._idle.set()

    def _let_go(self) -> None:
        """Tell nobody anything more."""
        self._is_shared, self.is_fenced = False, True
        self._acts.clear()
        self._said.clear()
        self.shared_hub.mute()
        self._idle.set()
