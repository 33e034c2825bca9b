"""What happened in one stream, for its statistics."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Counters"]


@dataclass(slots=True)
class Counters:
    """Counts since the start of the stream.

    Attributes:
        ticks, finals: jobs handed out.
        instant_finals: utterances that were final at once, because the last tick had heard all of it.
        early_finals: texts that were told as final before their utterance was over.
        failed: jobs that the engine could not do.
        poisoned: jobs given up because they killed the engine.
        superseded: jobs dropped for a newer one.
        gated: hypotheses of which the gates did not believe all.
        empty: times that speech was decoded, twice, and no words were found.
        looked_again: times that speech without words was decoded again.
        cuts: window cuts.
        forced_commits: words committed without agreement because their window was full.

    """

    ticks: int = 0
    finals: int = 0
    instant_finals: int = 0
    early_finals: int = 0
    failed: int = 0
    superseded: int = 0
    poisoned: int = 0
    gated: int = 0
    empty: int = 0
    looked_again: int = 0
    cuts: int = 0
    forced_commits: int = 0
