"""What comes in over HTTP: pages are answered, strangers refused, and WebSockets let through to say hello."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from amanuensis.daemon import http as pages
from amanuensis.daemon.access import Access, Authorize, Grant, Peer, Presented, presented
from amanuensis.daemon.admission import Full
from amanuensis.daemon.attempts import Attempts
from amanuensis.daemon.connection import NOT_ALLOWED
from amanuensis.daemon.dialects.listen_door import ListenDoor, in_its_form, keys
from amanuensis.daemon.logins import COOKIE
from amanuensis.daemon.metrics import Metrics
from amanuensis.daemon.protocol import ProtocolError
from amanuensis.daemon.request_target import split_target
from amanuensis.daemon.tokens import Role

log = logging.getLogger(__name__)

SAFE: Final = {  # of every answer; pages have a policy of their own
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Reception:
    """Everybody who comes passes here.

    Attributes:
        site: what the pages are made from.
        metrics: what is counted.
        refusal: why a speaker cannot be served now; None: it can.
        access: the rules; may be replaced.
        listen: what else is asked of who speaks Deepgram's protocol.
        attempts: wrong tokens.
        clock: the time of day, for tokens that expire.

    """

    site: pages.Site
    metrics: Metrics
    refusal: Callable[[Peer], Full | None]
    access: Access
    listen: ListenDoor
    attempts: Attempts = field(default_factory=Attempts)
    clock: Callable[[], datetime] = utc_now

    async def answer(self, peer: Peer, request: Request, *, secure: bool) -> Response | None:
        """Answer what is not a WebSocket, and refuse those that cannot be served; None: it may say hello."""
        upgrade = "websocket" in request.headers.get("Upgrade", "").lower()
        route = pages.websocket_route(request.path)
        listens = route is not None and route.kind == "listen"
        show = keys if listens else presented
        brought = show(request.headers, request.path, by_page=not upgrade or "Origin" in request.headers)
        page = self._refuse_outright(peer, request)
        if page is None and not self._owns(brought, request.path):
            page = self._refuse_guess(peer, brought)
        if page is None and upgrade and listens:
            page = self.listen.refusal(request.path, self.access.grant(peer, brought, self.clock()))
        if page is None and upgrade and route is not None:
            known = route.resumes is not None and self.site.journal(route.resumes) is not None
            if route.kind in ("watch", "admin") or known or (full := self.refusal(peer)) is None:
                return None
            page = pages.text_page(503, full.why, Retry_After=f"{full.retry_after_s:.0f}")
        if page is None:
            page = await self._page(peer, request, brought, secure=secure)
        if page.status >= 400:
            code = f"http_{page.status}"
            self.metrics.refused.labels(code).inc()
            log.info("request refused: %d", page.status, extra={"code": code, "peer": peer.key})
        return _response(in_its_form(page) if listens else page, request.method)

    def listener(self, peer: Peer, request: Request) -> Grant:
        """Return what who came to `/v1/listen` may do; it was let in by this before."""
        return self.access.grant(peer, keys(request.headers, request.path, by_page=True), self.clock())

    def authorize(self, peer: Peer, request: Request) -> Authorize:
        """Return what says, once the hello is there, what its sender may do."""
        brought = presented(request.headers, request.path, by_page="Origin" in request.headers)

        def grant(auth: str | None) -> Grant:
            shown = brought if auth is None else Presented(bearer=auth)
            if (refusal := self._refuse_guess(peer, shown)) is not None:
                raise ProtocolError("unauthorized", refusal.body.decode().strip(), NOT_ALLOWED)
            return self.access.grant(peer, shown, self.clock())

        return grant

    def is_stranger(self, peer: Peer) -> bool:
        """Whether somebody has to show a token to be let in."""
        return not self.access.grant(peer, Presented(), self.clock()).roles

    def refuse_elsewhere(self, peer: Peer, headers: Headers, path: str, role: Role) -> pages.Page | None:
        """Return why somebody who came by another door may not do what needs this role; None: it may."""
        refusal = self.access.refuse(peer, headers)
        if refusal is not None:
            return pages.text_page(refusal.status, refusal.why)
        brought = presented(headers, path)
        if (page := self._refuse_guess(peer, brought)) is not None:
            return page
        grant = self.access.grant(peer, brought, self.clock())
        return None if grant.may(role) else _not_allowed(grant, role)

    def _refuse_outright(self, peer: Peer, request: Request) -> pages.Page | None:
        refusal = self.access.refuse(peer, request.headers)
        if refusal is not None:
            return pages.text_page(refusal.status, refusal.why)
        if request.method not in ("GET", "HEAD"):
            return pages.text_page(405, _not_possible(request), Allow="GET, HEAD")
        return None

    def _refuse_guess(self, peer: Peer, brought: Presented) -> pages.Page | None:
        """Refuse a token that is wrong; after a few of them, look at none for a while."""
        if not brought.is_guess or self.access.grant(peer, Presented(), self.clock()).may("admin"):
            return None
        if (wait_s := self.attempts.wait_s(peer.key)) > 0:
            seconds = f"{wait_s + 1:.0f}"
            return pages.text_page(429, f"too many wrong tokens; try again in {seconds} s", Retry_After=seconds)
        if self.access.grant(peer, brought, self.clock()).token is not None:
            return None
        self.attempts.failed(peer.key)
        why = "this is no token of this server, or one that has expired, or one that may not stand in an address"
        return pages.text_page(401, why, WWW_Authenticate="Bearer")

    async def _page(self, peer: Peer, request: Request, brought: Presented, *, secure: bool) -> pages.Page:
        grant = self.access.grant(peer, brought, self.clock())
        role = pages.needed_role(request.path)
        if role is not None and not grant.may(role) and not self._owns(brought, request.path):
            return _not_allowed(grant, role)
        if pages.is_login(request.path):
            return self._login(grant, secure=secure)
        if (session := pages.exported_session(request.path)) is not None:
            try:
                await self.site.fetch(session)
            except ProtocolError as error:
                return pages.text_page(503, str(error))
        answer = pages.answer(request.path, self.site, is_admin=grant.may("admin"))
        return await asyncio.to_thread(answer.page) if isinstance(answer, pages.Written) else answer

    def _owns(self, brought: Presented, path: str) -> bool:
        """Whether somebody shows the token by which its own session is resumed; it may read what it said."""
        session = pages.exported_session(path)
        return session is not None and brought.bearer is not None and self.site.owns(session, brought.bearer)

    def _login(self, grant: Grant, *, secure: bool) -> pages.Page:
        """Give a page a cookie in the place of its token, which no script has to keep then."""
        if grant.token is None:
            return pages.text_page(200, "no token is needed here")
        value, life_s = self.access.logins.open(grant.token, self.clock())
        cookie = f"{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={life_s}" + "; Secure" * secure
        return pages.text_page(200, "logged in", Set_Cookie=cookie)


def _not_possible(request: Request) -> str:
    if split_target(request.path).path == pages.LISTEN:
        how = "stream them to this address as a WebSocket, or send them to the REST API (rest.listen)"
        return f"{request.method} {pages.LISTEN}: files are not taken here; {how}"
    return f"{request.method} is not possible here; use GET"


def _not_allowed(grant: Grant, role: Role) -> pages.Page:
    if grant.roles:
        return pages.text_page(403, f"{grant.holder} may not do this: it needs the role {role}")
    return pages.text_page(401, "this asks for Authorization: Bearer TOKEN", WWW_Authenticate="Bearer")


def _response(page: pages.Page, method: str) -> Response:
    headers = Headers()
    headers["Content-Type"] = page.content_type
    headers["Content-Length"] = str(len(page.body))
    headers["Cache-Control"] = "no-store"
    headers["Connection"] = "close"
    for name, value in (SAFE | page.headers).items():
        headers[name] = value
    return Response(page.status, HTTPStatus(page.status).phrase, headers, b"" if method == "HEAD" else page.body)
