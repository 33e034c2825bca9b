"""The rules of one connection."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.daemon.access import EVERYBODY, NOBODY, Grant
from amanuensis.daemon.connection import MAX_ERRORS, Connection, Route
from amanuensis.daemon.cursor import Chunk, Cursor
from amanuensis.daemon.protocol import Configure, Flush, Hello, Ping, ProtocolError
from tests.helpers.protocol_cases import HELLO

SPEAK, WATCH = Route("session"), Route("watch", "abc")
WATCH_HELLO = {"type": "hello", "proto": "amanuensis.v1", "role": "watch"}
TOKEN = "a-token-of-some-length"


def opened(framing: str = "msgpack", **audio: Any) -> Connection:
    """Return a connection whose speaker has said hello."""
    connection = Connection(SPEAK)
    hello = connection.receive(json.dumps(HELLO | {"audio": HELLO["audio"] | audio | {"framing": framing}}))
    assert isinstance(hello, Hello)
    assert hello.audio is not None
    connection.cursor = Cursor(hello.audio)
    return connection


def chunk(n: int, data: bytes = b"\0\0", at: int | None = None) -> bytes:
    """Return an audio frame."""
    fields = {"t": "a", "n": n, "d": data} | ({} if at is None else {"at": at})
    packed: bytes = msgpack.packb(fields)
    return packed


def refused(connection: Connection, frame: str | bytes) -> ProtocolError:
    """Return the error that a frame is refused with."""
    with pytest.raises(ProtocolError) as caught:
        connection.receive(frame)
    return caught.value


@pytest.mark.parametrize("frame", [b"\0\0", '{"type":"end"}', "hello", '{"type":"hello","proto":"x"}', " " * 5000])
def test_hello_comes_first(frame: str | bytes) -> None:
    """Anything but a hello as first message closes with 4400."""
    error = refused(Connection(SPEAK), frame)
    assert (error.close_code, error.code in ("bad_hello", "bad_message")) == (4400, True)


def test_hello_comes_once() -> None:
    """A second hello is refused, and the connection goes on."""
    connection = opened()
    assert refused(connection, json.dumps(HELLO)).close_code is None
    assert connection.receive('{"type":"flush"}') == Flush()


@pytest.mark.parametrize(("auth", "accepted"), [(TOKEN, True), (TOKEN + "x", False), ("", False), (None, False)])
def test_token_in_hello(auth: str | None, accepted: bool) -> None:
    """A server with a token takes only a hello that has it."""
    text = json.dumps(HELLO | {"auth": auth})
    if accepted:
        assert isinstance(Connection(SPEAK, authorize).receive(text), Hello)
    else:
        error = refused(Connection(SPEAK, authorize), text)
        assert (error.code, error.close_code) == ("unauthorized", 4401)
        assert TOKEN not in str(error)


def authorize(auth: str | None) -> Grant:
    """Whoever has the token may do everything."""
    return EVERYBODY if auth == TOKEN else NOBODY


@pytest.mark.parametrize(("route", "role"), [(SPEAK, "speak"), (WATCH, "watch")])
def test_roles(route: Route, role: str) -> None:
    """Who may only watch cannot speak, and the other way round; who may, is known by what was granted."""
    text = json.dumps(HELLO if role == "speak" else {"type": "hello", "proto": "amanuensis.v1", "role": "watch"})
    right, wrong = (Grant(frozenset({name}), "obs") for name in ((role, "watch" if role == "speak" else "speak")))
    connection = Connection(route, lambda _: right)
    assert isinstance(connection.receive(text), Hello)
    assert connection.grant == right
    error = refused(Connection(route, lambda _: wrong), text)
    assert (error.code, error.close_code) == ("unauthorized", 4401)
    assert f"obs may not {role} here: that needs a token with the role {role}" in str(error)


@pytest.mark.parametrize(
    ("route", "fields", "code", "close_code"),
    [
        (WATCH, HELLO, "bad_hello", 4400),
        (SPEAK, HELLO | {"session": "abc"}, "bad_hello", 4400),
        (SPEAK, HELLO | {"resume_token": "t", "after_seq": 3}, "bad_hello", 4400),
        (SPEAK, HELLO | {"after_seq": 3}, "bad_hello", 4400),
        (SPEAK, WATCH_HELLO, "bad_hello", 4400),
    ],
)
def test_roles_and_paths(route: Route, fields: dict[str, Any], code: str, close_code: int) -> None:
    """A role that does not fit the path, and half of what coming back takes, are refused."""
    error = refused(Connection(route), json.dumps(fields))
    assert (error.code, error.close_code) == (code, close_code)


def test_watcher_names_its_session_in_path_or_hello() -> None:
    """The path comes first, then the hello."""
    for route, fields, expected in (
        (WATCH, {}, "abc"),
        (SPEAK, {"session": "def"}, "def"),
        (WATCH, {"session": "x"}, "abc"),
    ):
        connection = Connection(route)
        hello = connection.receive(json.dumps(WATCH_HELLO | fields))
        assert isinstance(hello, Hello)
        assert connection.watched(hello) == expected


def test_watcher_may_ping_and_hide() -> None:
    """A watcher may send ping and config with want; the rest is not allowed."""
    connection = Connection(WATCH)
    connection.receive(json.dumps(WATCH_HELLO))
    assert connection.receive('{"type":"ping","id":1}') == Ping(1)
    assert connection.receive('{"type":"config","want":[]}') == Configure(want=frozenset())
    for frame in (chunk(0), '{"type":"end"}', '{"type":"flush"}', '{"type":"config","lang":"en"}'):
        assert refused(connection, frame).code == "not_allowed"


def test_repeated_chunk_is_ignored() -> None:
    """A chunk that was taken before changes nothing."""
    connection = opened()
    assert connection.receive(chunk(0)) == Chunk(0, 0, b"\0\0")
    assert connection.receive(chunk(0, b"\1\1")) is None
    assert connection.receive(chunk(1)) == Chunk(1, 0, b"\0\0")
    assert connection.cursor is not None
    assert connection.cursor.next_chunk == 2


def test_hole_between_chunks_is_fatal() -> None:
    """A chunk after a missing one closes with 4400."""
    error = refused(opened(), chunk(1))
    assert (error.code, error.close_code) == ("chunk_hole", 4400)
    assert "n is 1, expected 0" in str(error)


def test_raw_chunks_are_counted() -> None:
    """With raw framing each binary frame is the next chunk."""
    connection = opened("raw")
    assert [connection.receive(b"ab"), connection.receive(b"")] == [Chunk(0, 0, b"ab"), Chunk(1, 0, b"")]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 50)), max_size=20), st.integers(1, 3))
def test_position_adds_up(steps: list[tuple[int, int]], channels: int) -> None:
    """After any cuts and losses, received and missing bytes lead exactly to `at`."""
    connection = opened(ch=channels)
    total = 0
    for n, (n_bytes, lost) in enumerate(steps):
        at = total // (2 * channels) + lost
        taken = connection.receive(chunk(n, bytes(n_bytes), at))
        assert isinstance(taken, Chunk)
        assert (taken.missing_bytes == 0) == (lost == 0)
        if lost:
            assert total + taken.missing_bytes == at * 2 * channels
        total += taken.missing_bytes + n_bytes


@pytest.mark.parametrize("at", [0, 61 * 16000, 2**53 - 1])
def test_at_that_cannot_be_is_fatal(at: int) -> None:
    """`at` before the end of the last chunk, or absurdly far after it, closes with 4400."""
    connection = opened()
    connection.receive(chunk(0, bytes(320)))
    error = refused(connection, chunk(1, b"", at))
    assert (error.code, error.close_code) == ("at_mismatch", 4400)
    assert "expected 160" in str(error)


def test_nothing_follows_end_but_ping() -> None:
    """After `end` sound and commands are refused; ping is answered."""
    connection = opened()
    connection.receive('{"type":"end"}')
    assert [refused(connection, frame).code for frame in (chunk(0), '{"type":"flush"}')] == ["ended", "ended"]
    assert connection.receive('{"type":"ping"}') == Ping()


def test_a_speaker_comes_back_with_session_and_token() -> None:
    """A hello with both is taken, with what it has seen."""
    text = json.dumps(HELLO | {"session": "abc", "resume_token": "secret", "after_seq": 7})
    hello = Connection(SPEAK).receive(text)
    assert isinstance(hello, Hello)
    assert (hello.session, hello.resume_token, hello.after_seq) == ("abc", "secret", 7)


def test_text_frames_are_counted_from_chunk_to_chunk() -> None:
    """What was taken after a chunk is counted, wrong messages too, pings not; the next chunk begins anew."""
    connection = opened()
    assert connection.cursor is not None
    counts = []
    for frame in ('{"type":"flush"}', '{"type":"ping"}', "{", chunk(0), '{"type":"mark","id":1}', chunk(0), chunk(1)):
        with contextlib.suppress(ProtocolError):
            connection.receive(frame)
        counts.append(connection.cursor.controls)
    assert counts == [1, 1, 2, 0, 1, 1, 0]


def test_a_closed_session_takes_nothing_and_stays_where_it_is() -> None:
    """What comes for a session that takes nothing more is ignored, and it is asked for again."""
    connection = opened()
    connection.receive(chunk(0))
    assert connection.cursor is not None
    connection.cursor.closed = True
    assert [connection.receive(frame) for frame in (chunk(1), '{"type":"flush"}', '{"type":"end"}')] == [None] * 3
    assert (connection.cursor.next_chunk, connection.cursor.controls, connection.cursor.ended) == (1, 0, False)
    assert connection.receive('{"type":"ping"}') == Ping()


def test_errors_are_bounded() -> None:
    """After sixteen wrong messages the next one closes the connection."""
    connection = opened()
    for _ in range(MAX_ERRORS):
        assert refused(connection, "{").close_code is None
    error = refused(connection, "{")
    assert (error.code, error.close_code) == ("too_many_errors", 4400)


@given(st.lists(st.binary(max_size=20) | st.text(max_size=20), max_size=30))
def test_garbage_never_breaks_the_machine(frames: list[str | bytes]) -> None:
    """Whatever comes is taken or refused."""
    connection = opened()
    for frame in frames:
        try:
            connection.receive(frame)
        except ProtocolError as error:
            if error.close_code is not None:
                return
