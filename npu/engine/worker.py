"""What runs in the engine process: a main thread for messages and heartbeat, an owner thread for the device."""

from __future__ import annotations

import importlib
import os
import select
import socket
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.engine.api import EngineConfig, EngineError, EngineInfo, NoMoreVoicesError
from amanuensis.npu.engine.frames import (
    FrameDecoder,
    Message,
    config_of,
    embedded_message,
    encode_frame,
    job_of,
    result_message,
    voice_features_of,
)
from amanuensis.npu.engine.slots import FeatureSlots
from amanuensis.npu.voice_vector import VoiceVector
from amanuensis.npu.window import WindowJob, WindowResult

RECEIVE_BYTES = 1 << 16
NO_FEATURES = np.empty((0, 0), np.float32)


class LoadedModel(Protocol):
    """A model on its device."""

    @property
    def info(self) -> EngineInfo: ...

    def decode(self, job: WindowJob) -> WindowResult: ...

    def decode_together(
        self, jobs: Sequence[WindowJob], ended: Callable[[int, WindowResult | EngineError], None]
    ) -> None:
        """Decode up to `info.batch` windows of one beam at once; called only where that is more than 1.

        Args:
            jobs: of different streams.
            ended: to be called with the place of each window and what came of it, as soon as that is known.

        """
        ...

    def embed(self, features: NDArray[np.float32]) -> VoiceVector:
        """Compute the vector of a voice, from features as `npu.speaker_sound.normalised` makes them.

        Raises:
            EngineError: `info.voices` names no device, or the device failed.

        """
        ...

    def maintain(self, streams: int, *, voice: bool) -> float | None:
        """Do what the device needs between jobs: keep it warm, try to get it back.

        Args:
            streams: open now.
            voice: whether somebody began to speak since the last call.

        Returns:
            In how many seconds to be called again; None: not before the next job, stream or voice.

        """
        ...


Loader = Callable[[EngineConfig], LoadedModel]


class Channel:
    """The way to the parent, used by both threads."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Send a message; the process ends when the parent is gone."""
        try:
            with self._lock:
                self.connection.sendall(encode_frame(message))
        except OSError:
            leave(0)


class DeviceThread:
    """Owns the device: loads the model, does the jobs in the order in which they come, some of them together.

    A vector of a voice is computed when no job waits.
    """

    def __init__(self, load: Callable[[], LoadedModel], slots: FeatureSlots, channel: Channel) -> None:
        self._load = load
        self._slots = slots
        self._channel = channel
        self._jobs: deque[Message] = deque()
        self._voices: deque[Message] = deque()
        self._changed = threading.Condition()
        self._doing: tuple[str, float] = ("", 0.0)  # a key of `process.WORK`, and since when
        self._streams = 0
        self._voice = False
        self._told = False  # streams or voice, which the model was not told of yet

    def take(self, message: Message) -> None:
        """Take what the parent says."""
        match message["type"]:
            case "job":
                self.put(message)
            case "recall":
                self.recall(message["id"])
            case "embed":
                self.put_voice(message)
            case "forget":
                self.forget_voice(message["id"])
            case "streams":
                self.attend(message["open"])
            case "wake":
                self.attend(voice=True)

    def put(self, job: Message) -> None:
        """Queue a job; the parent never sends more than its few slots."""
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()

    def recall(self, job_id: int) -> None:
        """Give a job back unless it was started."""
        with self._changed:
            found = next((job for job in self._jobs if job["id"] == job_id), None)
            if found is not None:
                self._jobs.remove(found)
        if found is not None:
            self._channel.send({"type": "recalled", "id": job_id})

    def put_voice(self, message: Message) -> None:
        """Queue what is asked for a voice; the parent bounds how many wait."""
        with self._changed:
            self._voices.append(message)
            self._changed.notify()

    def forget_voice(self, number: int) -> None:
        """Do not compute a vector that nobody waits for any more, unless it was begun."""
        with self._changed:
            found = [message for message in self._voices if message["id"] == number]
            for message in found:
                self._voices.remove(message)
        for _ in found:
            self._channel.send({"type": "not_embedded", "id": number, "message": "nobody waits for it"})

    def attend(self, streams: int | None = None, *, voice: bool = False) -> None:
        """Pass on how many streams are open, or that somebody began to speak."""
        with self._changed:
            self._streams = self._streams if streams is None else streams
            self._voice |= voice
            self._told = True
            self._changed.notify()

    def beat(self) -> Message:
        """Return the heartbeat: what is being done and for how long; "" and 0 when nothing is."""
        doing, since_s = self._doing
        return {"type": "beat", "doing": doing, "running_s": time.monotonic() - since_s if doing else 0.0}

    def run(self) -> NoReturn:
        """Load the model, then do jobs for ever; a fault of ours ends the process, which the parent replaces."""
        try:
            self._run()
        except BaseException as error:
            traceback.print_exception(error)
            leave(1)

    def _run(self) -> NoReturn:
        self._begin("load")
        try:
            model = self._load()
        except Exception as error:  # whatever it was, the parent is told in one line
            self._channel.send({"type": "failed", "message": one_line(error)})
            leave(1)
        self._channel.send({"type": "ready", "info": asdict(model.info)})
        while True:
            messages = self._next_jobs(model)
            if len(messages) == 1:
                self._channel.send(self._answer(model, messages[0]))
            else:
                self._answer_together(model, messages)

    def _begin(self, doing: str) -> None:
        self._doing = (doing, time.monotonic())

    def _next_jobs(self, model: LoadedModel) -> list[Message]:
        """Wait for jobs to be done at once; what the device needs is done between jobs, and voices while none waits."""
        while True:
            wait_s = self._maintain(model)
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._voices or self._told, wait_s)
                taken = self._take(model.info.batch) if self._jobs else []
                voice = self._voices.popleft() if self._voices and not taken else None
            if voice is not None:
                self._embed(model, voice)
            if taken:
                self._begin("job")
                self._channel.send({"type": "started", "ids": [message["id"] for message in taken]})
                return taken

    def _take(self, batch: int) -> list[Message]:
        """Take the first job, and with it those behind it that can be decoded at the same time."""
        taken = [self._jobs.popleft()]
        while len(taken) < batch and self._jobs and _joins(taken[0]) and _joins(self._jobs[0]):
            taken.append(self._jobs.popleft())
        return taken

    def _embed(self, model: LoadedModel, message: Message) -> None:
        number = message["id"]
        self._begin("voice")
        self._channel.send({"type": "embedding", "id": number})
        try:
            answer = embedded_message(number, model.embed(voice_features_of(message)))
        except Exception as error:  # who asked computes it on the CPU
            for_good = isinstance(error, NoMoreVoicesError)
            answer = {"type": "not_embedded", "id": number, "message": one_line(error), "for_good": for_good}
        self._channel.send(answer)

    def _maintain(self, model: LoadedModel) -> float | None:
        with self._changed:
            streams, voice = self._streams, self._voice
            self._told = self._voice = False
        self._begin("care")
        try:
            wait_s = model.maintain(streams, voice=voice)
        except Exception as error:  # a fault of ours: another process may do better
            print(f"between two windows: {one_line(error)}", file=sys.stderr)
            leave(1)
        self._begin("")
        return wait_s

    def _answer(self, model: LoadedModel, message: Message) -> Message:
        try:
            job = job_of(message, self._slots.view(message["slot"], message["shape"]))
            return result_message(message["id"], model.decode(job))
        except Exception as error:  # a wrong job must not end the engine
            return _error_message(message["id"], error)

    def _answer_together(self, model: LoadedModel, messages: Sequence[Message]) -> None:
        """Answer each job as soon as it is done."""
        left = [message["id"] for message in messages]

        def ended(place: int, outcome: WindowResult | EngineError) -> None:
            job_id = messages[place]["id"]
            left.remove(job_id)
            if isinstance(outcome, EngineError):
                self._channel.send(_error_message(job_id, outcome))
            else:
                self._channel.send(result_message(job_id, outcome))

        try:
            jobs = [job_of(message, self._slots.view(message["slot"], message["shape"])) for message in messages]
            model.decode_together(jobs, ended)
        except Exception as error:
            for job_id in left:
                self._channel.send(_error_message(job_id, error))


