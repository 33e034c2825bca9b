"""What can go wrong with a device: each error says what happened and what to do.

A `DeviceError` in the middle of an utterance moves its window to the CPU (`npu/devices/fallback.py`); `kind` is the
short name under which that is counted.
"""

from __future__ import annotations

from typing import ClassVar, Final

from amanuensis.npu.engine.api import EngineError

AGAIN: Final = "the device is opened again later; if this goes on, see what `amanuensis doctor` says"


class DeviceError(EngineError):
    """The device cannot be used, or did not do what it was given.

    Attributes:
        kind: short name for counters and programs.

    """

    kind: ClassVar[str] = "device"


class NoDeviceError(DeviceError):
    """There is no device here that this process may use: nothing was found, or something is in the way."""

    kind: ClassVar[str] = "absent"


class WrongDeviceError(DeviceError):
    """The device is of another kind than the programs were made for."""

    kind: ClassVar[str] = "wrong_device"


class ProgramError(DeviceError):
    """A compiled program is missing, damaged or not what the host code expects."""

    kind: ClassVar[str] = "program"


class DeviceMemoryError(DeviceError):
    """The device, or the memory that may be locked for it, is too small."""

    kind: ClassVar[str] = "memory"


class DispatchTimeoutError(DeviceError):
    """A dispatch did not finish in time, by our clock or by the driver's watchdog."""

    kind: ClassVar[str] = "timeout"


class NoResponseError(DeviceError):
    """The device stopped answering."""

    kind: ClassVar[str] = "no_response"


class DispatchFailedError(DeviceError):
    """A dispatch ended with an error of the device."""

    kind: ClassVar[str] = "failed"


class ContextLostError(DeviceError):
    """The context is gone: evicted, or lost with an earlier failure."""

    kind: ClassVar[str] = "lost"


class WrongAnswerError(DeviceError):
    """The device answered what cannot be: zeros, or what no computation gives."""

    kind: ClassVar[str] = "wrong_answer"
