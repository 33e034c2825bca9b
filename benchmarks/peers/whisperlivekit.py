"""QuentinFuxa/WhisperLiveKit: `wlk serve` with raw PCM and its own WebSocket messages, by either policy (Apache-2.0).

Each message holds all lines so far and the text that may change. Words that stand in a line count as committed; none of
them is taken back.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from websockets.asyncio.client import ClientConnection, connect

from amanuensis.benchmarks.peers.peer import INSIDE, Link, PeerFailedError, Setup, Text

SILENCE = -2  # the speaker of a line that stands for a pause


class Lines:
    """Reads the server's messages: words that are new in the lines, and the text after them."""

    def __init__(self) -> None:
        self._committed = 0  # words
        self._partial = ""

    def read(self, message: dict[str, Any]) -> list[Text]:
        """Return what is new in a message."""
        if "lines" not in message:
            return []
        said = [line.get("text") or "" for line in message["lines"] if line.get("speaker") != SILENCE]
        words = " ".join(said).split()
        partial = message.get("buffer_transcription") or ""
        texts: list[Text] = []
        if new := words[self._committed :]:
            self._committed = len(words)
            texts.append(("commit", " " + " ".join(new)))
        if new or partial != self._partial:
            self._partial = partial
            texts.append(("partial", partial))
        return texts


class _LineLink:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._lines = Lines()

    async def send(self, pcm: bytes) -> None:
        await self._socket.send(pcm)

    async def end(self) -> None:
        await self._socket.send(b"")

    async def texts(self) -> AsyncIterator[Text]:
        async for message in self._socket:
            event = json.loads(message)
            if event.get("type") == "ready_to_stop":
                return
            if event.get("type") == "error" or event.get("error"):
                raise PeerFailedError(f"WhisperLiveKit said {event}")
            for text in self._lines.read(event):
                yield text


@dataclass(frozen=True, slots=True)
class WhisperLiveKit:
    """One server.

    Args:
        policy: "localagreement" runs faster-whisper; "simulstreaming" (AlignAtt) runs its PyTorch decoder on
            faster-whisper's encoder, which is its default where both are installed.

    """

    policy: Literal["localagreement", "simulstreaming"]
    is_library: bool = False
    finishes: bool = True
    environment: str = "whisperlivekit"
    libraries: tuple[str, ...] = ("whisperlivekit", "faster-whisper", "ctranslate2", "torch")

    @property
    def name(self) -> str:
        return f"WhisperLiveKit {self.policy}"

    def command(self, python: Path, setup: Setup, port: int) -> list[str]:
        words = ["serve", "--host", "127.0.0.1", "--port", str(port), "--pcm-input", "--language", "en"]
        words += ["--backend-policy", self.policy, "--backend", "faster-whisper", "--log-level", "WARNING"]
        words += ["--min-chunk-size", str(setup.tick_s), "--warmup-file", str(setup.warm_up)]
        fast = str(setup.weights.need("ctranslate2"))
        if self.policy == "localagreement":
            return [str(python.with_name("wlk")), *words, "--model_dir", fast]
        slow = setup.weights.need("whisperlivekit")
        heads = (slow / "alignment_heads").read_text(encoding="ascii")
        words += ["--encoder-model-path", fast, "--decoder-model-path", str(slow), f"--custom-alignment-heads={heads}"]
        return [str(python), str(INSIDE / "whisperlivekit_launcher.py"), str(slow), *words]

    @asynccontextmanager
    async def open(self, process: asyncio.subprocess.Process, port: int) -> AsyncIterator[Link]:  # noqa: ARG002 - not stdio
        async with connect(f"ws://127.0.0.1:{port}/asr", max_size=None, ping_interval=None) as socket:
            first = json.loads(await socket.recv())
            if first.get("type") != "config":
                raise PeerFailedError(f"WhisperLiveKit answered {first} instead of its config")
            yield _LineLink(socket)
