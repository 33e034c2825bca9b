"""One piece of a recording to words: a stream of its own, driven in lockstep, so that the same sound gives the same.

It is fed a second at a time and waits for the engine before the next, so nothing depends on how fast that is.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from amanuensis.daemon.archive.pieces import Piece
from amanuensis.daemon.pipeline import Pipeline
from amanuensis.npu.engine.api import PoisonWindowError
from amanuensis.npu.window import WindowResult
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Commit, Event, Gap, Warning, Word  # noqa: A004 - the name on the wire
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.ledger import Totals
from amanuensis.stream.resample import MODEL_RATE
from amanuensis.stream.session import StreamSession
from amanuensis.stream.speakers import SpeakerRules
from amanuensis.stream.voice_memory import KeptNames, KeptPieces

FORMAT: Final = AudioFormat("f32le", MODEL_RATE, 1)
STEP: Final = MODEL_RATE  # samples
DEADLINE_S: Final = 60.0  # live streams of the same engine go first


@dataclass(frozen=True, slots=True)
class HeardPiece:
    """What came of a piece; times are its own.

    Attributes:
        index, start, stop: of the piece, in 16 kHz samples of the recording.
        in_speech: it ends where there was no pause.
        utterances: words, without speakers.
        gaps: what was not transcribed.
        totals: what became of its samples.
        language: set or detected.
        rules: how voices are told apart; None: they are not.
        voices: what was heard of whom, if anything.
        warnings: what a person should know, each once.
        devices: that encoded and decoded, each once.
        model: name of the model.
        compute_ms: from the first sample to the last word.

    """

    index: int
    start: int
    stop: int
    in_speech: bool
    utterances: tuple[tuple[Word, ...], ...]
    gaps: tuple[Gap, ...]
    totals: Totals
    language: str | None
    rules: SpeakerRules | None
    voices: KeptPieces | None
    warnings: tuple[str, ...]
    devices: tuple[str, ...]
    model: str
    compute_ms: float


async def hear(piece: Piece, pipeline: Pipeline, config: StreamConfig) -> HeardPiece:
    """Transcribe a piece.

    Args:
        piece: its sound.
        pipeline: running.
        config: of the stream.

    Raises:
        amanuensis.npu.engine.api.EngineError: the engine could not do it; it may be tried again.
        amanuensis.stream.config.StreamConfigError: the model cannot do what is asked.

    """
    rules = pipeline.voices.rules(config, live=False) if pipeline.voices else None
    stream = pipeline.engine.open_stream()
    try:
        return await _Hearing(piece, pipeline, config, rules, stream).run()
    finally:
        pipeline.engine.close_stream(stream)


class _Hearing:
    """A piece that is being heard."""

    def __init__(
        self, piece: Piece, pipeline: Pipeline, config: StreamConfig, rules: SpeakerRules | None, stream: int
    ) -> None:
        engine = pipeline.engine
        self._piece = piece
        self._pipeline = pipeline
        self._rules = rules
        self._stream = stream
        self._session = StreamSession(config, FORMAT, pipeline.tokenizer, engine.info, ticks=False, voices=rules)
        self._words: dict[int, list[Word]] = {}
        self._gaps: list[Gap] = []
        self._warnings: dict[str, None] = {}
        self._devices: dict[str, None] = {}

    async def run(self) -> HeardPiece:
        started_s = time.perf_counter()
        data = self._piece.samples.astype("<f4", copy=False).tobytes()
        step = STEP * FORMAT.frame_bytes
        for at in range(0, len(data), step):
            self._note(self._session.receive(data[at : at + step]))
            await self._work()
        self._note(self._session.end())
        await self._work()
        return self._heard(1000 * (time.perf_counter() - started_s))

    async def _work(self) -> None:
        """Do all jobs that are due, those on voices behind the others."""
        session, desk = self._session, self._pipeline.voices
        while True:
            if (ticket := session.next_job()) is not None:
                try:
                    deadline_s = time.monotonic() + DEADLINE_S
                    result = await self._pipeline.engine.decode(self._stream, ticket.job, deadline_s)
                except PoisonWindowError as error:
                    self._note(session.failed(ticket.id, str(error), poison=True))
                else:
                    self._used(result)
                    self._note(session.deliver(ticket.id, result))
            elif desk is not None and session.speakers and (job := session.next_voices()) is not None:
                try:
                    told = session.speakers.deliver(job.id, await desk.work(job))
                except ValueError as error:
                    told = session.speakers.failed(str(error))
                self._note(told)
            else:
                return

    def _used(self, result: WindowResult) -> None:
        self._devices |= {result.encoder: None, result.decoder: None}

    def _note(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Commit):
                words = [word if word.spk is None else replace(word, spk=None) for word in event.words]
                self._words.setdefault(event.utt, []).extend(words)
            elif isinstance(event, Gap):
                self._gaps.append(event)
            elif isinstance(event, Warning):
                self._warnings[event.message] = None

    def _heard(self, compute_ms: float) -> HeardPiece:
        piece, session = self._piece, self._session
        totals = session.ledger.totals()
        assert session.done
        return HeardPiece(
            index=piece.index,
            start=piece.start,
            stop=piece.stop,
            in_speech=piece.in_speech,
            utterances=tuple(tuple(words) for _, words in sorted(self._words.items())),
            gaps=tuple(self._gaps),
            totals=totals,
            language=session.language,
            rules=self._rules,
            voices=self._voices(),
            warnings=tuple(self._warnings),
            devices=tuple(sorted(self._devices)),
            model=self._pipeline.engine.info.model,
            compute_ms=compute_ms,
        )

    def _voices(self) -> KeptPieces | None:
        """Return the pieces of speech with the names that the last look gave them."""
        speakers = self._session.speakers
        if speakers is None or speakers.stopped:
            return None
        found = speakers.kept(0, 0)
        pieces = next((part for part in found if isinstance(part, KeptPieces)), None)
        names = next((part.names for part in found if isinstance(part, KeptNames)), None)
        return pieces if pieces is None or names is None else replace(pieces, names=names)
