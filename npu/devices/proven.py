"""Decoding on a device with proof: what was dispatched for each window is counted, and a claim without counts fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.decode import WindowDecoder
from amanuensis.npu.devices.api import Backend, Encoding
from amanuensis.npu.devices.delegate import Delegate
from amanuensis.npu.devices.xrt.errors import WrongAnswerError
from amanuensis.npu.tokenizer import Tokenizer
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

    """

    def __init__(
        self,
        backend: Backend,
        tokenizer: Tokenizer,
        work: Callable[[], DeviceWork],
        keep_warm: Callable[[], None],
        close: Callable[[], None],
    ) -> None:
        self._metered = Metered(backend, work)
        self._decoder = WindowDecoder(self._metered, tokenizer)
        self._work = work
        self.keep_warm = keep_warm
        self.close = close

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
        decode = total.since(encode) if result.decoder != CPU else NO_WORK
        for part, device, work in (("encoder", result.encoder, encode), ("decoder", result.decoder, decode)):
            if device != CPU and work.dispatches < 1:
                raise WrongAnswerError(f"the {part} made no dispatch on {device}: its result is not that device's")
        return replace(result, encode_work=encode, decode_work=decode)


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
