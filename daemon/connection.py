"""One connection of the native protocol as a state machine: frames in, messages that may be acted on out.

Pure: it knows nothing of sockets and clocks. `ProtocolError.close_code` says whether the connection can go on.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from amanuensis.daemon.protocol import (
    MAX_HELLO_BYTES,
    Audio,
    ClientMessage,
    Configure,
    End,
    Flush,
    Hello,
    Mark,
    Ping,
    ProtocolError,
    parse_binary,
    parse_text,
)

MAX_ERRORS: Final = 16  # wrong messages that a connection survives
MAX_SKIP_S: Final = 60  # longest hole that `at` may declare: more is a broken clock, not lost audio

BAD_HELLO: Final = 4400
NOT_ALLOWED: Final = 4401
NO_SESSION: Final = 4404


@dataclass(frozen=True, slots=True)
class Route:
    """Where a connection was opened: `session` or `watch`, and the session that the path names."""

    kind: Literal["session", "watch"]
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Sound to take: chunk number, so many bytes that the client says it lost, then `data`."""

    n: int
    missing_bytes: int
    data: bytes


Accepted: TypeAlias = Hello | Chunk | Flush | Mark | Configure | Ping | End


class Connection:
    """The rules of one connection.

    Args:
        route: from the path of the request.
        token: what the server asks for; None: nothing.
        authorized: the request already carried the token.

    Attributes:
        hello: None until a hello was taken.
        next_chunk: number of the audio chunk that is wanted next.

    """

    def __init__(self, route: Route, token: str | None = None, authorized: bool = False) -> None:
        self.route = route
        self.hello: Hello | None = None
        self.next_chunk = 0
        self._token = token
        self._authorized = authorized or token is None
        self._position_bytes = 0  # received and lost
        self._ended = False
        self._errors = 0

    def receive(self, frame: str | bytes) -> Accepted | None:
        """Take one frame; None when there is nothing to do (a chunk that was taken before).

        Raises:
            ProtocolError: the frame is refused; with a `close_code` the connection is over.

        """
        if self.hello is None:
            return self._open(frame)
        try:
            message = parse_text(frame) if isinstance(frame, str) else parse_binary(frame, self.hello.framing)
            return self._take(message)
        except ProtocolError as error:
            self._errors += 1
            if self._errors > MAX_ERRORS and error.close_code is None:
                raise ProtocolError(
                    "too_many_errors", f"{MAX_ERRORS} wrong messages; last: {error}", BAD_HELLO
                ) from None
            raise

    def _open(self, frame: str | bytes) -> Hello:
        if not isinstance(frame, str):
            raise ProtocolError(
                "bad_hello", "the first message is binary; it must be a hello in a text frame", BAD_HELLO
            )
        if len(frame.encode()) > MAX_HELLO_BYTES:
            raise ProtocolError("bad_hello", f"hello is longer than {MAX_HELLO_BYTES} bytes", BAD_HELLO)
        try:
            message = parse_text(frame)
        except ProtocolError as error:
            raise ProtocolError(error.code, str(error), error.close_code or BAD_HELLO) from None
        if not isinstance(message, Hello):
            raise ProtocolError("bad_hello", "the first message must be a hello", BAD_HELLO)
        self._admit(message)
        self.hello = message
        return message

    def _admit(self, hello: Hello) -> None:
        if not self._authorized and not self._is_token(hello.auth):
            message = "this server asks for its token: Authorization: Bearer TOKEN, or auth in the hello"
            raise ProtocolError("unauthorized", message, NOT_ALLOWED)
        if hello.role == "speak" and self.route.kind == "watch":
            message = "hello: role is 'speak' on a path for watching; speak on /v1/session"
            raise ProtocolError("bad_hello", message, BAD_HELLO)
        if hello.role == "speak" and (hello.session is not None or hello.resume_token is not None):
            message = "this server does not resume sessions yet; send a hello without session and resume_token"
            raise ProtocolError("resume_unsupported", message, NO_SESSION)
        if hello.role == "speak" and hello.after_seq is not None:
            raise ProtocolError("bad_hello", "hello: after_seq is for a session that exists", BAD_HELLO)
        if hello.role == "watch" and self.watched(hello) is None:
            message = "hello: session is missing; name it here or in the path /v1/watch/{session}"
            raise ProtocolError("bad_hello", message, BAD_HELLO)

    def _is_token(self, auth: str | None) -> bool:
        return hmac.compare_digest((auth or "").encode(), (self._token or "").encode())

    def watched(self, hello: Hello) -> str | None:
        """Return the session that a watcher wants to see: the path's, else the hello's."""
        return self.route.session or hello.session

    def _take(self, message: ClientMessage) -> Accepted | None:
        assert self.hello is not None
        if isinstance(message, Hello):
            raise ProtocolError("bad_message", "hello was sent before; it is the first message only")
        if isinstance(message, Ping):
            return message
        if self.hello.role == "watch":
            if isinstance(message, Configure) and message == Configure(want=message.want):
                return message
            raise ProtocolError("not_allowed", "a watcher may send ping, and config with want, and nothing else")
        if isinstance(message, Audio):
            return self._audio(message)
        if self._ended:
            raise ProtocolError("ended", "nothing but ping may follow end")
        self._ended = isinstance(message, End)
        return message

    def _audio(self, audio: Audio) -> Chunk | None:
        if self._ended:
            raise ProtocolError("ended", "audio after end was not taken")
        n = self.next_chunk if audio.n is None else audio.n
        if n < self.next_chunk:
            return None
        if n > self.next_chunk:
            message = f"audio: n is {n}, expected {self.next_chunk}: chunks are numbered without holes"
            raise ProtocolError("chunk_hole", message, BAD_HELLO)
        missing_bytes = self._missing_bytes(audio, n)
        self.next_chunk = n + 1
        self._position_bytes += missing_bytes + len(audio.data)
        return Chunk(n, missing_bytes, audio.data)

    def _missing_bytes(self, audio: Audio, n: int) -> int:
        """Return how many bytes lie between the last chunk's end and `at`."""
        assert self.hello is not None
        assert self.hello.audio is not None
        fmt = self.hello.audio
        expected = self._position_bytes // fmt.frame_bytes
        if audio.at is None or audio.at == expected:
            return 0
        if not expected < audio.at <= expected + MAX_SKIP_S * fmt.rate:
            message = (
                f"audio: chunk {n} has at {audio.at}, expected {expected}: at counts samples of one channel from 0, "
                f"and may jump forward by at most {MAX_SKIP_S} s where audio was lost"
            )
            raise ProtocolError("at_mismatch", message, BAD_HELLO)
        return audio.at * fmt.frame_bytes - self._position_bytes
