"""What an engine process may send: frames, and the answers in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np

from amanuensis.npu.engine.api import EngineConfig, EngineInfo
from amanuensis.npu.engine.frames import (
    FrameDecoder,
    FrameError,
    Message,
    config_of,
    embed_message,
    embedded_message,
    encode_frame,
    info_of,
    job_message,
    job_of,
    result_message,
    result_of,
    start_message,
    voice_features_of,
    voice_vector_of,
)
from amanuensis.npu.voice_vector import VoiceVector
from amanuensis.npu.window import NO_WORK, WindowJob, WindowResult
from tests.fuzz.target import Target, check_line

FEATURES: Final = np.zeros((80, 2), np.float32)
VOICE: Final = np.ones((1, 80), np.float32)
JOB: Final = WindowJob(FEATURES, (1, 2), (3,), (4, 5), 6)
TIMES: Final = ((3, 4), (60, 80), (70, 90))
RESULT: Final = WindowResult((1, 2), (-0.1, -0.2), *TIMES, 1, True, 0.1, -0.2, 1.0, 0.0, "en", 1.0, 2.0, "cpu", "cpu")
INFO: Final = EngineInfo("model", "cpu", "cpu", "as configured", "int8", 80, False, ("en",), "free", 30.0)
READERS: Final[dict[str, Callable[[Message], object]]] = {
    "result": result_of,
    "ready": info_of,
    "start": config_of,
    "job": lambda message: job_of(message, FEATURES),
    "embed": voice_features_of,
    "embedded": voice_vector_of,
}


def seeds() -> list[bytes]:
    """Return every kind of message."""
    messages: list[Message] = [
        start_message(EngineConfig(Path("model")), 3),
        job_message(1, 0, JOB),
        result_message(1, RESULT),
        embed_message(2, VOICE),
        embedded_message(2, VoiceVector(VOICE[0, :3], "sim", NO_WORK, 1.0)),
        {"type": "ready", "info": asdict(INFO)},
        {"type": "beat", "doing": "job", "running_s": 0.5},
        {"type": "started", "ids": [1, 2]},
        {"type": "error", "id": 1, "message": "no"},
    ]
    return [*map(encode_frame, messages), b"".join(map(encode_frame, messages))]


def prepare(folder: Path) -> Callable[[bytes], None]:
    """Return what reads the messages of one process."""
    return read


def read(data: bytes) -> None:
    """Read messages; what makes no sense is one of the errors for which a process is killed."""
    decoder = FrameDecoder()
    try:
        messages = [*decoder.feed(data[: len(data) // 2]), *decoder.feed(data[len(data) // 2 :])]
    except FrameError as error:
        check_line(error)
        return
    for message in messages:
        try:
            value = READERS.get(message["type"], lambda message: None)(message)
        except (KeyError, TypeError, ValueError):
            continue
        if isinstance(value, WindowResult):
            encode_frame(result_message(1, value))
        elif isinstance(value, VoiceVector):
            encode_frame(embedded_message(2, value))


TARGET: Final = Target(seeds, prepare)
