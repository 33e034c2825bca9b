"""HTTP GET beside the WebSocket: the captions page, health, metrics, exports.

Pure but for reading the page: a request in, a `Page` out; `daemon/server.py` sends it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from amanuensis.daemon.connection import Route
from amanuensis.daemon.journal import Journal
from amanuensis.daemon.outputs import FORMATS, TIMED_FORMATS, written
from amanuensis.daemon.page_files import PAGE_POLICY, captions_html, is_captions, meetings_html, page_file
from amanuensis.daemon.request_target import split_target
from amanuensis.daemon.tokens import Role
from amanuensis.stream.events import Word

TEXT: Final = "text/plain; charset=utf-8"
METRICS: Final = "text/plain; version=0.0.4; charset=utf-8"  # of Prometheus
LOGIN: Final = "/v1/login"
LISTEN: Final = "/v1/listen"  # of Deepgram's protocol
ADMIN: Final = "/v1/admin"
MEETINGS: Final = "/meetings"
OPEN: Final = ("/healthz", "/readyz", "/favicon.ico", MEETINGS)
HTML: Final = "text/html; charset=utf-8"
SOUND: Final = re.compile(r"/v1/meetings/([0-9A-Za-z_-]{1,64})/([0-9]{1,15})\.flac")
Utterances: TypeAlias = list[list[Word]]
Ledger: TypeAlias = dict[str, Any]
EXPORT: Final = re.compile(rf"/v1/sessions/([^/]{{1,64}})\.({'|'.join(FORMATS)})")
RESUME: Final = re.compile(r"(?:^|&)resume=([0-9A-Za-z_-]{1,64})(?:&|$)")
WORD_TIMES: Final = re.compile(r"(?:^|&)word_times=1(?:&|$)")
WATCH: Final = re.compile(r"/v1/watch/([^/]{1,64})")
CONTENT_TYPES: Final = {  # of outputs.FORMATS
    "txt": TEXT,
    "md": "text/markdown; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Page:
    """An answer: status, type, body, further headers."""

    status: int
    content_type: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Export:
    """A transcript that is still to be written: a second's work for a long one, fit for another thread."""

    utterances: Utterances
    form: str  # of FORMATS
    words_dropped: int
    ledger: Ledger
    word_times: bool = False

    def page(self) -> Page:
        """Write it."""
        headers = {"X-Words-Dropped": str(self.words_dropped)} if self.words_dropped else {}
        text = written(self.form, self.utterances, word_times=self.word_times)
        if self.form == "json":
            facts = json.loads(text) | {"ledger": self.ledger}
            text = json.dumps(facts, ensure_ascii=False, indent=1) + "\n"
        return Page(200, CONTENT_TYPES[self.form], text.encode(), headers)


@dataclass(frozen=True, slots=True)
class Sound:
    """A file of sound, at most 10 s, that is still to be looked for and read."""

    find: Callable[[str, int], Path | None]
    session: str
    first: int

    def page(self) -> Page:
        """Read it."""
        path = self.find(self.session, self.first)
        try:
            if path is not None:
                return Page(200, f"audio/{path.suffix[1:]}", path.read_bytes())
        except OSError:  # removed meanwhile
            path = None
        return text_page(404, "no such sound")


Written: TypeAlias = Export | Sound


async def nothing_to_fetch(_: str) -> None:
    """Have all sessions here."""


@dataclass(frozen=True, slots=True)
class Site:
    """What the pages are made from.

    Attributes:
        health: what the engine is and has done.
        readiness: whether sessions can be opened now, and the facts to tell with it.
        metrics: the text of `/metrics`.
        overview: how all sessions do.
        journal: of a session by name, or None.
        ledger: what became of the audio of a session, by name.
        sound: the file of a session's sound that begins with a sample, or None.
        owns: whether a token is the one by which the session of this name is resumed.
        fetch: makes sure that what is told of a session may be told, and is here if another front has it.

    """

    health: Callable[[], dict[str, Any]]
    readiness: Callable[[], tuple[bool, dict[str, Any]]]
    metrics: Callable[[], bytes]
    overview: Callable[[], dict[str, Any]]
    journal: Callable[[str], Journal | None]
    ledger: Callable[[str], Ledger]
    owns: Callable[[str, str], bool]
    sound: Callable[[str, int], Path | None] = lambda _session, _first: None
    fetch: Callable[[str], Awaitable[None]] = nothing_to_fetch


