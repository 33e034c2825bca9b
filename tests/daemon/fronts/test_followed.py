"""A session of another front, as it is told here: all of it, in order, and once."""

from __future__ import annotations

import pytest

from amanuensis.daemon.fronts.crowd import Crowd
from amanuensis.daemon.fronts.followed import FollowedSession
from amanuensis.daemon.fronts.messages import Copy, News
from amanuensis.daemon.hub import ClientQueue
from amanuensis.daemon.journal import JournalLimits


def speech(seq: int) -> dict[str, object]:
    """Return a durable event."""
    return {"type": "speech", "seq": seq, "on": bool(seq % 2), "at": 1000.0 * seq}


PARTIAL = {"type": "partial", "utt": 1, "rev": 1, "text": "alfa", "from": 0.0, "to": 1.0}
COPY = Copy({}, 0, "era", engine={"encoder": "cpu", "decoder": "cpu", "model": "m", "why": "w"})


@pytest.fixture
def followed() -> FollowedSession:
    """A session that has said nothing yet, and one who watches it."""
    session = FollowedSession("s", Crowd(), JournalLimits())
    session.take_copy(COPY)
    session.hub.join(ClientQueue("json"), [])
    return session


def n_told(session: FollowedSession) -> int:
    """Return how many events wait for the watcher."""
    (client,) = session.crowd.clients
    return len(client)


def test_news_are_told_once(followed: FollowedSession) -> None:
    """What comes again is not told again; partials are."""
    assert followed.take_news(News((speech(1), PARTIAL, speech(2)), 3))
    assert followed.take_news(News((speech(2), speech(3)), 5))
    assert (n_told(followed), followed.journal.last_seq, followed.place) == (4, 3, ("era", 5))


def test_a_hole_is_not_passed_over(followed: FollowedSession) -> None:
    """Nothing behind it is told: the session is to be copied."""
    assert not followed.take_news(News((speech(1), speech(3)), 3, ended="end"))
    assert (n_told(followed), followed.journal.last_seq, followed.ended) == (1, 1, "")
    assert followed.place[0] != "era"


def test_the_end_is_told_after_everything(followed: FollowedSession) -> None:
    """Watchers get the rest and `bye`, and are closed in good order."""
    assert followed.take_news(News((speech(1),), 1, ended="end"))
    (client,) = followed.crowd.clients
    assert (len(client), client.closing) == (2, (1000, "end"))
    assert followed.as_ended().reason == "end"
