"""The engine as the rest of the program sees it."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.voice_vector import VoiceVector
from amanuensis.npu.window import DeviceWork, WindowJob, WindowResult

Device = Literal["auto", "cpu", "npu", "sim"]
Precision = Literal["auto", "float32", "bf16", "int8"]


class EngineError(Exception):
    """The engine cannot do what was asked; the message says what is wrong and what to do."""


class SupersededError(EngineError):
    """A newer window of the same stream replaced this one before it was started."""


class EngineLostError(EngineError):
    """The engine process died and could not be brought back within its restart limit, where it has one."""


class PoisonWindowError(EngineError):
    """The engine died or hung at this window as often as a window may; it is not worth another try.

    Args:
        crashes: how often.
        why: what the last one was.

    """

    def __init__(self, crashes: int, why: str) -> None:
        super().__init__(f"the engine died {crashes} times at this window; last: {why}")
        self.crashes = crashes
        self.why = why


class EngineBusyError(EngineError):
    """All stream slots are taken."""


class NotEmbeddedError(EngineError):
    """The engine did not compute the vector of a voice; who asked does it on the CPU. Words are not concerned."""


class NoMoreVoicesError(NotEmbeddedError):
    """The device computes no vectors of voices from now on: words have it for themselves."""


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What to run and where."""

    model: Path  # a model folder in the Hugging Face Whisper format
    device: Device = "auto"
    threads: int = 0  # 0: physical cores less one, at most 4
    max_streams: int = 64
    precision: Precision = "auto"  # auto: int8 on an NPU, and where the CPU has VNNI
    encoder: Device | None = None  # None: as `device`
    decoder: Device | None = None
    resuming: bool = (
        False  # after a crash: a device that cannot be opened now is tried again later, on the CPU till then
    )
    voices: Path | None = None  # network of speaker embeddings to keep on a device beside the model; None: none


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What runs and where, as `ready` and the metrics tell it."""

    model: str  # name of the model
    encoder: str  # "cpu", "npu" or "sim"
    decoder: str
    why: str  # why these devices
    precision: str
    n_mels: int
    multilingual: bool
    languages: tuple[str, ...]
    audio_context: Literal["free", "padded"]  # "free": any window length; "padded": keep generous padding
    max_window_s: float  # longest window that this model reads well, at most 30
    hardware: str = ""  # the NPU by the name that it gives itself; "" when all runs on the CPU
    architecture: str = ""  # "npu1" or "npu2"
    batch: int = 1  # windows of several streams that are decoded at once
    voices: str = ""  # the device that `embed` uses; "": it refuses, and who asks computes on the CPU
    voices_why: str = ""  # why it refuses although a device could do it, if so


@dataclass(frozen=True, slots=True)
class NodeStats:
    """What one machine did for this daemon, where the engine runs on several."""

    encodes: dict[str, int]  # by device
    decodes: dict[str, int]
    restarts: int
    busy_s: float
    up: bool  # it takes windows
    capacity: float  # streams that it carries, as measured


@dataclass(frozen=True, slots=True)
class EngineStats:
    """Counters since the start of the daemon, and how the engine is now."""

    encodes: dict[str, int]  # by device
    decodes: dict[str, int]
    restarts: int
    superseded: int
    queued: int
    busy_s: float  # seconds in which the engine worked
    lost: str = ""  # why the engine does nothing more, if so
    work: dict[str, DeviceWork] = field(default_factory=dict)  # by device, without the CPU
    device_share: float = 0.0  # of the time since the start: that in which the NPU worked, measured or modelled
    fallbacks: dict[str, int] = field(default_factory=dict)  # windows done by the CPU instead, by kind of failure
    fallback: str = ""  # why the CPU takes the device's place now, if so
    on_host: str = ""  # operators that the CPU computes in the device's place now, each with what is wrong with it
    down_s: float = 0.0  # for so long no process takes windows; 0 while one does
    down_why: str = ""  # why, while that is so
    progress_age_s: float = 0.0  # since work was last seen to go on, or supervision to bring a process back
    poisoned: int = 0  # windows given up because the engine died at them
    embeddings: dict[str, int] = field(default_factory=dict)  # vectors of voices that it computed, by device
    nodes: dict[str, NodeStats] = field(default_factory=dict)  # by name; empty where the engine is on this machine


class VoiceEngine(Protocol):
    """What computes vectors of voices beside words, on a device."""

    @property
    def info(self) -> EngineInfo: ...

    def embed(self, features: NDArray[np.float32]) -> Coroutine[Any, Any, VoiceVector]:
        """Compute the network's part of a speaker embedding, when no window waits for the engine.

        Args:
            features: as `npu.speaker_sound.normalised` makes them.

        Raises:
            NotEmbeddedError: `info.voices` names no device, there are more than `npu.speaker_sound.DEVICE_FRAMES`, too
                many vectors wait, or the device or its process failed.

        """
        ...


class Engine(Protocol):
    """One engine, used by many streams."""

    @property
    def info(self) -> EngineInfo: ...

    def stats(self) -> EngineStats: ...

    def open_stream(self) -> int:
        """Return the number of a new stream; EngineBusyError when all slots are taken."""
        ...

    def close_stream(self, stream: int) -> None: ...

    def wake(self) -> None:
        """Say that somebody speaks, so that a device that sleeps is awake when the first window comes."""
        ...

    async def decode(self, stream: int, job: WindowJob, deadline_s: float) -> WindowResult:
        """Decode one window; earliest deadline first, at most one pending window a stream.

        While the engine is down the job waits for it.

        Args:
            stream: from `open_stream`.
            job: the window.
            deadline_s: on the clock of `time.monotonic`, only an order among jobs.

        Raises:
            SupersededError: a newer job of the stream came before this one was started.
            PoisonWindowError: the engine died at this job so often that it is given up.
            EngineLostError: the engine died more often than its restart limit, where it has one, allows.
            EngineError: the job is wrong (features of another shape, tokens outside the vocabulary).

        """
        ...

    async def aclose(self) -> None: ...
