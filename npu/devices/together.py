"""Several windows decoded at once on one device: the next token of each in one dispatch, so weights are read once.

Each window is decoded by the same code as alone, in a thread of its own, which never touches the device: it asks, and
waits for the answer. The thread that owns the device answers: what concerns one window at once, single tokens when
every window that is not done has asked for one. A window whose rows do not depend on the others' gives the same text
in any company.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.devices.api import Backend, Decoder, DecoderOutput, Encoding
from amanuensis.npu.devices.xrt.errors import DeviceError
from amanuensis.npu.engine.api import EngineError
from amanuensis.npu.row_rules import Row, RowRules
from amanuensis.npu.window import NO_WORK, DeviceWork, WindowResult

Outcome: TypeAlias = WindowResult | EngineError
T = TypeVar("T")


class BatchBackend(Backend, Protocol):
    """A back end that can decode several windows at once.

    Attributes:
        batch: how many.

    """

    batch: int

    def start(self, features: NDArray[np.float32]) -> Encoding:
        """Start encoding features, float32 [n_mels, n], and return while the device works."""
        ...

    def finish(self, encoding: Any) -> None:
        """Wait until an encoding is done."""
        ...

    def decoders(self, encodings: Sequence[Any]) -> Sequence[Decoder]:
        """Return a decoder of one beam for each of at most `batch` encodings; earlier decoders end."""
        ...

    def step_together(
        self, decoders: Sequence[Any], tokens: Sequence[int], rules: Sequence[RowRules]
    ) -> Sequence[DecoderOutput]:
        """Append one token to each of several decoders and return the scores after each."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """A window asks for the scores after its next token."""

    token: int
    rules: RowRules


@dataclass(frozen=True, slots=True)
class Ended:
    """A window is done, or its decoding failed."""

    result: WindowResult | BaseException


_Request: TypeAlias = Step | Ended | Callable[[], Any]


class _Abandoned(BaseException):
    """The device failed: the threads of all windows end."""


class Lane:
    """A window that is being decoded.

    Args:
        decode: the ordinary code, on a decoder that asks.
        decoder: of the device.

    Attributes:
        decoder: of the device.
        work: what the device did for this window.
        spent_s: its share of the time.

    """

    def __init__(self, decode: Callable[[Decoder], WindowResult], decoder: Decoder) -> None:
        self.decoder = decoder
        self.work = NO_WORK
        self.spent_s = 0.0
        self._requests: SimpleQueue[_Request] = SimpleQueue()
        self._answers: SimpleQueue[Any] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(decode,), name="window", daemon=True)
        self._thread.start()

    def _run(self, decode: Callable[[Decoder], WindowResult]) -> None:
        try:
            self._requests.put(Ended(decode(_AskingDecoder(self, self.decoder))))
        except _Abandoned:
            pass
        except BaseException as error:
            self._requests.put(Ended(error))

    def ask(self, request: Step | Callable[[], T]) -> T:
        """Ask the device's thread for something, and wait; called in the window's own thread."""
        self._requests.put(request)
        answer: T | BaseException = self._answers.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def next_request(self) -> _Request:
        """Wait for what the window asks next."""
        return self._requests.get()

    def answer(self, answer: Any) -> None:
        """Answer the last request."""
        self._answers.put(answer)

    def abandon(self) -> None:
        """End the window's thread."""
        self._answers.put(_Abandoned())
        self._thread.join()


class _AskingDecoder:
    """The decoder of a lane as its window sees it; see `amanuensis.npu.devices.api.Decoder`."""

    def __init__(self, lane: Lane, decoder: Decoder) -> None:
        self._lane = lane
        self._decoder = decoder

    @property
    def length(self) -> int:
        return self._decoder.length

    def forward(self, tokens: Sequence[int], rows: Sequence[Row]) -> DecoderOutput:
        return self._lane.ask(lambda: self._decoder.forward(tokens, rows))

    def step(self, tokens: Sequence[int], rules: Sequence[RowRules]) -> DecoderOutput:
        (token,), (each,) = tokens, rules
        answer: DecoderOutput = self._lane.ask(Step(token, each))
        return answer

    def truncate(self, length: int) -> None:
        self._decoder.truncate(length)

    def reorder(self, sources: Sequence[int]) -> None:
        self._lane.ask(lambda: self._decoder.reorder(sources))


class Together:
    """Runs lanes to their ends; used by the thread that owns the device.

    Args:
        backend: the device.
        work: its counters.

    """

    def __init__(self, backend: BatchBackend, work: Callable[[], DeviceWork]) -> None:
        self._backend = backend
        self._work = work
        self._shared = 0  # steps of several windows so far

    def run(self, lanes: Sequence[Lane], ended: Callable[[int, Outcome], None]) -> None:
        """Answer what the lanes ask until all have ended.

        Args:
            lanes: at most as many as the back end takes.
            ended: called with the place of each lane when it ends.

        Raises:
            DeviceError: the device failed; lanes that had not ended are given up.

        """
        living = dict(enumerate(lanes))
        try:
            while living:
                steps: dict[int, Step] = {}
                for place, lane in list(living.items()):
                    request = self._next_step(lane)
                    if isinstance(request, Ended):
                        del living[place]
                        ended(place, _outcome(request))
                    else:
                        steps[place] = request
                if steps:
                    self._step(living, steps)
        except BaseException:
            for lane in living.values():
                lane.abandon()
            raise

    def _next_step(self, lane: Lane) -> Step | Ended:
        """Do what a lane asks that concerns it alone, until it asks for its next token or ends."""
        started_s = time.perf_counter()
        while not isinstance(request := lane.next_request(), Step | Ended):
            before = self._work()
            answer = request()
            lane.work += self._work().since(before)
            lane.answer(answer)
        lane.spent_s += time.perf_counter() - started_s
        return request

    def _step(self, lanes: dict[int, Lane], steps: dict[int, Step]) -> None:
        """Append a token to each lane; the dispatch counts as that of one of them, in turn."""
        started_s, before = time.perf_counter(), self._work()
        chosen = [lanes[place] for place in steps]
        decoders, tokens = [lane.decoder for lane in chosen], [step.token for step in steps.values()]
        rules = [step.rules for step in steps.values()]
        if len(chosen) == 1:
            outputs: Sequence[DecoderOutput] = [decoders[0].step(tokens, rules)]
        else:
            outputs = self._backend.step_together(decoders, tokens, rules)
        self._shared += 1
        chosen[self._shared % len(chosen)].work += self._work().since(before)
        share_s = (time.perf_counter() - started_s) / len(chosen)
        for lane, output in zip(chosen, outputs, strict=True):
            lane.spent_s += share_s
            lane.answer(output)


def _outcome(ended: Ended) -> Outcome:
    """Return what a lane came to; a fault that is none of its job's is raised."""
    if isinstance(ended.result, WindowResult):
        return ended.result
    if isinstance(ended.result, EngineError) and not isinstance(ended.result, DeviceError):
        return ended.result
    raise ended.result
