"""A session taken up again that another process has left: its stream restored, its sound and orders given once more."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import Final

from amanuensis.daemon.cursor import Cursor
from amanuensis.daemon.live_session import END, FAULT, Ending, LiveSession
from amanuensis.daemon.protocol import Configure, Flush, Mark, Note, ProtocolError
from amanuensis.daemon.spool.audio_reader import LOST_BY_SPOOL, Hole, Sound
from amanuensis.daemon.spool.audio_reader import Order as KeptOrder
from amanuensis.daemon.spool.event_maps import build
from amanuensis.daemon.spool.recovered import RecoveredSession
from amanuensis.npu.engine.api import EngineInfo
from amanuensis.stream.checkpoint import Checkpoint, CheckpointError
from amanuensis.stream.config import StreamConfig, StreamConfigError
from amanuensis.stream.events import (
    Event,
    Gap,
    Warning,  # noqa: A004 - the name on the wire
)
from amanuensis.stream.session import StreamSession
from amanuensis.stream.speakers import SpeakerRules
from amanuensis.stream.voice_log import MAX_PIECES
from amanuensis.stream.voice_memory import MemoryState
from amanuensis.stream.words import WordTokenizer

log = logging.getLogger(__name__)

TAKEN_UP: Final = "another process has taken up this session"
NOT_TAKEN_UP: Final = "another process cannot take up this session"
NOT_RUNNING: Final = "the daemon did not run"
ORDERS: Final[dict[str, type[Flush | Mark | Note | Configure]]] = {
    "flush": Flush,
    "mark": Mark,
    "note": Note,
    "config": Configure,
}
MAX_DOWN_S: Final = 600.0  # after so long without a daemon the session of its own input is over


@dataclass(frozen=True, slots=True)
class Revival:
    """How a session goes on.

    Attributes:
        stream: of the session.
        ending: how it is over; None: it has more to say, or waits for its speaker.
        events: that are told first.

    """

    stream: StreamSession
    ending: Ending | None
    events: list[Event]


def revive(
    found: RecoveredSession,
    config: StreamConfig,
    tokenizer: WordTokenizer,
    info: EngineInfo,
    voices: SpeakerRules | None = None,
) -> Revival:
    """Return how a session that was found goes on: from its newest checkpoint, or not at all if that is of no use."""
    voices = None if found.ended else voices
    fresh = StreamSession(config, found.header.audio, tokenizer, info, voices=voices)
    if found.step is None:
        return Revival(fresh, None, [_taken_up(found)])
    try:
        checkpoint = Checkpoint.from_plain(found.step.checkpoint)
        stream = StreamSession.restore(config, found.header.audio, tokenizer, info, checkpoint, voices=voices)
    except (CheckpointError, StreamConfigError) as error:
        fresh.end()
        if found.ended:
            return Revival(fresh, Ending(found.ended), [])
        return Revival(fresh, FAULT, _given_up(found, error))
    _recall(found, stream, checkpoint)
    if found.ended:
        if not stream.done:  # it ended in a fault
            stream = fresh
            stream.end()
        return Revival(stream, Ending(found.ended), [])
    return Revival(stream, END if stream.done else None, [_taken_up(found)])


def restored_cursor(found: RecoveredSession) -> Cursor:
    """Return where the session stands in what its speaker sends."""
    place = found.place
    return Cursor(found.header.audio, place.next_chunk, place.controls, place.position)


def play_again(session: LiveSession, found: RecoveredSession) -> None:
    """Give a restored session what its stream has to hear again, in order; its feeder does so in pieces.

    Sound that was received and is not there any more becomes a gap; so much of what the speaker sends again is ignored.
    """
    feeder, stream, position = session.feeder, session.pump.session, found.place.position
    feeder.heard_bytes = found.fed_from
    received = found.fed_from + stream.replay_samples * found.header.audio.frame_bytes
    wanted = received if stream.ended else max(received, position)
    session.pump.waiting_marks = len(stream.checkpoint().marks)
    for item in found.replay():
        left = max(0, wanted - feeder.heard_bytes)  # bytes of a cut frame at the end of a stream that is over are not
        if isinstance(item, KeptOrder):
            _order_again(session, item)
        elif isinstance(item, Hole):
            feeder.lose(min(item.n_bytes, left), item.why)
        elif isinstance(item, Sound):
            feeder.hear(item.data[:left])
    if feeder.heard_bytes < wanted:
        feeder.lose(wanted - feeder.heard_bytes, LOST_BY_SPOOL)
    feeder.ignore(max(0, feeder.heard_bytes - position))
    if stream.ended:
        session.cursor.ended = True
        session.finish(END)
    if session.ending is None:
        feeder.after(partial(session.store.carried_out, None))


def lose_downtime(session: LiveSession, down_s: float) -> None:
    """Make the time in which nobody listened to the daemon's own input a gap; after too long a time end the session."""
    if down_s > MAX_DOWN_S:
        session.finish(END)
    else:
        session.lose(round(down_s * session.cursor.format.rate), NOT_RUNNING)


def _order_again(session: LiveSession, kept: KeptOrder) -> None:
    if kept.kind == "end":
        session.cursor.ended = True
        session.finish(END)
        return
    order = build(ORDERS[kept.kind], kept.content, kept.kind)

    def carry_out() -> None:
        try:
            session.carry_out(order)
        except ProtocolError as error:  # another model may not know what this one was asked for
            session.pump.tell(Warning("recovered", f"an order could not be carried out again: {error}"))
        session.store.carried_out(kept.index + 1)

    session.feeder.after(carry_out)


def _recall(found: RecoveredSession, stream: StreamSession, checkpoint: Checkpoint) -> None:
    """Let second looks reach what was said before, as far as it is there and of the same speaker model."""
    speakers, state = stream.speakers, checkpoint.speakers
    if speakers is None or state is None:
        return
    if state.model != speakers.model:
        why = f"it was heard with speaker model {state.model!r}, and this one is {speakers.model!r}"
        log.warning("session %s: what was said before is not looked at again: %s", found.header.id, why)
        speakers.recall((), found.journal.said(), MemoryState(is_whole=False))
        return
    left, n_pieces = found.voices(state), state.memory.n_pieces
    speakers.recall(left.kept, found.journal.said(), state.memory)
    if left.n_left < min(n_pieces, MAX_PIECES):
        why = f"{left.n_left} of {n_pieces} pieces of speech are left; {left.why or 'the others are gone'}"
        log.warning("session %s: what was said before is looked at again in part: %s", found.header.id, why)


def _taken_up(found: RecoveredSession) -> Warning:
    """Return the event that marks a session as taken up again, with what was repaired."""
    repaired = f"; repaired: {', '.join(found.repairs)}" if found.repairs else ""
    return Warning("recovered", TAKEN_UP + repaired)


def _given_up(found: RecoveredSession, why: Exception) -> list[Event]:
    fmt = found.header.audio
    from_ms, to_ms = (1000 * n_bytes / fmt.bytes_per_s for n_bytes in (found.fed_from, found.place.position))
    lost: list[Event] = [Gap(from_ms, to_ms, f"{NOT_TAKEN_UP}: {why}")] if from_ms < to_ms else []
    return [*lost, Warning("recovered", f"{NOT_TAKEN_UP}: {why}")]
