"""Errors of OpenAI's REST API, as its clients read them."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse


class RestError(Exception):
    """A request that cannot be served.

    Attributes:
        status: of HTTP.
        param: the field that is wrong.
        code: short name for programs.
        headers: that go with it.

    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code
        self.headers = headers or {}

    def to_map(self) -> dict[str, Any]:
        """Return the body."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        """Return the answer."""
        return JSONResponse(self.to_map(), self.status, self.headers)
