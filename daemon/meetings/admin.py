"""The WebSocket `/v1/admin`: requests about meetings, one answer each (docs/meetings.md). Nothing else changes them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TypeAlias

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from amanuensis.daemon.access import Authorize, Grant
from amanuensis.daemon.config import LimitSettings
from amanuensis.daemon.fields import FieldError, Fields, show
from amanuensis.daemon.meetings import jobs, worker
from amanuensis.daemon.meetings.choice import chosen_model, model_names
from amanuensis.daemon.meetings.export import FORMATS, TIMED_FORMATS, as_map, meeting_map
from amanuensis.daemon.meetings.label import MAX_TITLE_CHARS, read_line
from amanuensis.daemon.meetings.library import Library
from amanuensis.daemon.meetings.model import Meeting, MeetingError
from amanuensis.daemon.meetings.search import MAX_QUERY_CHARS, search
from amanuensis.daemon.meetings.store import Store
from amanuensis.daemon.protocol import ProtocolError
from amanuensis.daemon.spool.flac import sound_files
from amanuensis.npu.engine.api import EngineError

log = logging.getLogger(__name__)

MAX_LISTED: Final = 1000
MAX_NAME_CHARS: Final = 100
BAD_HELLO: Final = 4400
NOT_ALLOWED: Final = 4401
MAX_LABEL_CHARS: Final = 64
IDLE_S: Final = 3600.0
PIECE_CHARS: Final = 2**15
Answer: TypeAlias = dict[str, Any]


class AdminClient:
    """One connection.

    Args:
        websocket: its socket.
        authorize: says what its hello may do.
        library: of the daemon.
        is_live: whether a session goes on.
        limits: how long it may take for its hello, and to take an answer.

    """

    def __init__(
        self,
        websocket: ServerConnection,
        authorize: Authorize,
        library: Library,
        is_live: Callable[[str], bool],
        limits: LimitSettings,
    ) -> None:
        self._websocket = websocket
        self._authorize = authorize
        self._desk = Desk(library, is_live)
        self._limits = limits
        self._dismissing: asyncio.Task[None] | None = None

    async def greet(self) -> Grant:
        """Wait for the hello, `{type: "hello", auth?}`.

        Raises:
            ProtocolError: it is none, or its sender is no admin; the connection is to be closed.
            ConnectionClosed: the client is gone.

        """
        try:
            async with asyncio.timeout(self._limits.hello_s):
                fields = Fields("hello", _read(await self._websocket.recv()), ("type", "auth"))
            fields.choice("type", ("hello",))
            auth = fields.secret("auth", 512) if "auth" in fields else None
        except TimeoutError:
            raise ProtocolError("bad_hello", f"no hello within {self._limits.hello_s:g} s", BAD_HELLO) from None
        except FieldError as error:
            raise ProtocolError("bad_hello", str(error), BAD_HELLO) from None
        grant = self._authorize(auth)
        if not grant.may("admin"):
            raise ProtocolError("unauthorized", "this needs a token with the role admin", NOT_ALLOWED)
        return grant

    async def serve(self) -> None:
        """Answer until the client is gone or has asked for nothing for an hour."""
        try:
            await self._send({"type": "ready"})
            while (frame := await self._next()) is not None:
                await self._send(await asyncio.to_thread(self._desk.answer, frame))
        except TimeoutError:
            log.info("an admin that does not read was cut off")
            self._websocket.transport.abort()
        except ConnectionClosed:
            return

    async def _next(self) -> str | bytes | None:
        """Return the next request; None: there was none for too long."""
        try:
            async with asyncio.timeout(IDLE_S):
                return await self._websocket.recv()
        except TimeoutError:
            await self._websocket.close(1000, "idle")
            return None

    async def turn_away(self, error: ProtocolError) -> None:
        """Say why the connection cannot stay, and close it."""
        try:
            await self._send({"type": "error", "code": error.code, "message": str(error), "fatal": True})
            await self._websocket.close(error.close_code or BAD_HELLO, error.code)
        except (ConnectionClosed, TimeoutError):
            self._websocket.transport.abort()

    def dismiss(self, code: int, why: str) -> None:
        """Close the connection at once."""
        self._dismissing = asyncio.create_task(self._websocket.close(code, why))

    async def _send(self, content: Answer) -> None:
        """Send in pieces, of which each must be taken in time.

        Raises:
            TimeoutError: one was not.

        """
        text, clock = json.dumps(content, ensure_ascii=False), asyncio.get_running_loop().time
        async with asyncio.timeout(self._limits.ping_s) as stall:

            async def pieces() -> AsyncIterator[str]:
                for start in range(0, len(text), PIECE_CHARS):
                    stall.reschedule(clock() + self._limits.ping_s)
                    yield text[start : start + PIECE_CHARS]

            await self._websocket.send(pieces())


class Desk:
    """Answers requests; in another thread, as the index is on a disk."""

    def __init__(self, library: Library, is_live: Callable[[str], bool]) -> None:
        self._library = library
        self._is_live = is_live
        self._requests: Mapping[str, tuple[tuple[str, ...], Callable[[Store, Fields], Answer]]] = {
            "list": ((), self._list),
            "show": (("meeting",), self._show),
            "search": (("phrase",), self._search),
            "export": (("meeting", "format", "word_times"), self._export),
            "rename": (("meeting", "title"), self._rename),
            "rename_speaker": (("meeting", "speaker", "name"), self._rename_speaker),
            "remove": (("meeting",), self._remove),
            "models": ((), self._models),
            "jobs": ((), self._jobs),
            "retranscribe": (("meeting", "model"), self._retranscribe),
            "cancel": (("meeting",), self._cancel),
        }

    def answer(self, frame: str | bytes) -> Answer:
        """Return the answer to one request: of its type and with its id, or `error`."""
        named: Answer = {}
        try:
            values = _read(frame)
            named = _label(values)
            kind = values.get("type")
            if not isinstance(kind, str) or kind not in self._requests:
                raise FieldError(f"request: type is {show(kind)}; it must be one of {', '.join(self._requests)}")
            known, act = self._requests[kind]
            fields = Fields(kind, values, ("type", "id", *known))
            label = fields.label("id", MAX_LABEL_CHARS)
            with self._library.open() as store:
                return {"type": kind, "id": label, **act(store, fields)}
        except (FieldError, MeetingError, EngineError) as error:
            return {"type": "error", **named, "code": "bad_request", "message": str(error), "fatal": False}

    def _list(self, store: Store, _: Fields) -> Answer:
        return {"meetings": [meeting_map(meeting) for meeting in store.meetings(MAX_LISTED)]}

    def _show(self, store: Store, fields: Fields) -> Answer:
        record = store.record(_name(fields))
        return {"meeting": as_map(record), "sounds": self._sounds(record.meeting)}

    def _sounds(self, meeting: Meeting) -> dict[str, list[int]]:
        """Return the first sample of each file of sound, by session."""
        folders = {track.session: self._library.folder(track.session) for track in meeting.tracks}
        return {name: [first for first, _ in sound_files(folder)] for name, folder in folders.items() if folder}

    def _search(self, store: Store, fields: Fields) -> Answer:
        return {"hits": [asdict(hit) for hit in search(store, fields.text("phrase", MAX_QUERY_CHARS))]}

    def _export(self, store: Store, fields: Fields) -> Answer:
        writers = TIMED_FORMATS if "word_times" in fields and fields.flag("word_times") else FORMATS
        chosen = fields.choice("format", tuple(writers))
        record = store.record(_name(fields))
        return {"name": f"{record.meeting.id}.{chosen}", "text": writers[chosen](record)}

    def _rename(self, store: Store, fields: Fields) -> Answer:
        store.rename(_name(fields), read_line(fields, "title", MAX_TITLE_CHARS))
        return {}

    def _rename_speaker(self, store: Store, fields: Fields) -> Answer:
        name = read_line(fields, "name", MAX_NAME_CHARS)
        return {"speaker": store.rename_speaker(_name(fields), fields.text("speaker", MAX_NAME_CHARS), name)}

    def _remove(self, store: Store, fields: Fields) -> Answer:
        meeting = store.find(_name(fields))
        if any(self._is_live(track.session) for track in meeting.tracks):
            raise MeetingError(f"meeting {meeting.id} is being recorded: end it first")
        self._library.remove(store, meeting.id)
        return {}

    def _models(self, _: Store, __: Fields) -> Answer:
        return {"models": model_names()}

    def _jobs(self, store: Store, _: Fields) -> Answer:
        worker.wake(self._library, store)
        return {"jobs": [job.to_map() for job in jobs.every(store)[-MAX_LISTED:]]}

    def _retranscribe(self, store: Store, fields: Fields) -> Answer:
        model = fields.choice("model", tuple(model_names())) if "model" in fields else chosen_model(None)
        job = jobs.ask(store, _name(fields), model, {"engine.model": model})
        worker.start(self._library)
        return {"job": job.to_map()}

    def _cancel(self, store: Store, fields: Fields) -> Answer:
        return {"meeting": jobs.cancel(store, _name(fields)).meeting}


def sound_file(library: Library, session: str, first: int) -> Path | None:
    """Return the FLAC file of a meeting that begins with this sample, if there is one."""
    folder = library.folder(session)
    files = dict(sound_files(folder)) if folder is not None else {}
    return files.get(first)


def _label(values: Mapping[object, object]) -> Answer:
    """Return the id of a request, to be said again in an error; nothing when it is none."""
    try:
        return {"id": Fields("request", {"id": values.get("id")}, ("id",)).label("id", MAX_LABEL_CHARS)}
    except FieldError:
        return {}


def _name(fields: Fields) -> str:
    return fields.text("meeting", 64)


def _read(frame: str | bytes) -> dict[object, object]:
    try:
        values = json.loads(frame) if isinstance(frame, str) else None
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise FieldError("request: not a JSON object in a text frame")
    return values