def _joins(message: Message) -> bool:
    """Return whether a job may be decoded together with others: of one beam, and it never ended a process."""
    return job_of(message, NO_FEATURES).one_beam and not message["alone"]


def _error_message(job_id: int, error: Exception) -> Message:
    return {"type": "error", "id": job_id, "message": one_line(error)}


def run_worker(connection: socket.socket, slots: FeatureSlots, loader: str, beat_s: float) -> NoReturn:
    """Serve the parent until it goes away.

    Args:
        connection: stream socket to the parent.
        slots: where features lie.
        loader: "module:function" that opens a model: `Loader`.
        beat_s: time between heartbeats.

    """
    channel, decoder = Channel(connection), FrameDecoder()
    device: DeviceThread | None = None
    next_beat_s = 0.0
    while True:
        if time.monotonic() >= next_beat_s:
            channel.send(device.beat() if device else {"type": "beat", "doing": "", "running_s": 0.0})
            next_beat_s = time.monotonic() + beat_s
        readable, _, _ = select.select([connection], [], [], max(0.0, next_beat_s - time.monotonic()))
        for message in decoder.feed(_receive(connection)) if readable else ():
            if message["type"] == "start":
                os.nice(message["nice"])
                device = DeviceThread(_loading(loader, config_of(message)), slots, channel)
                threading.Thread(target=device.run, name="device", daemon=True).start()
            elif message["type"] == "stop" or device is None:
                leave(0)
            else:
                device.take(message)


def one_line(error: Exception) -> str:
    """Return the message of an expected error; of any other its kind too, with the traceback on stderr."""
    text = " ".join(str(error).split())
    if isinstance(error, EngineError):
        return text
    traceback.print_exception(error)
    return f"{type(error).__name__}: {text}"


def leave(status: int) -> NoReturn:
    """End the process at once: the device thread may be deep in a computation that cannot be interrupted."""
    sys.stderr.flush()
    os._exit(status)


def _receive(connection: socket.socket) -> bytes:
    try:
        data = connection.recv(RECEIVE_BYTES)
    except OSError:
        data = b""
    if not data:
        leave(0)
    return data


def _loading(loader: str, config: EngineConfig) -> Callable[[], LoadedModel]:
    def load() -> LoadedModel:
        module, _, function = loader.partition(":")
        opened: LoadedModel = getattr(importlib.import_module(module), function)(config)
        return opened

    return load
