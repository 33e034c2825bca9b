"""A stream on a simulated clock on which computing takes no time: what the policy alone makes a reader wait."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from amanuensis.benchmarks.live import FORMAT, PACKET_S, Notes
from amanuensis.benchmarks.measures import Sent, Take
from amanuensis.benchmarks.sound import SAMPLE_RATE
from amanuensis.benchmarks.streaming_wer import Model, pieces
from amanuensis.daemon.wire import wire_map
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Event
from amanuensis.stream.session import StreamSession


def unaware_take(model: Model, tokenizer: Tokenizer, config: StreamConfig, samples: NDArray[np.float32]) -> Take:
    """Return the take of a live stream whose clock stands still while anything is computed.

    The session is the daemon's; each packet arrives when its last sample is due, and what it causes is shown then.
    """
    session = StreamSession(config, FORMAT, tokenizer, model.info)
    notes, sent = Notes(), [Sent(0.0, 0.0)]

    def note(events: Sequence[Event]) -> None:
        for event in events:
            notes.note(sent[-1].at_s, wire_map(event, 0 if event.durable else None))

    def work() -> None:
        while ticket := session.next_job():
            note(session.deliver(ticket.id, model.decode(ticket.job)))

    for packet in pieces(samples, round(1000 * PACKET_S)):
        until_s = sent[-1].until_s + len(packet) / (2 * SAMPLE_RATE)
        sent.append(Sent(until_s, until_s))
        note(session.receive(packet))
        work()
    note(session.end())
    work()
    return Take(tuple(notes.shown), tuple(sent[1:]))
