"""Which front has which session: owners with epochs, leases, and what was forgotten.

Pure: the time is given. An epoch is given once; who comes with an older one is fenced off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, TypeAlias

from amanuensis.daemon.fronts.messages import USUAL, Claim, Times, Write

MAX_GONE: Final = 10_000  # forgotten sessions that are remembered as such; later a front of then has forgotten them too
Verdict: TypeAlias = Literal["take", "again", "fenced", "wait"]


@dataclass(slots=True)
class Holding:
    """Who has a session.

    Attributes:
        owner: the front; empty: nobody.
        epoch: under which.
        opened_s: when the session was opened, in seconds since the epoch.
        ended: why it is over; empty while it goes on.
        number: of the newest write of this epoch.
        free_s: since when nobody has it, on the store's clock.
        settles_s: until when another front may say that it has it under a later epoch; 0: that is over.
        is_bare: the store knows who has it, and nothing else of it yet.
        wanted: another front asks for it.

    """

    owner: str
    epoch: int
    opened_s: float
    ended: str = ""
    number: int = 0
    free_s: float = 0.0
    settles_s: float = 0.0
    is_bare: bool = False
    wanted: bool = False


class Holdings:
    """Who has what.

    Args:
        times: how long leases last.
        began_s: when the store began, on its clock.
        is_new: it began without knowing anything: what it does not know may still be told.

    """

    def __init__(self, times: Times = USUAL, began_s: float = 0.0, *, is_new: bool = True) -> None:
        self._times = times
        self._sessions: dict[str, Holding] = {}
        self._gone: dict[str, None] = {}
        self._seen_s: dict[str, float] = {}  # fronts, and when they gave a sign last
        self._filled_s = began_s + times.fill_s if is_new else began_s

    def __contains__(self, session: str) -> bool:
        return session in self._sessions

    def __getitem__(self, session: str) -> Holding:
        return self._sessions[session]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._sessions))

    @property
    def fronts(self) -> set[str]:
        """Those that have given a sign of life not too long ago."""
        return set(self._seen_s)

    def register(self, front: str, now_s: float) -> None:
        """Take note of a front NAME/RUN; the runs of it that were before are dead."""
        name = front.rpartition("/")[0]
        for other in [other for other in self._seen_s if other.rpartition("/")[0] == name]:
            del self._seen_s[other]
        self._seen_s[front] = now_s

    def beat(self, front: str, now_s: float) -> None:
        """Take a sign of life; a front that was replaced by a later run of itself stays dead."""
        name = front.rpartition("/")[0]
        if front in self._seen_s or all(other.rpartition("/")[0] != name for other in self._seen_s):
            self._seen_s[front] = now_s
        for other, seen_s in list(self._seen_s.items()):
            if now_s - seen_s > 100 * self._times.lease_s:
                del self._seen_s[other]

    def lives(self, front: str, now_s: float) -> bool:
        """Whether a front has given a sign of life within its lease."""
        return front in self._seen_s and now_s - self._seen_s[front] <= self._times.lease_s

    def judge(self, front: str, write: Write, now_s: float) -> Verdict:
        """Say what is to be done with a write.

        Returns:
            take; again: it was taken before; fenced: the front does not have the session; wait: it may not have it.

        """
        if write.session in self._gone:
            return "fenced"
        held = self._sessions.get(write.session)
        if held is None and write.is_first:
            held = self._sessions[write.session] = Holding(front, write.epoch, write.opened_s)
        elif held is None or write.epoch > held.epoch:  # this store has forgotten that it gave it
            settles_s = now_s + self._times.settle_s
            held = Holding(front, write.epoch, write.opened_s, settles_s=settles_s, is_bare=True)
            self._sessions[write.session] = held
        elif write.epoch < held.epoch or held.owner != front:
            return "fenced"
        if held.settles_s > now_s:
            return "wait"
        return "again" if write.number <= held.number else "take"

    def taken(self, write: Write) -> bool:
        """Take note that a write was taken; return whether that changes what must outlive the store's process."""
        held = self._sessions[write.session]
        is_news = held.number == 0 or held.is_bare or write.ended != held.ended
        held.number, held.ended = write.number, write.ended or held.ended
        held.settles_s, held.is_bare = 0.0, False
        return is_news

    def may_come(self, session: str, now_s: float) -> bool:
        """Whether what is not known of a session now may still be told."""
        held = self._sessions.get(session)
        if held is None:
            return session not in self._gone and now_s < self._filled_s
        return held.is_bare and (held.settles_s > now_s or self.lives(held.owner, now_s))

    def claim(self, front: str, session: str, now_s: float, *, ask: bool = True, force: bool = False) -> Claim:
        """Give a session to a front, unless one that lives has it.

        Args:
            front: that wants it.
            session: its name.
            now_s: the time.
            ask: the front that has it is to hand it over.
            force: it had its time for that.

        """
        if self.may_come(session, now_s):
            return Claim("wait")
        held = self._sessions.get(session)
        if held is None:
            return Claim("unknown")
        if held.is_bare:  # who had it is dead, and has told nothing of it
            self.forget(session)
            return Claim("unknown")
        if held.owner not in ("", front) and self.lives(held.owner, now_s) and not force:
            held.wanted = held.wanted or ask
            return Claim("held", owner=held.owner)
        self._sessions[session] = Holding(front, held.epoch + 1, held.opened_s, held.ended)
        return Claim("granted", held.epoch + 1, front)

    def release(self, session: str, now_s: float) -> None:
        """Have nobody have a session."""
        held = self._sessions[session]
        held.owner, held.free_s, held.wanted = "", now_s, False

    def forget(self, session: str) -> None:
        """Forget a session; nobody can bring it back."""
        self._sessions.pop(session, None)
        self._gone[session] = None
        while len(self._gone) > MAX_GONE:
            del self._gone[next(iter(self._gone))]

    def wanted(self, front: str) -> tuple[str, ...]:
        """Return the sessions of a front that others ask for."""
        return tuple(name for name, held in self._sessions.items() if held.owner == front and held.wanted)

    def orphans(self, now_s: float) -> tuple[str, ...]:
        """Return the sessions that nobody has had for so long that any front may go on with them."""
        return tuple(name for name, held in self._sessions.items() if self._is_orphan(held, now_s))

    def _is_orphan(self, held: Holding, now_s: float) -> bool:
        if held.owner == "":
            return now_s - held.free_s > self._times.adopt_s
        seen_s = self._seen_s.get(held.owner, self._filled_s)
        return now_s - seen_s > self._times.lease_s + self._times.adopt_s

    def newest(self) -> str | None:
        """Return the session that was opened last and goes on."""
        live = [(held.opened_s, name) for name, held in self._sessions.items() if not held.ended]
        return max(live)[1] if live else None

    def to_plain(self) -> dict[str, Any]:
        """Return what must outlive the store's process: owners, epochs, what was forgotten."""
        whole = {name: held for name, held in self._sessions.items() if not held.is_bare}
        kept = {name: asdict(held) | {"number": 0, "free_s": 0.0} for name, held in whole.items()}
        return {"sessions": kept, "gone": list(self._gone)}

    def restore(self, plain: dict[str, Any], now_s: float) -> None:
        """Take up what `to_plain` gave; all owners are taken for alive, and nothing settles."""
        for name, kept in plain["sessions"].items():
            held = Holding(**kept | {"settles_s": 0.0, "wanted": False, "free_s": now_s})
            self._sessions[name] = held
            if held.owner:
                self._seen_s[held.owner] = now_s
        self._gone = dict.fromkeys(plain["gone"])