def websocket_route(path: str) -> Route | None:
    """Return where a WebSocket to this path leads, or None."""
    parts = split_target(path)
    if parts.path == "/v1/session":
        resumes = RESUME.search(parts.query)
        return Route("session", resumes=resumes[1] if resumes else None)
    if parts.path in (LISTEN, ADMIN):
        return Route("listen" if parts.path == LISTEN else "admin")
    match = WATCH.fullmatch(parts.path)
    return Route("watch", unquote(match[1])) if match else None


def needed_role(path: str) -> Role | None:
    """Return what somebody must be allowed to do to get a page; None: it tells nothing of what is said or done."""
    path = split_target(path).path
    is_open = path in OPEN or is_captions(path) or page_file(path) is not None
    if is_open or websocket_route(path) is not None:
        return None
    return "watch" if EXPORT.fullmatch(path) or path == LOGIN else "admin"


def is_login(path: str) -> bool:
    """Whether a page asks for a cookie in the place of its token."""
    return split_target(path).path == LOGIN


def exported_session(path: str) -> str | None:
    """Return the session whose transcript is asked for, if one is."""
    match = EXPORT.fullmatch(split_target(path).path)
    return unquote(match[1]) if match else None


def text_page(status: int, text: str, **headers: str) -> Page:
    """Return a line of text as an answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Page(status, TEXT, f"{text}\n".encode(), named)


def json_page(status: int, facts: dict[str, Any]) -> Page:
    """Return facts for programs as an answer."""
    return Page(status, "application/json", json.dumps(facts, indent=1).encode() + b"\n")


def answer(path: str, site: Site, *, is_admin: bool) -> Page | Written:
    """Answer a GET of somebody who may have this page; what runs here in detail is told to an admin only."""
    target = split_target(path)
    path = target.path
    match path:
        case "/healthz":
            return json_page(200, {"status": "ok"} | ({"engine": site.health()} if is_admin else {}))
        case "/readyz":
            ready, facts = site.readiness()
            return json_page(200 if ready else 503, {"ready": ready} | (facts if is_admin else {}))
        case "/metrics" | "/v1/sessions":
            return Page(200, METRICS, site.metrics()) if path == "/metrics" else json_page(200, site.overview())
    if is_captions(path) or path == MEETINGS:
        html = meetings_html() if path == MEETINGS else captions_html()
        return Page(200, HTML, html, {"Content-Security-Policy": PAGE_POLICY})
    return _file(path, site, word_times=WORD_TIMES.search(target.query) is not None)


def _file(path: str, site: Site, *, word_times: bool) -> Page | Written:
    if (found := page_file(path)) is not None:
        return Page(200, *found)
    if websocket_route(path) is not None:
        how = "" if path == LISTEN else "; connect with subprotocol amanuensis.v1"
        return text_page(426, f"{path} is a WebSocket{how}", Upgrade="websocket")
    if (match := SOUND.fullmatch(path)) is not None:
        return Sound(site.sound, match[1], int(match[2]))
    return _export(path, site, word_times=word_times)


def _export(path: str, site: Site, *, word_times: bool) -> Page | Export:
    match = EXPORT.fullmatch(path)
    if match is None:
        return text_page(404, f"{path[:80]}: nothing here; try /captions, /healthz, /readyz, /metrics")
    if word_times and match[2] not in TIMED_FORMATS:
        return text_page(400, f"{match[2]} has no times of words; choose {', '.join(TIMED_FORMATS)}")
    journal = site.journal(unquote(match[1]))
    if journal is None:
        return text_page(404, f"no session {match[1]}: it never was, or ended too long ago")
    return Export(journal.utterances(), match[2], journal.words_dropped, site.ledger(unquote(match[1])), word_times)
