"""Decoding on a device with proof: what was dispatched for each window is counted, and a claim without counts fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.decode import WindowDecoder, check_job
from amanuensis.npu.devices.api import Backend, Encoding
from amanuensis.npu.devices.delegate import Delegate
from amanuensis.npu.devices.together import BatchBackend, Lane, Outcome, Together
from amanuensis.npu.devices.xrt.errors import WrongAnswerError
from amanuensis.npu.engine.api import EngineError, NotEmbeddedError
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.voice_vector import VoiceVector
from amanuensis.npu.window import NO_WORK, DeviceWork, WindowJob, WindowResult

CPU: Final = "cpu"


class Metered(Delegate):
    """A back end of which the work of each encode is known; see `amanuensis.npu.devices.api.Backend`.

    Args:
        backend: does it.
        work: the counters of the device.

    Attributes:
        encode_work: of the newest encode.

    """

    def __init__(self, backend: Backend, work: Callable[[], DeviceWork]) -> None:
        super().__init__(backend)
        self.encode_work = NO_WORK
        self._work = work

    def encode(self, features: NDArray[np.float32]) -> Encoding:
        """Encode features, float32 [n_mels, n], and count what that took."""
        before = self._work()
        encoding = super().encode(features)
        self.encode_work = self._work().since(before)
        return encoding


class ProvenRunner:
    """Decodes windows on devices that count what they are given; a `Runner` of `amanuensis.npu.devices.fallback`.

    Args:
        backend: does it.
        tokenizer: of the model.
        work: the counters of the device.
        keep_warm: gives the device an empty dispatch.
        close: lets the device go.
        together: the same back end, where it can decode several windows at once.
        on_host: operators that the CPU computes in the device's place, and why: every result says so.
        recovered: tells whether the device computes them rightly by now.
        embed: computes the vector of a voice on the device, where the network for that is there.

    """

    def __init__(
        self,
        backend: Backend,
        tokenizer: Tokenizer,
        work: Callable[[], DeviceWork],
        keep_warm: Callable[[], None],
        close: Callable[[], None],
        *,
        together: BatchBackend | None = None,
        on_host: str = "",
        recovered: Callable[[], bool] = lambda: True,
        embed: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None,
    ) -> None:
        self._metered = Metered(backend, work)
        self._device = backend.encoder_device if backend.encoder_device != CPU else backend.decoder_device
        self._decoder = WindowDecoder(self._metered, tokenizer)
        self._work = work
        self._together = together
        self.keep_warm = keep_warm
        self.close = close
        self.on_host = on_host
        self.recovered = recovered
        self._embed = embed

    def decode(self, job: WindowJob) -> WindowResult:
        """Decode a window.

        Raises:
            WrongAnswerError: a device is said to have computed something, but nothing was dispatched to it.
            DeviceError: the device failed.
            EngineError: the job does not fit the model.

        """
        before = self._work()
        result = self._decoder.decode(job)
        encode = self._metered.encode_work if result.encoder != CPU else NO_WORK
        total = self._work().since(before)
        return self._proven(result, encode, total.since(encode) if result.decoder != CPU else NO_WORK)

    def decode_together(self, jobs: Sequence[WindowJob], ended: Callable[[int, Outcome], None]) -> None:
        """Decode several windows at once, as many as the back end takes.

        Args:
            jobs: of one beam each.
            ended: called with the place of each window and what came of it.

        Raises:
            WrongAnswerError, DeviceError: as for `decode`; windows that had not ended are not done.

        """
        assert self._together is not None
        good = self._checked(jobs, ended)
        encodings, works, encode_s = self._encode(self._together, [jobs[place] for place in good])
        decoders = self._together.decoders(encodings)
        lanes = [
            Lane(partial(self._decoder.decode_encoded, jobs[place], encoding.n_frames), decoder)
            for place, encoding, decoder in zip(good, encodings, decoders, strict=True)
        ]

        def tell(lane: int, outcome: Outcome) -> None:
            if not isinstance(outcome, EngineError):
                encode_ms, decode_ms = 1000 * encode_s / len(lanes), 1000 * lanes[lane].spent_s
                encode = works[lane] if outcome.encoder != CPU else NO_WORK  # else it prepared what the decoder hears
                decode = (works[lane] + lanes[lane].work).since(encode)
                outcome = self._proven(replace(outcome, encode_ms=encode_ms, decode_ms=decode_ms), encode, decode)
            ended(good[lane], outcome)

        Together(self._together, self._work).run(lanes, tell)

    def embed(self, features: NDArray[np.float32]) -> VoiceVector:
        """Compute the vector of a voice.

        Raises:
            NotEmbeddedError: the network for that is not on the device.
            WrongAnswerError, DeviceError: as for `decode`.

        """
        if self._embed is None:
            raise NotEmbeddedError("the device has no network for vectors of voices")
        before, started_s = self._work(), time.perf_counter()
        vector = self._embed(features)
        work = self._work().since(before)
        if work.dispatches < 1:
            raise WrongAnswerError("the vector of a voice made no dispatch: it is not the device's")
        return VoiceVector(vector, self._device, work, 1000 * (time.perf_counter() - started_s))

    def _checked(self, jobs: Sequence[WindowJob], ended: Callable[[int, Outcome], None]) -> list[int]:
        """Refuse the jobs that do not fit the model; return the places of the others."""
        good = []
        for place, job in enumerate(jobs):
            try:
                check_job(job, self._metered)
            except EngineError as error:
                ended(place, error)
            else:
                good.append(place)
        return good

    def _encode(
        self, backend: BatchBackend, jobs: Sequence[WindowJob]
    ) -> tuple[list[Encoding], list[DeviceWork], float]:
        """Encode windows, each prepared while the device works on the one before; return them, their work, seconds."""
        started_s = time.perf_counter()
        encodings: list[Encoding] = []
        works = [NO_WORK] * len(jobs)

        def count(place: int, act: Callable[[], object]) -> None:
            before = self._work()
            act()
            works[place] += self._work().since(before)

        for place, job in enumerate(jobs):
            count(place, lambda features=job.features: encodings.append(backend.start(features)))  # type: ignore[misc]
            if place:
                count(place - 1, lambda encoding=encodings[place - 1]: backend.finish(encoding))  # type: ignore[misc]
        if encodings:
            count(len(jobs) - 1, lambda: backend.finish(encodings[-1]))
        return encodings, works, time.perf_counter() - started_s

    def _proven(self, result: WindowResult, encode: DeviceWork, decode: DeviceWork) -> WindowResult:
        """Return a result with the work behind it; WrongAnswerError where a device that is named did none."""
        for part, device, work in (("encoder", result.encoder, encode), ("decoder", result.decoder, decode)):
            if device != CPU and work.dispatches < 1:
                raise WrongAnswerError(f"the {part} made no dispatch on {device}: its result is not that device's")
        return replace(result, encode_work=encode, decode_work=decode, on_host=self.on_host)


class CpuRunner:
    """Decodes windows on the CPU, where there is nothing to prove."""

    def __init__(self, backend: Backend, tokenizer: Tokenizer) -> None:
        self._decoder = WindowDecoder(backend, tokenizer)

    def decode(self, job: WindowJob) -> WindowResult:
        """Decode a window; EngineError when the job does not fit the model."""
        return self._decoder.decode(job)

    def keep_warm(self) -> None:
        """Do nothing: a CPU does not fall asleep."""

    def close(self) -> None:
        """Do nothing: memory goes with the last reference."""
