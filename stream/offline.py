"""A recording to text: the same pipeline as a live stream, but every window is decoded once, when it is complete."""

from __future__ import annotations

from amanuensis.npu.engine.api import EngineInfo
from amanuensis.npu.window import WindowResult
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Commit, Event, Word
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.session import StreamSession, Ticket
from amanuensis.stream.words import WordTokenizer

__all__ = ["OfflineTranscriber"]


class OfflineTranscriber:
    """Transcribes one recording.

    Windows follow the pauses that the voice detector finds and are at most as long as the model reads well; text is
    carried on as prompt, and every window has the beams and fallback temperatures of the settings. Feed it with
    `receive` while `wants_audio`, drive it with `next_job` and `deliver`, call `end` after the last audio.

    Args:
        config: settings; `tick_ms` and `policy` do not matter here.
        fmt: what `receive` gets.
        tokenizer: of the engine's model.
        info: what the engine runs.
        duration_ms: of the recording, for `progress`; None: not known.

    """

    def __init__(
        self,
        config: StreamConfig,
        fmt: AudioFormat,
        tokenizer: WordTokenizer,
        info: EngineInfo,
        duration_ms: float | None = None,
    ) -> None:
        self._session = StreamSession(config, fmt, tokenizer, info, ticks=False)
        self._duration_ms = duration_ms
        self._words: list[Word] = []

    def receive(self, data: bytes | memoryview) -> list[Event]:
        """Take raw PCM bytes, cut anywhere; more than fits becomes a gap, so wait for `wants_audio`."""
        return self._noted(self._session.receive(data))

    def next_job(self) -> Ticket | None:
        """Return the window to decode now; None: more audio is needed, or a window is being decoded, or all is done."""
        return self._session.next_job()

    def deliver(self, ticket_id: int, result: WindowResult) -> list[Event]:
        """Take the engine's answer."""
        return self._noted(self._session.deliver(ticket_id, result))

    def failed(self, ticket_id: int, why: str) -> list[Event]:
        """Take note that the engine could not do this job; it is tried again, then its audio becomes a gap."""
        return self._noted(self._session.failed(ticket_id, why))

    def end(self) -> list[Event]:
        """Take note that the recording is over."""
        return self._noted(self._session.end())

    @property
    def wants_audio(self) -> bool:
        """Whether another few seconds of audio can be taken now without loss."""
        return self._session.room_ms >= self._session.config.max_pending_s * 500

    @property
    def done(self) -> bool:
        """Whether all is transcribed."""
        return self._session.done

    @property
    def progress(self) -> float | None:
        """The share of the recording that is transcribed, 0 to 1; None when its length is not known."""
        if self.done:
            return 1.0
        if not self._duration_ms:
            return None
        return min(1.0, self._session.committed_ms / self._duration_ms)

    @property
    def words(self) -> tuple[Word, ...]:
        """The words so far."""
        return tuple(self._words)

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(word.text for word in self._words).strip()

    @property
    def session(self) -> StreamSession:
        """The stream behind it: language, counters, ledger, media time."""
        return self._session

    def _noted(self, events: list[Event]) -> list[Event]:
        for event in events:
            if isinstance(event, Commit):
                self._words += event.words
        return events
