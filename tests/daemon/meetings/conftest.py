"""What the tests of meetings share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from amanuensis.daemon.meetings.model import HeardWord, Hole, Remark, Track, TrackState, Utterance
from amanuensis.daemon.meetings.store import Store

Fill = Callable[..., None]


def utterance(text: str, start_ms: float = 0.0, spk: str | None = None, utt: int = 0) -> Utterance:
    """Words of 100 ms each."""
    words = [
        HeardWord(f" {word}", start_ms + 100 * at, start_ms + 100 * (at + 1), 0.9)
        for at, word in enumerate(text.split())
    ]
    return Utterance(utt, spk, tuple(words))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty index."""
    with Store(tmp_path / "meetings" / "meetings.db") as opened:
        yield opened


@pytest.fixture
def fill(store: Store) -> Fill:
    """Put a track of a meeting into the index."""

    def put(
        session: str,
        said: Sequence[Utterance] = (),
        *,
        meeting: str = "monday",
        track: str = "me",
        offset_ms: float = 0.0,
        state: TrackState = "finished",
        remarks: Sequence[Remark] = (),
        holes: Sequence[Hole] = (),
        opened_s: float = 1.79e9,
    ) -> None:
        store.begin(meeting, "Weekly", opened_s, Track(session, track, offset_ms, 10_000.0, 16_000, "builtin", state))
        store.fill(session, said, remarks, holes)

    return put
