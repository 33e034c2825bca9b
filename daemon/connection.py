"""One connection of the native protocol as a state machine: frames in, messages that may be acted on out.

Pure: it knows nothing of sockets and clocks. `ProtocolError.close_code` says whether the connection can go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from amanuensis.daemon.access import EVERYBODY, NOBODY, Authorize
from amanuensis.daemon.cursor import Chunk, Cursor
from amanuensis.daemon.protocol import (
    MAX_HELLO_BYTES,
    Audio,
    ClientMessage,
    Configure,
    End,
    Flush,
    Hello,
    Mark,
    Note,
    Ping,
    ProtocolError,
    Skip,
    parse_binary,
    parse_text,
)

MAX_ERRORS: Final = 16  # wrong messages that a connection survives

BAD_HELLO: Final = 4400
NOT_ALLOWED: Final = 4401
NO_SESSION: Final = 4404


@dataclass(frozen=True, slots=True)
class Route:
    """Where a connection was opened.

    Attributes:
        kind: `session`, `watch`, `admin`, or `listen` for Deepgram's protocol, which knows no hello.
        session: that the path names.
        resumes: the session that a speaker wants to come back to, from the query: a full daemon lets it in.

    """

    kind: Literal["session", "watch", "listen", "admin"]
    session: str | None = None
    resumes: str | None = None


Accepted: TypeAlias = Hello | Chunk | Flush | Mark | Note | Skip | Configure | Ping | End


class Connection:
    """The rules of one connection.

    Args:
        route: from the path of the request.
        authorize: says what the sender of a hello may do, from its `auth`.

    Attributes:
        hello: None until a hello was taken.
        grant: what its sender may do, from then on.
        cursor: of the session that a speaker speaks in; to be set before its next frame is received.

    """

    def __init__(self, route: Route, authorize: Authorize = lambda _: EVERYBODY) -> None:
        self.route = route
        self.hello: Hello | None = None
        self.cursor: Cursor | None = None
        self.grant = NOBODY
        self._authorize = authorize
        self._errors = 0

    def receive(self, frame: str | bytes) -> Accepted | None:
        """Take one frame; None when there is nothing to do (a chunk that was taken before, a session that is closed).

        Raises:
            ProtocolError: the frame is refused; with a `close_code` the connection is over.

        """
        if self.hello is None:
            return self._open(frame)
        try:
            if isinstance(frame, bytes):
                return self._take(parse_binary(frame, self.hello.framing))
            return self._take_text(frame)
        except ProtocolError as error:
            self._errors += 1
            if self._errors > MAX_ERRORS and error.close_code is None:
                raise ProtocolError(
                    "too_many_errors", f"{MAX_ERRORS} wrong messages; last: {error}", BAD_HELLO
                ) from None
            raise

    def _take_text(self, frame: str) -> Accepted | None:
        counted = True
        try:
            message = parse_text(frame)
            counted = not isinstance(message, Ping)
            return self._take(message)
        finally:
            if counted and self.cursor is not None and not self.cursor.closed:
                self.cursor.controls += 1  # refused ones too: a speaker counts what it sends

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
        self.grant = self._authorize(hello.auth)
        if not self.grant.roles:
            message = "this server asks for a token: Authorization: Bearer TOKEN, or auth in the hello"
            raise ProtocolError("unauthorized", message, NOT_ALLOWED)
        if not self.grant.may(hello.role):
            message = f"{self.grant.holder} may not {hello.role} here: that needs a token with the role {hello.role}"
            raise ProtocolError("unauthorized", message, NOT_ALLOWED)
        if hello.role == "speak" and self.route.kind == "watch":
            message = "hello: role is 'speak' on a path for watching; speak on /v1/session"
            raise ProtocolError("bad_hello", message, BAD_HELLO)
        if hello.role == "speak":
            _check_resume(hello)
        if hello.role == "watch" and self.watched(hello) is None:
            message = "hello: session is missing; name it here or in the path /v1/watch/{session}"
            raise ProtocolError("bad_hello", message, BAD_HELLO)

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
        assert self.cursor is not None
        return self._take_speech(message, self.cursor)

    def _take_speech(
        self, message: Audio | Flush | Mark | Note | Skip | Configure | End, cursor: Cursor
    ) -> Accepted | None:
        if cursor.ended:
            what = "audio after end was not taken" if isinstance(message, Audio) else "nothing but ping may follow end"
            raise ProtocolError("ended", what)
        if cursor.closed:
            return None
        if isinstance(message, Audio):
            return cursor.take(message)
        cursor.ended = isinstance(message, End)
        return message


def _check_resume(hello: Hello) -> None:
    """Refuse a speaker that says only a part of what coming back takes."""
    given = {"session": hello.session is not None, "resume_token": hello.resume_token is not None}
    missing = [name for name, is_given in given.items() if not is_given]
    if len(missing) == 1:
        message = f"hello: {missing[0]} is missing; a speaker that comes back gives session and resume_token"
        raise ProtocolError("bad_hello", message, BAD_HELLO)
    if missing and hello.after_seq is not None:
        message = "hello: after_seq is for a session that exists; give session and resume_token too"
        raise ProtocolError("bad_hello", message, BAD_HELLO)
