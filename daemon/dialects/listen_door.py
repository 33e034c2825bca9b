"""Who comes to `/v1/listen`: keys as Deepgram's clients bring them, and refusals in the form that they read."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from websockets.datastructures import Headers
from websockets.headers import parse_subprotocol
from websockets.typing import Subprotocol

from amanuensis.daemon import http as pages
from amanuensis.daemon.access import Grant, Presented, presented
from amanuensis.daemon.dialects.deepgram_request import ListenError, parse_listen
from amanuensis.daemon.protocol import Options, ProtocolError

BY_SUBPROTOCOL: Final = ("token", "bearer")  # a browser can say its key nowhere else: "token, KEY"
CODES: Final = {401: "INVALID_AUTH", 403: "INSUFFICIENT_PERMISSIONS", 429: "TOO_MANY_REQUESTS", 503: "UNAVAILABLE"}
MAX_HEADER_CHARS: Final = 1000


def keys(headers: Headers, path: str, *, by_page: bool) -> Presented:
    """Return what a request brought: `Authorization: Token KEY` or `Bearer KEY`, or the subprotocols `token, KEY`."""
    values = headers.get_all("Authorization")
    scheme, _, key = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    if scheme.lower() == "token" and key.strip():
        return Presented(bearer=key.strip())
    offered = offered_subprotocols(headers)
    if not values and len(offered) == 2 and offered[0].lower() in BY_SUBPROTOCOL:
        return Presented(bearer=offered[1])
    return presented(headers, path, by_page=by_page)


def offered_subprotocols(headers: Headers) -> list[str]:
    """Return the subprotocols that a client offers; none where they cannot be read."""
    try:
        return [name for value in headers.get_all("Sec-WebSocket-Protocol") for name in parse_subprotocol(value)]
    except ValueError:  # of the library: it is no list of tokens
        return []


def chosen_subprotocol(offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Return the first that is offered, which a browser wants to see again; a key is not repeated."""
    return offered[0] if offered and offered[0].lower() in BY_SUBPROTOCOL else None


@dataclass(frozen=True, slots=True)
class ListenDoor:
    """Refuses what cannot be served before the connection is a WebSocket.

    Attributes:
        check: raises ProtocolError where the model cannot do what is asked for.

    """

    check: Callable[[Options], None]

    def refusal(self, path: str, grant: Grant) -> pages.Page | None:
        """Return why this request is refused, None: it is not."""
        if not grant.roles:
            return pages.text_page(401, "this asks for a token: Authorization: Token KEY", WWW_Authenticate="Token")
        if not grant.may("speak"):
            return pages.text_page(403, f"{grant.holder} may not speak here: that needs a token with the role speak")
        try:
            self.check(parse_listen(path).options)
        except (ListenError, ProtocolError) as error:
            return pages.text_page(400, str(error).removeprefix("hello: "))
        return None


def in_its_form(page: pages.Page) -> pages.Page:
    """Return a refusal as Deepgram's clients read it: JSON, and the same in a header."""
    why, request_id = page.body.decode().strip(), str(uuid.uuid4())
    code = CODES.get(page.status, HTTPStatus(page.status).phrase)
    body = {"err_code": code, "err_msg": why, "request_id": request_id}
    headers = {"dg-error": header_text(why), "dg-request-id": request_id}
    return pages.Page(page.status, "application/json", json.dumps(body).encode() + b"\n", page.headers | headers)


def response_headers(path: str, request_id: str) -> dict[str, str]:
    """Return what stands in the answer that opens the WebSocket."""
    warnings = parse_listen(path).warnings
    return {"dg-request-id": request_id} | ({"dg-warning": header_text("; ".join(warnings))} if warnings else {})


def header_text(text: str) -> str:
    """Return text that may stand in a header."""
    return text.encode("ascii", "replace").decode()[:MAX_HEADER_CHARS]
