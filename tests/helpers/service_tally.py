"""What many services met while everything went wrong, added up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.helpers.service_checks import Judged, Session
from tests.helpers.spoken_numbers import RATE


@dataclass
class ServiceTally:
    """What many schedules met, added up."""

    schedules: int = 0
    sessions: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    numbers: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    gap_reasons: Counter[str] = field(default_factory=Counter)
    samples: int = 0
    gap_samples: int = 0
    longest_gap_s: float = 0.0
    unaccounted: int = 0
    hangs: int = 0
    connections: int = 0
    problems: int = 0

    def add(self, one: Judged) -> None:
        """Count a schedule."""
        self.schedules += 1
        self.struck += one.outcome.struck
        self.hangs += one.outcome.hung
        self.problems += len(one.problems)
        for session in one.sessions:
            self._add_session(session)

    def _add_session(self, session: Session) -> None:
        verdict, told = session.verdict, session.speaker.told
        self.sessions += 1
        self.samples += len(session.stream.sound)
        self.unaccounted += session.unaccounted
        self.connections += session.speaker.connections + session.watcher.connections
        self.numbers.update({"sent": len(session.stream.numbers), "committed": verdict.committed})
        self.numbers.update({"in gaps": verdict.in_gaps, "misread without faults": verdict.misread})
        self.numbers.update({"lost": len(verdict.lost), "words duplicated": len(verdict.duplicated)})
        self.warnings.update(warning["code"] for warning in told.of("warning"))
        self.gap_reasons.update(gap["why"].partition(":")[0] for gap in told.of("gap"))
        self.gap_samples += sum(gap.stop - gap.start for gap in session.gaps)
        self.longest_gap_s = max([self.longest_gap_s, *((gap.stop - gap.start) / RATE for gap in session.gaps)])

    def lines(self) -> list[str]:
        """Return what is told at the end."""
        if not self.schedules:
            return []
        return [
            f"service chaos: {self.schedules} schedules, {self.sessions} sessions, {self.samples / RATE:.0f} s of "
            f"audio, {self.connections} connections, {self.problems} problems, {self.hangs} hangs",
            f"service chaos: faults that struck {dict(self.struck.most_common())}",
            f"service chaos: numbers {dict(self.numbers)}",
            f"service chaos: {self.unaccounted} samples unaccounted; gaps {self.gap_samples / RATE:.2f} s, the longest "
            f"{self.longest_gap_s:.2f} s, {dict(self.gap_reasons)}",
            f"service chaos: warnings {dict(self.warnings.most_common())}",
        ]
