"""A local server that speaks as much of the Hugging Face hub's API as `huggingface_hub` asks for, faults included."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

REVISION = "0123456789abcdef0123456789abcdef01234567"
LARGE_BYTES = 20_000  # from here on a file is in Git LFS: its hash is a SHA-256 and it lies on another path


@dataclass
class HubServer:
    """Serves folders as repositories.

    Attributes:
        repositories: folder by name such as "openai/whisper-tiny.en".
        paths: of every GET, in order.
        requests: (path, Range header) of every GET for a file's content, in order.
        corrupt: files of which a byte is changed on the way.
        cut: files whose connection is closed after half of what was asked for, once each.
        status: answered to everything instead, unless 0.
        without_hashes: tell neither sizes nor hashes.

    """

    repositories: dict[str, Path] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    corrupt: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    status: int = 0
    without_hashes: bool = False

    def __enter__(self) -> HubServer:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """What HF_ENDPOINT should be."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one GET."""
        path = request.path.partition("?")[0]
        self.paths.append(path)
        if self.status:
            self._send(request, self.status, b"{}")
        elif path.startswith("/api/models/"):
            self._answer_info(request, path.removeprefix("/api/models/"))
        elif path.startswith("/api/"):
            self._send(request, 404, b"{}")
        elif path.startswith("/lfs/"):
            _, _, owner, name, file = path.split("/")
            self._send_file(request, self.repositories[f"{owner}/{name}"] / file)
        else:
            _, owner, name, resolve, revision, file = path.split("/")
            source = self.repositories[f"{owner}/{name}"] / file
            assert (resolve, revision) == ("resolve", REVISION)
            if source.stat().st_size >= LARGE_BYTES:
                self._send(request, 302, b"", {"Location": f"/lfs/{owner}/{name}/{file}", "X-Repo-Commit": REVISION})
            else:
                self._send_file(request, source)

    def _answer_info(self, request: BaseHTTPRequestHandler, repository: str) -> None:
        if repository not in self.repositories:
            self._send(request, 404, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
            return
        files = [self._describe(path) for path in sorted(self.repositories[repository].iterdir()) if path.is_file()]
        body = {"id": repository, "modelId": repository, "sha": REVISION, "private": False, "siblings": files}
        self._send(request, 200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _describe(self, path: Path) -> dict[str, Any]:
        content = path.read_bytes()
        if self.without_hashes:
            return {"rfilename": path.name}
        blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()
        known: dict[str, Any] = {"rfilename": path.name, "size": len(content), "blobId": blob}
        if len(content) >= LARGE_BYTES:
            lfs = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "pointerSize": 134}
            known |= {"lfs": lfs, "blobId": "0" * 40}
        return known

    def _send_file(self, request: BaseHTTPRequestHandler, path: Path) -> None:
        asked = request.headers.get("Range", "")
        self.requests.append((path.name, asked))
        content = bytearray(path.read_bytes())
        if path.name in self.corrupt:
            content[-1] ^= 1
        start = int(asked.removeprefix("bytes=").partition("-")[0] or 0)
        body = bytes(content[start:])
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if asked else {}
        cut = len(body) // 2 if path.name in self.cut else len(body)
        self.cut.discard(path.name)
        self._send(request, 206 if asked else 200, body, headers, cut)

    def _send(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        cut: int | None = None,
    ) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body[:cut])
        if cut is not None and cut < len(body):
            request.close_connection = True
