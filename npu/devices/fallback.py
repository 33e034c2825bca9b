"""A device that may fail in the middle of an utterance, with the CPU in its place until it works again.

The window that failed is decoded again on the CPU: a job carries everything that its answer depends on, so no word is
lost. The device is opened again between windows, at first soon, then ever less often while it goes on failing.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.devices.together import Outcome
from amanuensis.npu.devices.xrt.errors import DeviceError
from amanuensis.npu.devices.xrt.warmth import Warmth
from amanuensis.npu.engine.api import EngineError, NoMoreVoicesError, NotEmbeddedError
from amanuensis.npu.voice_vector import VoiceVector
from amanuensis.npu.window import WindowJob, WindowResult

T = TypeVar("T")
STEADY_WINDOWS: Final = 16  # decoded in a row: the device works again, and the next failure is a new one
MAX_VOICE_FAILURES: Final = 2  # in a row, each after the device was opened anew


class Runner(Protocol):
    """What decodes windows on one device."""

    def decode(self, job: WindowJob) -> WindowResult:
        """Decode a window; DeviceError when the device fails, EngineError when the job is wrong."""
        ...

    def keep_warm(self) -> None:
        """Give the device an empty dispatch; DeviceError when it fails."""
        ...

    def close(self) -> None:
        """Let the device go."""
        ...


class DeviceRunner(Runner, Protocol):
    """A runner on a device that can be given several windows at once, and asked for vectors of voices.

    Attributes:
        on_host: operators that the CPU computes in the device's place, and why; empty: none.

    """

    on_host: str

    def recovered(self) -> bool:
        """Return whether the device computes all operators rightly by now; DeviceError when it fails."""
        ...

    def decode_together(self, jobs: Sequence[WindowJob], ended: Callable[[int, Outcome], None]) -> None:
        """Decode windows and tell what came of each; DeviceError when the device fails."""
        ...

    def embed(self, features: NDArray[np.float32]) -> VoiceVector:
        """Compute the vector of a voice; DeviceError when the device fails, EngineError when it has no network."""
        ...


@dataclass(frozen=True, slots=True)
class Backoff:
    """When a device that failed is tried again."""

    first_s: float = 5.0  # after the driver's watchdog has cleared a hung command
    longest_s: float = 300.0

    def wait_s(self, failures: int) -> float:
        """Return the wait after so many failures in a row."""
        return float(min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 32)))


class Fallback:
    """Decodes on a device, and on the CPU while the device cannot.

    Args:
        device: open, or the error of opening it.
        reopen: opens it again; DeviceError when that fails.
        open_cpu: opens the CPU back end; called when it is first needed.
        clock: seconds.
        backoff: when to try again.

    """

    def __init__(
        self,
        device: DeviceRunner | DeviceError,
        reopen: Callable[[], DeviceRunner],
        open_cpu: Callable[[], Runner],
        clock: Callable[[], float] = time.monotonic,
        backoff: Backoff | None = None,
    ) -> None:
        self._device: DeviceRunner | None = None
        self._reopen = reopen
        self._open_cpu = open_cpu
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._warmth = Warmth()
        self._cpu: Runner | None = None
        self._failures = 0  # in a row
        self._good_windows = 0  # since the device was opened
        self._why, self._kind = "", ""  # of the newest failure; the error itself would keep the lost device open
        self._retry_s = 0.0  # when to try again: the device, or the operators that it computed wrongly
        self._probes = 0  # of these operators, in a row
        self._voice_failures = 0  # of the device at vectors of voices, in a row
        if isinstance(device, DeviceError):
            self._fail(device)
        else:
            self._use(device)

    def decode(self, job: WindowJob) -> WindowResult:
        """Decode a window where it can be decoded now; the result says where, and why there."""
        if self._device is not None:
            try:
                return self._guarded(lambda device: device.decode(job))
            except DeviceError as error:
                self._fail(error)
        if self._cpu is None:
            self._cpu = self._open_cpu()
        result = self._cpu.decode(job)
        return replace(result, fallback=self._why, fallback_kind=self._kind)

    def decode_together(self, jobs: Sequence[WindowJob], ended: Callable[[int, Outcome], None]) -> None:
        """Decode several windows at once, or those that the device leaves undone one by one; `ended` is told each."""
        left = dict(enumerate(jobs))

        def tell(place: int, outcome: Outcome) -> None:
            del left[place]
            ended(place, outcome)

        if self._device is not None:
            try:
                self._guarded(lambda device: device.decode_together(jobs, tell))
            except DeviceError as error:
                self._fail(error)
        for place, job in list(left.items()):
            try:
                tell(place, self.decode(job))
            except EngineError as error:
                tell(place, error)

    def embed(self, features: NDArray[np.float32]) -> VoiceVector:
        """Compute the vector of a voice on the device.

        A device that goes on failing at vectors is kept for words.

        Raises:
            NoMoreVoicesError: it has failed at vectors too often.
            EngineError: it is out of use, has no network, or fails.

        """
        if self._device is None:
            raise NotEmbeddedError(f"the device is out of use: {self._why}")
        if self._voice_failures >= MAX_VOICE_FAILURES:
            raise NoMoreVoicesError(f"the device failed {self._voice_failures} times at vectors of voices: {self._why}")
        try:
            found = self._safely(lambda device: device.embed(features))
        except DeviceError as error:
            self._voice_failures += 1
            self._fail_between(error)
            raise
        self._voice_failures = 0
        self._warmth.used(self._clock())
        return found

    def maintain(self, streams: int, *, voice: bool) -> float | None:
        """Keep the device warm while it is needed, or try to get it back; see `npu.engine.worker.LoadedModel`."""
        now_s = self._clock()
        self._warmth.streams(streams, now_s)
        if voice:
            self._warmth.wake(now_s)
        if self._device is None and now_s >= self._retry_s:
            self._try_again()
        elif self._device is not None and self._device.on_host and now_s >= self._retry_s:
            self._probe(self._device)
        if self._device is not None and self._warmth.wait_s(now_s) == 0.0:
            self._warm(self._device)
        now_s = self._clock()
        waits_s = [] if self._device is None else [self._warmth.wait_s(now_s)]
        if self._device is None or self._device.on_host:
            waits_s.append(max(0.0, self._retry_s - now_s))
        return min((wait_s for wait_s in waits_s if wait_s is not None), default=None)

    def _safely(self, act: Callable[[DeviceRunner], T]) -> T:
        """Let the device do something; whatever fails but a wrong job is a failure of the device."""
        assert self._device is not None
        try:
            return act(self._device)
        except EngineError:
            raise
        except Exception as error:  # a fault of ours in the device's code must not cost a word either
            traceback.print_exception(error)
            raise DeviceError(f"the device's code failed ({type(error).__name__}: {error}); report this") from error

    def _guarded(self, act: Callable[[DeviceRunner], T]) -> T:
        """Let the device decode, safely, and take note that it did."""
        result = self._safely(act)
        self._warmth.used(self._clock())
        self._good_windows += 1
        if self._good_windows >= STEADY_WINDOWS:
            self._failures = 0
        return result

    def _warm(self, device: DeviceRunner) -> None:
        try:
            device.keep_warm()
        except DeviceError as error:
            self._fail_between(error)
        else:
            self._warmth.warmed(self._clock())

    def _try_again(self) -> None:
        try:
            device = self._reopen()
        except DeviceError as error:
            self._fail_between(error)
        else:
            self._use(device)
            self._good_windows = 0
            self._warmth.warmed(self._clock())  # opening it ran its self-test

    def _use(self, device: DeviceRunner) -> None:
        self._device = device
        self._probes = self._probes + 1 if device.on_host else 0
        self._retry_s = self._clock() + self._backoff.wait_s(self._probes)

    def _probe(self, device: DeviceRunner) -> None:
        """Open the device anew when it computes again what the CPU does in its place."""
        try:
            recovered = device.recovered()
        except DeviceError as error:
            self._fail_between(error)
            return
        if recovered:
            device.close()
            self._device = None
            self._try_again()
        else:
            self._use(device)

    def _fail_between(self, error: DeviceError) -> None:
        """Say in the log what no answer may ever tell: the device may be back before the next window."""
        print(f"between two windows: {error}", file=sys.stderr)
        self._fail(error)

    def _fail(self, error: DeviceError) -> None:
        if self._device is not None:
            with suppress(DeviceError):
                self._device.close()
        self._device = None
        self._why, self._kind = str(error), error.kind
        self._failures += 1
        self._retry_s = self._clock() + self._backoff.wait_s(self._failures)
