"""collabora/WhisperLive: its WebSocket server with the faster-whisper back end, spoken to as its own client does (MIT).

It decodes without a pause between two decodes; there is no setting for that. A segment is completed when another
follows it or when it came out alike several times; each message repeats the last segments.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from amanuensis.benchmarks.peers.peer import Link, PeerFailedError, Setup, Text

# As its own client says (whisper_live/client.py).
OPTIONS = {
    "language": "en",
    "task": "transcribe",
    "model": "small",  # the server's own model takes its place
    "use_vad": True,
    "send_last_n_segments": 10,
    "no_speech_thresh": 0.45,
    "clip_audio": False,
    "same_output_threshold": 10,
}
START_SERVER = """
import sys
from whisper_live.server import TranscriptionServer
TranscriptionServer().run(
    "127.0.0.1", port=int(sys.argv[1]), backend="faster_whisper", faster_whisper_custom_model_path=sys.argv[2]
)
"""


class Segments:
    """Reads the server's messages as its client does: a completed segment counts once, by its start."""

    def __init__(self) -> None:
        self._end_s = 0.0
        self._partial = ""

    def read(self, message: dict[str, Any]) -> list[Text]:
        """Return what is new in a message."""
        if "segments" not in message:
            return []
        texts: list[Text] = []
        partial = ""
        for segment in message["segments"]:
            text = " " + segment["text"].strip()
            if not segment.get("completed"):
                partial = text
            elif float(segment["start"]) >= self._end_s:
                self._end_s = float(segment["end"])
                texts.append(("commit", text))
        if texts or partial != self._partial:
            self._partial = partial
            texts.append(("partial", partial))
        return texts

    def close(self) -> list[Text]:
        """Return the text that stays as it is because no more comes: its client keeps the last segment too."""
        return [("commit", self._partial)] if self._partial else []


class _SegmentLink:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._segments = Segments()

    async def send(self, pcm: bytes) -> None:
        await self._socket.send((np.frombuffer(pcm, "<i2") / np.float32(32768)).astype(np.float32).tobytes())

    async def end(self) -> None:
        await self._socket.send(b"END_OF_AUDIO")

    async def texts(self) -> AsyncIterator[Text]:
        async for message in self._socket:
            for text in self._segments.read(json.loads(message)):
                yield text
        for text in self._segments.close():
            yield text


@dataclass(frozen=True, slots=True)
class WhisperLive:
    """One server whose connections share one model."""

    name: str = "WhisperLive"
    is_library: bool = False
    finishes: bool = False  # its client waits before it says so
    environment: str = "whisperlive"
    libraries: tuple[str, ...] = ("whisper-live", "faster-whisper", "ctranslate2")

    def command(self, python: Path, setup: Setup, port: int) -> list[str]:
        return [str(python), "-c", START_SERVER, str(port), str(setup.weights.need("ctranslate2"))]

    @asynccontextmanager
    async def open(self, process: asyncio.subprocess.Process, port: int) -> AsyncIterator[Link]:  # noqa: ARG002 - not stdio
        async with connect(f"ws://127.0.0.1:{port}", max_size=None, ping_interval=None) as socket:
            await socket.send(json.dumps({"uid": str(uuid.uuid4()), **OPTIONS}))
            answer = json.loads(await socket.recv())
            if answer.get("message") != "SERVER_READY":
                raise PeerFailedError(f"WhisperLive answered {answer} instead of SERVER_READY")
            yield _SegmentLink(socket)
