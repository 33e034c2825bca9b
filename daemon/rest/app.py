"""The REST application: transcriptions and translations of files, and the model that there is."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from http import HTTPStatus
from typing import Any, Final, TypeVar

from python_multipart.exceptions import FormParserError
from starlette.applications import Starlette
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from amanuensis.daemon.dialects.listen_door import header_text
from amanuensis.daemon.dialects.settings import RestSettings
from amanuensis.daemon.fields import show
from amanuensis.daemon.pipeline import Pipeline
from amanuensis.daemon.rest import answers
from amanuensis.daemon.rest.errors import RestError
from amanuensis.daemon.rest.form import parse_form
from amanuensis.daemon.rest.hearing import Hearing, open_upload
from amanuensis.npu.window import Task

MAX_FIELDS: Final = 64
MAX_FIELD_BYTES: Final = 65_536
SHOWN_CHARS: Final = 100
CREATED: Final = 1_663_718_400  # Whisper's publication: models of this API have a time
Result = TypeVar("Result")
Handler = Callable[[Request], Awaitable[Response]]


def rest_app(
    pipeline: Callable[[], Pipeline], settings: RestSettings, on_heard: Callable[[float], None] = lambda _: None
) -> Starlette:
    """Return the application.

    Args:
        pipeline: what runs, with the settings of now.
        settings: limits.
        on_heard: told the seconds of every file that was heard whole.

    """
    rest = Rest(pipeline, settings, on_heard)
    routes = [
        Route("/v1/audio/transcriptions", rest.task("transcribe"), methods=["POST"]),
        Route("/v1/audio/translations", rest.task("translate"), methods=["POST"]),
        Route("/v1/models", rest.models, methods=["GET"]),
        Route("/v1/models/{model:path}", rest.model, methods=["GET"]),
    ]
    handlers = {HTTPException: _not_here, RestError: _refused, Exception: _fault}
    return Starlette(routes=routes, exception_handlers=handlers)


class Rest:
    """What the routes do."""

    def __init__(
        self, pipeline: Callable[[], Pipeline], settings: RestSettings, on_heard: Callable[[float], None]
    ) -> None:
        self._pipeline = pipeline
        self._settings = settings
        self._on_heard = on_heard

    def task(self, task: Task) -> Handler:
        """Return the handler that transcribes or translates."""

        async def handle(request: Request) -> Response:
            return await self._hear(request, task)

        return handle

    async def models(self, request: Request) -> Response:
        """List the one model that runs."""
        facts = {"object": "list", "data": [self._model()]}
        return JSONResponse(facts, headers=self._headers(_without_effect(request)))

    async def model(self, request: Request) -> Response:
        """Describe the model that runs; no other is known."""
        name = request.path_params["model"]
        if name != self._pipeline().engine.info.model:
            message = f"model {name[:SHOWN_CHARS]!r} does not run here"
            raise RestError(404, message, param="model", code="model_not_found")
        return JSONResponse(self._model(), headers=self._headers(_without_effect(request)))

    def _model(self) -> dict[str, Any]:
        name = self._pipeline().engine.info.model
        return {"id": name, "object": "model", "created": CREATED, "owned_by": "amanuensis"}

    async def _hear(self, request: Request, task: Task) -> Response:
        form = await _form(request)
        try:
            return await self._answer(request, form, task)
        except BaseException:
            await form.close()
            raise

    async def _answer(self, request: Request, form: FormData, task: Task) -> Response:
        asked = parse_form([(name, value) for name, value in form.multi_items() if isinstance(value, str)], task)
        upload = form.get("file")
        if not isinstance(upload, UploadFile):
            raise RestError(400, _no_file(request), param="file")
        hearing = Hearing(self._pipeline(), asked, self._settings.audio_s)
        name = "".join(c if c.isprintable() else "?" for c in (upload.filename or "file")[:SHOWN_CHARS])
        source = await open_upload(upload.file, name, upload.size or 0)
        words = self._counted(hearing, _until_closed(hearing.words(source), source.aclose, form.close))
        headers = self._headers(asked.warnings + _without_effect(request))
        if asked.stream:
            return StreamingResponse(_events(words, hearing), media_type="text/event-stream", headers=headers)
        await _while_there(request, _exhaust(words))
        media_type, text = answers.body(asked, hearing.heard)
        return Response(text, media_type=media_type, headers=headers)

    async def _counted(self, hearing: Hearing, words: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
        async with aclosing(words):
            async for text in words:
                yield text
        self._on_heard(hearing.heard.duration_s)

    def _headers(self, warnings: tuple[str, ...]) -> dict[str, str]:
        """Say what really ran, and what of the request had no effect."""
        headers = {"X-Amanuensis-Model": self._pipeline().engine.info.model}
        if warnings:
            headers["X-Amanuensis-Warning"] = header_text("; ".join(warnings))
        return headers


def _no_file(request: Request) -> str:
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip()
    if kind.lower() == "multipart/form-data":
        return "file is missing: the form needs a part 'file' that has a filename"
    return f"file is missing: Content-Type is {show(kind)}; it must be multipart/form-data, with a part 'file'"


def _without_effect(request: Request) -> tuple[str, ...]:
    """Return warnings of the query: this API has none, its fields are those of the form."""
    return tuple(f"query parameter {show(name)} has no effect" for name in request.query_params)


async def _form(request: Request) -> FormData:
    """Take the upload; its file goes to a nameless one on disk, which is gone whatever happens.

    Raises:
        RestError: it is none, or cannot be kept.

    """
    try:
        return await request.form(max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES)
    except (MultiPartException, HTTPException, FormParserError, KeyError, ValueError) as error:
        why = getattr(error, "detail", None) or getattr(error, "message", None) or str(error)
        raise RestError(400, f"the body is no form that can be read: {why}") from None
    except ClientDisconnect:
        raise RestError(400, "the connection was lost before the upload was whole") from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise RestError(507, "there is no room on the disk for the upload", param="file") from None


async def _until_closed(
    words: AsyncGenerator[str, None], *close: Callable[[], Coroutine[Any, Any, None]]
) -> AsyncGenerator[str, None]:
    """Yield words; afterwards, however it ends, let go of what they came from."""
    try:
        async with aclosing(words):
            async for text in words:
                yield text
    finally:
        for each in close:
            await each()


async def _events(words: AsyncGenerator[str, None], hearing: Hearing) -> AsyncIterator[str]:
    begun = False
    async with aclosing(words) as texts:
        try:
            async for text in texts:
                yield answers.delta(text if begun else text.lstrip())
                begun = True
        except RestError as error:
            yield answers.failed(error.to_map())
            return
    yield answers.done(hearing.heard)


async def _exhaust(words: AsyncGenerator[str, None]) -> None:
    async with aclosing(words):
        async for _ in words:
            pass


async def _while_there(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Do something as long as the client waits for it.

    Raises:
        RestError: it does not any more.

    """
    working = asyncio.create_task(work)
    gone = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise RestError(400, "the connection was lost before the answer")
        return working.result()
    finally:
        for task in (working, gone):
            task.cancel()
            with suppress(asyncio.CancelledError, RestError):
                await task


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RestError)
    return error.response()


async def _fault(_: Request, error: Exception) -> Response:
    return RestError(500, f"a fault of the server ({type(error).__name__}); its log has the details").response()


async def _not_here(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path[:SHOWN_CHARS]
    known = "POST /v1/audio/transcriptions, POST /v1/audio/translations, GET /v1/models"
    what = "not possible" if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED else "nothing"
    message = f"{request.method} {path}: {what} here; there are {known}"
    return RestError(error.status_code, message, headers=dict(error.headers or {})).response()
