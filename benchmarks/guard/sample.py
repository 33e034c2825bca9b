"""What the guard runs: speech through session, engine protocol and model to frames for a client, on no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from amanuensis.benchmarks.live import PACKET_S
from amanuensis.benchmarks.sound import SAMPLE_RATE, conversation
from amanuensis.benchmarks.streaming_wer import Listener
from amanuensis.daemon.wire import encode_event
from amanuensis.npu.engine.api import EngineConfig, EngineInfo
from amanuensis.npu.engine.frames import (
    FrameDecoder,
    Message,
    encode_frame,
    job_message,
    job_of,
    result_message,
    result_of,
)
from amanuensis.npu.engine.slots import FeatureSlots
from amanuensis.npu.loading import LoadedModel, load_model
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import WindowJob, WindowResult
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Event

# Nothing is measured to choose arithmetic or threads, so that the same is done on every machine.
ENGINES: Final[Mapping[str, EngineConfig]] = {
    "cpu": EngineConfig(Path(), device="cpu", precision="float32", threads=1),
    "sim": EngineConfig(Path(), device="sim", precision="int8", threads=1, encoder="sim", decoder="sim"),
}
CONFIG: Final = StreamConfig(language="en", speakers=0)


@dataclass(slots=True)
class Crossing:
    """A model behind the protocol of the engine process, both sides of it in this process.

    Attributes:
        jobs, results: what crossed.
        bytes: of features and messages, both ways.

    """

    model: LoadedModel
    jobs: list[WindowJob] = field(default_factory=list)
    results: list[WindowResult] = field(default_factory=list)
    bytes: int = 0
    _slots: FeatureSlots = field(default_factory=lambda: FeatureSlots(1))

    @property
    def info(self) -> EngineInfo:
        """Return what the model says of itself."""
        return self.model.info

    def decode(self, job: WindowJob) -> WindowResult:
        """Decode a window as the engine process does."""
        self._slots.write(0, job.features)
        self.bytes += job.features.nbytes
        asked = self._sent(job_message(len(self.jobs), 0, job))
        result = self.model.decode(job_of(asked, self._slots.view(asked["slot"], asked["shape"])))
        answer = result_of(self._sent(result_message(len(self.jobs), result)))
        self.jobs.append(job)
        self.results.append(answer)
        return answer

    def close(self) -> None:
        """Give the shared memory back."""
        self._slots.close()

    def _sent(self, message: Message) -> Message:
        frame = encode_frame(message)
        self.bytes += len(frame)
        (received,) = FrameDecoder().feed(frame)
        return received


class Sample:
    """Speech and a model to stream it through.

    Args:
        folder: of the model.
        seconds: of the bundled conversation, from its beginning.
        engine: which of `ENGINES`.

    """

    def __init__(self, folder: Path, seconds: float, engine: Literal["cpu", "sim"] = "cpu") -> None:
        self.model = load_model(replace(ENGINES[engine], model=folder))
        self.samples: NDArray[np.float32] = conversation()[: round(seconds * SAMPLE_RATE)]
        self._tokenizer = Tokenizer(folder)

    @property
    def seconds(self) -> float:
        """Length of the speech."""
        return len(self.samples) / SAMPLE_RATE

    def stream(self) -> tuple[str, Crossing]:
        """Stream the speech as from a microphone; return the committed text and what crossed to the engine."""
        crossing = Crossing(self.model)
        try:
            heard = Listener(crossing, self._tokenizer, CONFIG).streaming(self.samples, _tell, round(1000 * PACKET_S))
        finally:
            crossing.close()
        return heard.text, crossing


def _tell(_: float, event: Event) -> None:
    """Make the frame of an event, as for a client."""
    encode_event(event, 0 if event.durable else None, "json")
