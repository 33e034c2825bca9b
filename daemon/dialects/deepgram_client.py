"""The shell of a connection in Deepgram's live protocol: frames in, sessions, messages out."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import uuid
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from amanuensis.daemon.access import Peer
from amanuensis.daemon.client_io import Inbox, run_client
from amanuensis.daemon.config import LimitSettings
from amanuensis.daemon.dialects.deepgram import Translator
from amanuensis.daemon.dialects.deepgram_messages import (
    CloseStream,
    ConfigureSuccess,
    DeepgramError,
    Finalize,
    KeepAlive,
    Keyterms,
    Metadata,
    RequestFacts,
    ServerMessage,
    encode,
    parse,
)
from amanuensis.daemon.dialects.deepgram_request import ListenRequest
from amanuensis.daemon.dialects.deinterleave import Channels
from amanuensis.daemon.dialects.voice import Listening, Voice
from amanuensis.daemon.fields import FieldError, show
from amanuensis.daemon.flow import Flow
from amanuensis.daemon.hub import TRY_AGAIN
from amanuensis.daemon.live_session import INTERNAL, NORMAL, SPEAKER_IDLE
from amanuensis.daemon.metrics import Metrics
from amanuensis.daemon.protocol import ProtocolError
from amanuensis.daemon.sessions import Sessions
from amanuensis.daemon.sources.wav_stream import HeaderError, parse_wav_header
from amanuensis.stream.formats import AudioFormat, FormatError

log = logging.getLogger(__name__)

SILENT_S: Final = 10.0  # as Deepgram: without audio or KeepAlive for so long the connection is closed
LABEL_S: Final = 0.2  # how often is looked whether a speaker is settled
MAX_ERRORS: Final = 16  # wrong messages that a connection survives
POLICY: Final = 1008  # close code of what cannot be taken, RFC 6455
NO_SOUND: Final = "NET-0001: neither audio nor a message came for {0:g} s; send KeepAlive while there is none"
NOT_AUDIO: Final = "DATA-0000: "
FINALIZE: Final = "finalize"


class DeepgramClient:
    """One connection to `/v1/listen`, as what it is sent (`client_io.Outlet`) and what it does.

    Args:
        websocket: its socket.
        request: what its query asked for.
        sessions: of the daemon.
        peer: who is at the other end.
        flow: how fast clients may send.
        limits: of the daemon.
        metrics: what is counted.

    Attributes:
        abandoned: set when not even what waits will be sent.

    """

    def __init__(
        self,
        websocket: ServerConnection,
        request: ListenRequest,
        sessions: Sessions,
        *,
        peer: Peer,
        flow: Flow,
        limits: LimitSettings,
        metrics: Metrics,
    ) -> None:
        self.abandoned = asyncio.Event()
        self._websocket = websocket
        self._request = request
        self._sessions = sessions
        self._client = peer.shared_key
        self._flow = flow
        self._limits = limits
        self._metrics = metrics
        self._inbox = Inbox(websocket)
        self._news = asyncio.Event()
        self._frames: deque[str] = deque()
        self._voices: list[tuple[Voice, Translator]] = []
        self._channels: Channels | None = None
        self._header = bytearray()  # of a WAV stream, until it is whole
        self._closing: tuple[int, str] | None = None
        self._ended = False
        self._told_end = False
        self._errors = 0
        self._ignored: dict[str, None] = {}  # fields of Configure that had no effect
        self._digest = hashlib.sha256()
        self._created = datetime.now(UTC)

    async def serve(self) -> None:
        """Listen until the connection is over; what was heard becomes final in any case."""
        self._websocket.protocol.max_message_size = self._limits.message_bytes
        if self._request.format is not None:
            self._open(self._request.format)
        try:
            await run_client(self._websocket, self._inbox, self, self._read(), self._limits.ping_s)
        finally:
            for voice, _ in self._voices:
                voice.leave()
                self._metrics.overtaken.inc(voice.queue.dropped)
            if self.abandoned.is_set():
                self._metrics.slow_clients.inc()

    def dismiss(self, code: int, why: str) -> None:
        """Close the connection at once."""
        self.abandon(code, why)

    # What it is sent

    @property
    def closing(self) -> tuple[int, str] | None:
        """Close code and reason, once nothing more is taken."""
        slow = [voice.queue.closing for voice, _ in self._voices] if self.abandoned.is_set() else []
        return self._closing or next(filter(None, slow), None)

    async def get(self) -> str | None:
        """Return the next frame to send, or None when all is told."""
        while not self.abandoned.is_set():
            if self._frames:
                return self._frames.popleft()
            self._news.clear()
            self._collect()
            if self._frames:
                continue
            if self._is_over:
                return None
            await self._wait()
        return None

    async def _wait(self) -> None:
        """Wait for news; a label may settle without any."""
        holds = any(voice.holds for voice, _ in self._voices)
        with suppress(TimeoutError):
            async with asyncio.timeout(LABEL_S if holds else None):
                await self._news.wait()

    def abandon(self, code: int, reason: str) -> None:
        """Take nothing more and forget what waits."""
        self._closing = self._closing or (code, reason)
        self._frames.clear()
        self.abandoned.set()
        self._news.set()

    def _collect(self) -> None:
        """Translate what the sessions have told since the last call."""
        for voice, translator in self._voices:
            messages = translator.translate(voice.take())
            if (settled_ms := voice.settled_ms) is not None:
                messages += translator.heard(settled_ms)
            self._send(*messages)
        if self._voices and not self._told_end and all(voice.is_over for voice, _ in self._voices):
            self._told_end = True
            self._send(self._metadata())
            code, reason = self._voices[0][0].queue.closing or (NORMAL, "")
            self._closing = self._closing or (code, "" if code == NORMAL else reason)

    @property
    def _is_over(self) -> bool:
        return self.closing is not None and (self._told_end or not self._voices)

    def _send(self, *messages: ServerMessage) -> None:
        self._frames.extend(map(encode, messages))
        if len(self._frames) > self._limits.queue_events:  # answers; results wait in the queues of their sessions
            self.abandon(TRY_AGAIN, f"too slow: {len(self._frames)} messages were not read")

    def _metadata(self) -> Metadata:
        return Metadata(
            request_id=str(self._websocket.id),
            sha256=self._digest.hexdigest(),
            created=self._created.isoformat().replace("+00:00", "Z"),
            duration_s=self._voices[0][0].session.audio_s if self._voices else 0.0,
            channels=self._channels.n_heard if self._channels else 1,
            warnings=(
                *self._request.warnings,
                *(f"Configure: {name} has no effect here" for name in self._ignored),
                *(note for _, translator in self._voices for note in translator.notes),
            ),
        )

    # What it does

    def _open(self, fmt: AudioFormat) -> None:
        """Open a session for each channel that is heard by itself, all or none."""
        self._channels = Channels(fmt, split=self._request.multichannel)
        hidden = {"partial"} if self._request.interim_results else set()
        listening = Listening(frozenset(hidden), self._limits, self._news, self.abandoned, self._request.diarize)
        n = self._channels.n_sessions
        try:
            for index in range(n):
                voice = Voice.open(
                    self._sessions, self._channels.format, self._request.options, self._client, listening
                )
                translator = Translator(self._request, self._facts(voice), (index, n))
                self._voices.append((voice, translator))
        except ProtocolError as error:
            self._give_up(error.close_code or POLICY, str(error), error.code)

    def _facts(self, voice: Voice) -> RequestFacts:
        model = voice.session.engine_use().model
        model_uuid = str(uuid.uuid5(uuid.NAMESPACE_URL, f"amanuensis:{model}"))
        return RequestFacts(str(self._websocket.id), model, model_uuid, version("amanuensis"))

    async def _read(self) -> None:
        """Act on what the client sends until it is gone."""
        silent_s = min(SILENT_S, self._limits.idle_s)
        try:
            while True:
                await self._inbox.hold(self._room())
                frame = await self._inbox.next(None if self._ended else silent_s)
                if not self._ended:
                    self._act(frame)
                    self._news.set()
                await self._keep_pace(frame)
        except TimeoutError:
            for voice, _ in self._voices:
                voice.end(SPEAKER_IDLE)
            self._stop(INTERNAL, NO_SOUND.format(silent_s), "idle")
            await self._websocket.wait_closed()
        except ConnectionClosed:
            return

    async def _room(self) -> None:
        for voice, _ in self._voices:
            await voice.room()

    async def _keep_pace(self, frame: str | bytes) -> None:
        """Read nothing more for a while from a client that sends too fast."""
        key = self._client or f"connection {id(self)}"
        if (wait_s := self._flow.take(key, len(frame), asyncio.get_running_loop().time())) > 0:
            self._metrics.held_back_s.inc(wait_s)
            await self._inbox.hold(asyncio.sleep(wait_s))

    def _act(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            self._hear(frame)
            return
        try:
            self._obey(parse(frame))
        except (FieldError, ProtocolError) as error:
            self._metrics.refused.labels("bad_message").inc()
            self._send(DeepgramError(str(error), frame))
            self._errors += 1
            if self._errors > MAX_ERRORS:
                self._give_up(POLICY, f"{MAX_ERRORS} wrong messages; last: {error}", "too_many_errors")

    def _obey(self, message: KeepAlive | Finalize | CloseStream | Keyterms) -> None:
        match message:
            case Finalize(channel=channel):
                if channel is not None and channel >= len(self._voices):
                    raise FieldError(f"Finalize: channel is {channel}; there are {len(self._voices)}, from 0")
                for voice, _ in self._voices if channel is None else [self._voices[channel]]:
                    voice.flush(FINALIZE)
            case CloseStream():
                self._close_stream()
            case Keyterms(words=words, ignored=ignored):
                for voice, _ in self._voices if words is not None else []:
                    voice.prefer(words or ())
                self._ignored |= dict.fromkeys(map(show, ignored[: MAX_ERRORS - len(self._ignored)]))
                self._send(ConfigureSuccess(str(self._websocket.id), words))

    def _hear(self, data: bytes) -> None:
        if not data:  # as Deepgram: an empty frame ends the stream
            self._close_stream()
            return
        self._digest.update(data)
        if self._channels is None:
            data = self._after_header(data)
        if self._channels is not None and data:
            for (voice, _), piece in zip(self._voices, self._channels.pieces(data), strict=True):
                voice.hear(piece)

    def _after_header(self, data: bytes) -> bytes:
        """Read the header of a WAV stream; return the sound behind it."""
        self._header += data
        try:
            header = parse_wav_header(bytes(self._header))
            if header is None:
                return b""
            if header.format is None:
                raise HeaderError("the WAV stream is neither 16-bit, 32-bit float nor mu-law")
        except (HeaderError, FormatError) as error:
            why = f"{NOT_AUDIO}{error}; say encoding and sample_rate for sound without a WAV header"
            self._give_up(POLICY, why, "not_audio")
            return b""
        sound = bytes(self._header[header.data_at :])
        self._header.clear()
        self._open(header.format)
        return sound

    def _close_stream(self) -> None:
        self._ended = True
        for voice, _ in self._voices:
            voice.end()
        if not self._voices and self._closing is None:
            self._send(self._metadata())
            self._closing = (NORMAL, "")

    def _give_up(self, code: int, why: str, name: str) -> None:
        """Say why the connection cannot go on, and close it; what was heard becomes final."""
        self._send(DeepgramError(why, variant=name))
        for voice, _ in self._voices:
            voice.end()
        self._stop(code, why, name)

    def _stop(self, code: int, why: str, name: str) -> None:
        self._metrics.refused.labels(name).inc()
        log.info("connection refused: %s", name, extra={"code": name})
        self._ended = True
        self._closing = self._closing or (code, why)
        self._news.set()
