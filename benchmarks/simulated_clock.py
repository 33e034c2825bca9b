"""A stream on a simulated clock on which computing takes no time: what the policy alone makes a reader wait."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amanuensis.benchmarks.live import PACKET_S, Notes
from amanuensis.benchmarks.measures import Sent, Take
from amanuensis.benchmarks.sound import SAMPLE_RATE
from amanuensis.benchmarks.streaming_wer import Listener, Model
from amanuensis.daemon.wire import wire_map
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Event


def unaware_take(model: Model, tokenizer: Tokenizer, config: StreamConfig, samples: NDArray[np.float32]) -> Take:
    """Return the take of a live stream whose clock stands still while anything is computed.

    The session is the daemon's; each packet arrives when its last sample is due, and what it causes is shown then.
    """
    notes = Notes()

    def note(received_ms: float, event: Event) -> None:
        notes.note(received_ms / 1000, wire_map(event, 0 if event.durable else None))

    Listener(model, tokenizer, config).streaming(samples, note, round(1000 * PACKET_S))
    step = round(PACKET_S * SAMPLE_RATE)
    ends_s = [min(at + step, len(samples)) / SAMPLE_RATE for at in range(0, len(samples), step)]
    return Take(tuple(notes.shown), tuple(Sent(end_s, end_s) for end_s in ends_s))
