"""Whether one more speaker can be served: by places, by those of one client, and by the measured load of the engine.

Pure. The load is what the sessions need of the engine in real time: engine seconds a second. A session that sends
faster than real time, or waits for its sound to be decoded, needs no more than one that speaks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

MEMORY_S: Final = 20.0  # of the load: so long ago counts 1/e
YOUNG_S: Final = 3.0  # a session that was just opened is taken for somebody who speaks
LEAST_S: Final = 5.0  # that a load is measured over: a first window alone says little
COST_MEMORY_S: Final = 300.0  # of sound, of what a second of it costs
COST_LEAST_S: Final = 10.0  # of sound, that the cost is measured over
LENGTH_MEMORY: Final = 0.2  # of how long sessions last: share of the newest one
FIRST_LENGTH_S: Final = 60.0  # of a session, while none has ended
SOONEST_S, LATEST_S = 1.0, 120.0  # that a client is told to try again after


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """When a speaker is refused.

    Attributes:
        sessions: at a time.
        sessions_each: of one client; clients of this machine that come over TCP are not told apart.
        load: of the engine, with the new speaker, in engine seconds a second; 0: any.

    """

    sessions: int
    sessions_each: int
    load: float


@dataclass(frozen=True, slots=True)
class Full:
    """Why there is no room, and when it may be otherwise."""

    why: str
    retry_after_s: float


@dataclass(slots=True)
class Usage:
    """What one session needs, from samples of its counters.

    Attributes:
        client: whose it is; None where clients are not told apart.
        since_s: when it was opened.
        audio_s: its sound, as it was told last.

    """

    client: str | None
    since_s: float
    audio_s: float = 0.0
    _seen_s: float = 0.0
    _compute_s: float = 0.0
    _recent: tuple[float, float, float] = (0.0, 0.0, 0.0)  # seconds, sound, engine; faded

    def __post_init__(self) -> None:
        self._seen_s = self.since_s

    def sample(self, now_s: float, audio_s: float, compute_s: float) -> tuple[float, float]:
        """Take its counters; return how much sound and engine time have come since they were taken last."""
        step = (now_s - self._seen_s, audio_s - self.audio_s, compute_s - self._compute_s)
        fade = math.exp(-step[0] / MEMORY_S)
        seconds, sound, engine = (fade * old + new for old, new in zip(self._recent, step, strict=True))
        self._recent = (seconds, sound, engine)
        self._seen_s, self.audio_s, self._compute_s = now_s, audio_s, compute_s
        return step[1], step[2]

    def demand(self, now_s: float, cost: float) -> float:
        """Return engine seconds a second that it needs; one that has just begun is taken for somebody who speaks."""
        seconds, sound, engine = self._recent
        measured = engine / max(seconds, sound, LEAST_S)
        return measured if now_s - self.since_s >= YOUNG_S else max(measured, cost)


@dataclass(slots=True)
class Admission:
    """The books of one daemon.

    Attributes:
        limits: may be replaced.
    """

    limits: AdmissionLimits
    _cost: tuple[float, float] = (0.0, 0.0)  # sound, engine; faded
    _sessions: dict[str, Usage] = field(default_factory=dict)
    _each: Counter[str] = field(default_factory=Counter)
    _length_s: float = FIRST_LENGTH_S

    @property
    def cost(self) -> float:
        """Engine seconds that a second of sound takes, 0 while nothing was measured."""
        sound_s, engine_s = self._cost
        return engine_s / max(sound_s, COST_LEAST_S)

    def opened(self, session: str, client: str | None, now_s: float, audio_s: float = 0.0) -> None:
        """Take note of a session, which may have so much sound already."""
        self._sessions[session] = Usage(client, now_s, audio_s)
        if client is not None:
            self._each[client] += 1

    def closed(self, session: str, now_s: float) -> None:
        """Take note of its end; once more does no harm."""
        usage = self._sessions.pop(session, None)
        if usage is None:
            return
        self._length_s += LENGTH_MEMORY * (now_s - usage.since_s - self._length_s)
        if usage.client is not None:
            self._each[usage.client] -= 1
            self._each += Counter()  # forgets those that have none

    def sample(self, session: str, now_s: float, audio_s: float, compute_s: float) -> None:
        """Take the counters of a session: all its sound, and all engine time that was spent on it."""
        usage = self._sessions.get(session)
        if usage is None:
            return
        sound_s, engine_s = usage.sample(now_s, audio_s, compute_s)
        fade = math.exp(-sound_s / COST_MEMORY_S)
        self._cost = (fade * self._cost[0] + sound_s, fade * self._cost[1] + engine_s)

    def load(self, now_s: float) -> float:
        """Return engine seconds a second that all sessions need."""
        return sum(usage.demand(now_s, self.cost) for usage in self._sessions.values())

    def refusal(
        self, now_s: float, client: str | None = None, *, coming: int = 0, frees_s: Iterable[float] = ()
    ) -> Full | None:
        """Return why one more speaker cannot be served; None: it can.

        Args:
            now_s: seconds.
            client: whose it would be.
            coming: speakers that may come in but have not said hello.
            frees_s: when places become free at the latest: those of sessions that wait for their speaker.

        """
        limits, n = self.limits, len(self._sessions)
        if n + coming >= limits.sessions:
            return Full(f"all {limits.sessions} sessions are taken", self.retry_after_s(now_s, 1, frees_s))
        if client is not None and self._each[client] >= limits.sessions_each:
            why = f"{limits.sessions_each} sessions of this client are open, and it may have no more"
            return Full(why, self.retry_after_s(now_s, 1, frees_s))
        now, more = self.load(now_s), (1 + coming) * self.cost
        if n and limits.load and now + more > limits.load:
            busy, allowed = f"{100 * (now + more):.0f} %", f"{100 * limits.load:.0f} %"
            why = f"with one speaker more the engine would be {busy} busy, and {allowed} is allowed"
            ends = math.ceil((now + more - limits.load) * n / now) if now else 1
            return Full(why, self.retry_after_s(now_s, ends, frees_s))
        return None

    def retry_after_s(self, now_s: float, ends: int = 1, frees_s: Iterable[float] = ()) -> float:
        """Return when so many sessions will have ended: of n that last so long on average, one ends every nth part."""
        expected_s = min(ends, len(self._sessions)) * self._length_s / max(1, len(self._sessions))
        for_sure = sorted(at_s - now_s for at_s in frees_s)
        if len(for_sure) >= ends:
            expected_s = min(expected_s, for_sure[ends - 1])
        return float(round(min(max(expected_s, SOONEST_S), LATEST_S)))
