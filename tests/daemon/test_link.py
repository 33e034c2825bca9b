"""One connection of a client: what its end means."""

from __future__ import annotations

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close

from amanuensis.daemon.link import ClientError, ConnectionLostError, closed_error


@pytest.mark.parametrize("code", [1001, 1006, 1011, 1012, 1013, None])
def test_a_connection_may_end_without_its_session(code: int | None) -> None:
    """Close codes of the daemon's or the network's trouble, and no close at all, leave the session to come back to."""
    received = None if code is None else Close(code, "why")
    error = closed_error(ConnectionClosedError(received, None))
    assert isinstance(error, ConnectionLostError)
    assert ("broke" if code is None else f"{code} why") in str(error)


@pytest.mark.parametrize("code", [1002, 1009, 4400, 4401, 4404, 4408, 4409])
def test_other_codes_are_answers(code: int) -> None:
    """What the client has done wrong, or somebody else has taken, is not tried again."""
    error = closed_error(ConnectionClosedError(Close(code, "why"), None))
    assert isinstance(error, ClientError)
    assert not isinstance(error, ConnectionLostError)
