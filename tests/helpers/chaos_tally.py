"""What many sessions on devices in trouble met, added up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.helpers.chaos import Outcome


@dataclass
class Tally:
    """What all sessions met."""

    sessions: int = 0
    same_words: int = 0  # as many sessions have the very words of the undisturbed one
    cpu_s: float = 0.0
    windows: Counter[str] = field(default_factory=Counter)  # by device
    reasons: Counter[str] = field(default_factory=Counter)  # of windows on the CPU
    struck: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome, undisturbed: Outcome, cpu_s: float) -> None:
        """Count a session."""
        self.sessions += 1
        self.same_words += outcome.words == undisturbed.words
        self.cpu_s += cpu_s
        self.struck += outcome.struck
        self.warnings.update(code for code, _ in outcome.warnings)
        for answer in outcome.answers:
            self.windows[answer.result.decoder] += 1
            self.reasons.update([answer.result.fallback_kind] * bool(answer.result.fallback))

    def lines(self) -> list[str]:
        """Return what is told at the end."""
        if not self.sessions:
            return []
        return [
            f"chaos: {self.sessions} sessions, {self.same_words} with the very words of the undisturbed session, "
            f"{self.cpu_s / self.sessions:.2f} s of CPU each",
            f"chaos: windows {dict(self.windows)}, warnings {dict(self.warnings)}",
            f"chaos: faults that struck {dict(self.struck.most_common())}",
            f"chaos: why windows were done by the CPU {dict(self.reasons.most_common())}",
        ]
