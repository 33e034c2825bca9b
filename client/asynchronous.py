"""The client for asyncio."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal, TypeAlias, TypedDict, cast

from amanuensis.client.audio import Audio, Sound, open_sound
from amanuensis.client.events import Event
from amanuensis.daemon.client import AmanuensisClient, ClientError, Hello, Patience, Want, connect
from amanuensis.daemon.commands.common import TOKEN_VARIABLE
from amanuensis.daemon.dial import SESSION_PATH, fetch, usual_address
from amanuensis.daemon.protocol import MAX_WHY_CHARS
from amanuensis.daemon.sources.base import Lost, Pause
from amanuensis.stream.formats import AudioFormat

log = logging.getLogger("amanuensis.client")

Task: TypeAlias = Literal["transcribe", "translate"]
TranscriptFormat: TypeAlias = Literal["txt", "srt", "vtt", "json"]
OK: Final = 200


class Access(TypedDict):
    """What `connect` needs beside the address."""

    token: str | None
    ca: str | None
    patience: Patience


class Client:
    """A daemon: speak to it, watch its sessions, fetch its transcripts.

    Args:
        address: "ws://HOST:PORT", "wss://HOST:PORT" or "unix:/SOCKET"; None: the daemon of this machine.
        token: where the daemon asks for one; None: that in AMANUENSIS_SERVER_TOKEN.
        ca: PEM file of the certificate that a wss:// daemon is verified with; None: those that this machine trusts.
        patience: with which a lost connection is replaced; None: the usual one.

    """

    def __init__(
        self,
        address: str | None = None,
        *,
        token: str | None = None,
        ca: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._address = address or usual_address(os.environ)
        self._token = token or os.environ.get(TOKEN_VARIABLE)
        self._ca = ca
        self._patience = patience or Patience()

    async def listen(
        self,
        audio: Audio,
        fmt: AudioFormat | None = None,
        *,
        lang: str | None = None,
        task: Task | None = None,
        prompt: str | None = None,
        hotwords: Sequence[str] = (),
        want: Sequence[Want] | None = None,
        record: bool = False,
        meeting: Mapping[str, Any] | None = None,
        speakers: int | None = None,
        max_speakers: int | None = None,
        stop: asyncio.Event | None = None,
    ) -> AsyncIterator[Event]:
        """Speak, and yield the events of the session from `ready` to `bye`.

        Args:
            audio: what is said: a source as after `amanuensis listen --input` ("default" is the microphone, "system"
                what the machine plays, "file:PATH" a file in real time); or bytes of PCM; or an iterable of them, also
                an asynchronous one. In an iterable, `Lost` tells of samples that are missing, and `Pause` makes the
                words before it final.
            fmt: of raw bytes; None: 16 kHz, one channel of s16le, or what the named source says.
            lang: code of the language; None: it is detected.
            task: "translate" is into English.
            prompt: text that came before.
            hotwords: words to prefer.
            want: events to be sent beside the durable ones; None: all.
            record: ask that the session be recorded.
            meeting: `id`, `title`, `track` and `at`: record the session as a track of a meeting (docs/meetings.md).
            speakers: how many voices there are; 0: they are not told apart; None: as the daemon is set.
            max_speakers: voices at most.
            stop: once it is set no more is heard; the last words follow.

        Raises:
            ClientError: there is no daemon, it refuses, or the session was lost for good.
            SourceError: the named source cannot be opened, or has failed; its last words were yielded before.

        """
        async with open_sound(audio, fmt, log.info) as sound:
            text = (lang, task, prompt, hotwords, want)
            hello = Hello("speak", sound.format, None, *text, record=record or None, meeting=meeting)
            hello = replace(hello, speakers=speakers, max_speakers=max_speakers)
            async with connect(self._at(SESSION_PATH), hello, **self._access) as client:
                yield cast(Event, client.ready)
                speaking = asyncio.create_task(speak(client, sound, stop or asyncio.Event()))
                try:
                    async for event in client:
                        yield cast(Event, event)
                    await speaking
                finally:
                    speaking.cancel()
                    await asyncio.gather(speaking, return_exceptions=True)

    async def watch(
        self, session: str = "latest", *, after_seq: int | None = None, want: Sequence[Want] | None = None
    ) -> AsyncIterator[Event]:
        """Yield the events of a session that somebody else speaks in, from `ready` to `bye`.

        Args:
            session: its name; "latest": the one opened last that still goes on.
            after_seq: number of the newest durable event that is known already.
            want: see `hello` in docs/protocol.md.

        Raises:
            ClientError: there is no daemon or no such session, or it was lost for good.

        """
        hello = Hello("watch", want=want, after_seq=after_seq)
        async with connect(self._at(f"/v1/watch/{session}"), hello, **self._access) as client:
            yield cast(Event, client.ready)
            async for event in client:
                yield cast(Event, event)

    async def transcript(self, session: str = "latest", fmt: TranscriptFormat = "txt") -> str:
        """Return the committed words of a session as text, SubRip, WebVTT or JSON.

        Raises:
            ClientError: there is no daemon or no such session.

        """
        path = f"/v1/sessions/{session}.{fmt}"
        status, body = await asyncio.to_thread(fetch, self._address, path, self._token, self._ca)
        if status != OK:
            raise ClientError(f"{self._address}{path}: HTTP {status}: {body[:200].decode(errors='replace').strip()}")
        return body.decode()

    @property
    def _access(self) -> Access:
        return {"token": self._token, "ca": self._ca, "patience": self._patience}

    def _at(self, path: str) -> str:
        """Return the address of a path of the daemon."""
        if self._address.startswith("unix:"):
            socket, _, _ = self._address.removeprefix("unix:").partition(":/")
            return f"unix:{socket}:{path}"
        return f"{self._address.removesuffix(SESSION_PATH).rstrip('/')}{path}"


async def speak(client: AmanuensisClient, sound: Sound, stop: asyncio.Event) -> None:
    """Send sound until it ends or `stop` is set, and say that it has ended."""
    try:
        async for piece in sound.until(stop):
            if isinstance(piece, Lost):
                await client.leave_out(piece.samples, piece.why[:MAX_WHY_CHARS])
            elif isinstance(piece, Pause):
                await client.flush()
            else:
                await client.send_audio(piece)
    finally:
        await client.end()
