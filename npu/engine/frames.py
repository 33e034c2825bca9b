"""The messages between the daemon and the engine process: msgpack maps, each with its length in front.

Parent to child: start {config, nice}, job {id, slot, shape, alone, ...}, recall {id}, streams {open}, wake, stop,
embed {id, features}, forget {id}.
Child to parent: ready {info}, failed {message}, beat {doing, running_s}, started {ids}, result {id, ...},
error {id, message}, recalled {id}, embedding {id}, embedded {id, ...}, not_embedded {id, message, for_good?}.
Features of windows travel in shared memory (`slots`); a job names its slot. Those of voices are in their message.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final, TypeVar

import msgpack
import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.engine.api import EngineConfig, EngineError, EngineInfo
from amanuensis.npu.speaker_sound import N_MELS
from amanuensis.npu.voice_vector import VoiceVector
from amanuensis.npu.window import DecodeOptions, DeviceWork, WindowJob, WindowResult

MAX_FRAME_BYTES = 1 << 20  # a hundred times the longest hypothesis

Message = dict[str, Any]
Answer = TypeVar("Answer", WindowResult, DeviceWork, VoiceVector)
KINDS: Final[Mapping[str, type | tuple[type, ...]]] = {"int": int, "float": (int, float), "bool": bool, "str": str}
_LENGTH = struct.Struct("<I")


class FrameError(EngineError):
    """The other side sent what is no message; its process is not to be trusted further."""


def encode_frame(message: Message) -> bytes:
    """Return a message with its length in front; EngineError when it is longer than MAX_FRAME_BYTES."""
    body: bytes = msgpack.packb(message)
    if len(body) > MAX_FRAME_BYTES:
        raise EngineError(f"message of {len(body)} bytes to the engine: at most {MAX_FRAME_BYTES} (fewer hotwords?)")
    return _LENGTH.pack(len(body)) + body


class FrameDecoder:
    """Turns received bytes, cut anywhere, into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that are whole now; FrameError on a length beyond the bound and on broken msgpack."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > MAX_FRAME_BYTES:
                raise FrameError(f"frame of {length} bytes; at most {MAX_FRAME_BYTES} are allowed")
            if len(self._buffer) < _LENGTH.size + length:
                return
            body = bytes(self._buffer[_LENGTH.size : _LENGTH.size + length])
            del self._buffer[: _LENGTH.size + length]
            yield _decode_body(body)


def _decode_body(body: bytes) -> Message:
    try:
        message = msgpack.unpackb(body, use_list=False)
    except ValueError as error:  # every error of msgpack is one
        raise FrameError(f"broken frame ({error})") from error
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise FrameError(f"frame without a type: {body[:40]!r}")
    return message


def start_message(config: EngineConfig, nice: int) -> Message:
    """Return the first message to a child."""
    paths = {"model": str(config.model), "voices": str(config.voices) if config.voices else None}
    return {"type": "start", "config": asdict(config) | paths, "nice": nice}


def config_of(message: Message) -> EngineConfig:
    """Return the configuration in a start message."""
    values = message["config"]
    paths = {"model": Path(values["model"]), "voices": Path(values["voices"]) if values["voices"] else None}
    return EngineConfig(**(values | paths))


def info_of(message: Message) -> EngineInfo:
    """Return what a ready message says of the engine."""
    return EngineInfo(**message["info"])


def job_message(job_id: int, slot: int, job: WindowJob, *, alone: bool = False) -> Message:
    """Return the message for a job whose features lie in a slot; `alone`: not to be done together with others."""
    values = {f.name: getattr(job, f.name) for f in fields(job) if f.name not in {"features", "options"}}
    options = asdict(job.options)
    place = {"slot": slot, "shape": job.features.shape}
    return {"type": "job", "id": job_id, "alone": alone, "job": values, "options": options} | place


def job_of(message: Message, features: NDArray[np.float32]) -> WindowJob:
    """Return the job of a message with its features."""
    return WindowJob(features=features, options=DecodeOptions(**message["options"]), **message["job"])


def result_message(job_id: int, result: WindowResult) -> Message:
    """Return the answer to a job."""
    return {"type": "result", "id": job_id, "result": asdict(result)}


def result_of(message: Message) -> WindowResult:
    """Return the hypothesis in an answer; KeyError, TypeError or ValueError when it makes no sense."""
    values = message["result"]
    works = {name: _checked(DeviceWork(**values[name])) for name in ("encode_work", "decode_work")}
    result = _checked(WindowResult(**(values | works)))
    parts = ("tokens", "logprobs", "frames", "starts_ms", "ends_ms")
    lengths = {part: len(getattr(result, part)) for part in parts}
    if len(set(lengths.values())) > 1:
        raise ValueError(", ".join(f"{n} {part}" for part, n in lengths.items()))
    return result


def embed_message(number: int, features: NDArray[np.float32]) -> Message:
    """Return the message that asks for the vector of features, float32 [frames, N_MELS]."""
    return {"type": "embed", "id": number, "features": features.tobytes()}


def voice_features_of(message: Message) -> NDArray[np.float32]:
    """Return the features in an embed message."""
    return np.frombuffer(message["features"], np.float32).reshape(-1, N_MELS)


def embedded_message(number: int, found: VoiceVector) -> Message:
    """Return the answer to an embed message."""
    values = {"vector": found.vector.tobytes(), "device": found.device, "work": asdict(found.work), "ms": found.ms}
    return {"type": "embedded", "id": number} | values


def voice_vector_of(message: Message) -> VoiceVector:
    """Return the vector in an answer; KeyError, TypeError or ValueError when it makes no sense."""
    vector = np.frombuffer(message["vector"], np.float32)
    if not vector.size or not np.isfinite(vector).all():
        raise ValueError(f"the vector of a voice holds {vector.size} numbers, not all finite")
    return _checked(VoiceVector(vector, message["device"], _checked(DeviceWork(**message["work"])), message["ms"]))


def _checked(values: Answer) -> Answer:
    """Return a dataclass whose fields are of the types that it names; TypeError when one is not."""
    for f in fields(values):
        value, hint = getattr(values, f.name), str(f.type)
        items, kind = (value, hint[6:-6]) if hint.startswith("tuple[") else ((value,), hint)
        allowed = KINDS.get(kind)
        if allowed and not (isinstance(items, tuple) and all(isinstance(item, allowed) for item in items)):
            raise TypeError(f"{f.name} is {value!r:.80}, not {hint}")
    return values
