"""`device`: the way to the emulated NPU, and what it tells of itself."""

from __future__ import annotations

import errno
import logging
import warnings
from typing import Final

from amanuensis.npu.pyxrt_emulator import control
from amanuensis.npu.pyxrt_emulator.binding import (
    TEXT,
    UINT32,
    Overloads,
    Parameter,
    bound_as,
    instance_of,
)
from amanuensis.npu.pyxrt_emulator.emulated import EmulatedNpu
from amanuensis.npu.pyxrt_emulator.enums import InfoDevice, MessageLevel
from amanuensis.npu.pyxrt_emulator.errors import ShimError
from amanuensis.npu.pyxrt_emulator.settings import CLOCK_MHZ, DEVICE_NAMES
from amanuensis.npu.pyxrt_emulator.xclbins import NO_UUID, XCLBIN, Uuid, Xclbin, program_of

BDF: Final = "0000:c5:00.1"  # where the NPU of a Phoenix laptop is on its bus
DEPRECATED: Final = "pyxrt.device.load_xclbin() is deprecated; use pyxrt.hw_context(device, xclbin) instead"
LEVELS: Final = {
    MessageLevel.emergency: logging.CRITICAL,
    MessageLevel.alert: logging.CRITICAL,
    MessageLevel.critical: logging.CRITICAL,
    MessageLevel.error: logging.ERROR,
    MessageLevel.warning: logging.WARNING,
    MessageLevel.notice: logging.INFO,
    MessageLevel.info: logging.INFO,
    MessageLevel.debug: logging.DEBUG,
}
_log = logging.getLogger(__name__)


@bound_as("device")
class Device:
    """An open device."""

    _npu: EmulatedNpu | None
    __init__ = Overloads()
    load_xclbin = Overloads()
    register_xclbin = Overloads()
    get_info = Overloads()

    @__init__.add()
    def _empty(self) -> None:
        self._npu = None

    @__init__.add(Parameter(UINT32, "index"))
    def _by_index(self, index: int) -> None:
        if index != 0:
            raise RuntimeError(f" No such device with index '{index}'")
        self._npu = control.current()
        self._npu.open(index)

    @__init__.add(Parameter(TEXT, "bdf"))
    def _by_bdf(self, bdf: str) -> None:
        if bdf != BDF:
            raise RuntimeError(f"No such device '{bdf}': {errno.errorcode[errno.EINVAL]}")
        self._by_index(0)

    @register_xclbin.add(Parameter(XCLBIN, "xclbin"))
    def _register(self, xclbin: Xclbin) -> Uuid:
        program = program_of(xclbin)
        npu_of(self).registered[program.uuid] = program
        return xclbin.get_uuid()

    @load_xclbin.add(Parameter(TEXT, "xclbin_path"))
    def _load_path(self, xclbin_path: str) -> Uuid:
        warnings.warn(DEPRECATED, DeprecationWarning, stacklevel=3)
        return _refuse_to_load(Xclbin(xclbin_path))

    @load_xclbin.add(Parameter(XCLBIN, "xclbin"))
    def _load(self, xclbin: Xclbin) -> Uuid:
        warnings.warn(DEPRECATED, DeprecationWarning, stacklevel=3)
        return _refuse_to_load(xclbin)

    def get_xclbin_uuid(self) -> Uuid:
        npu_of(self)
        uuid: Uuid = Uuid(NO_UUID)  # only load_xclbin would associate another one
        return uuid

    @get_info.add(Parameter(instance_of("xrt_info_device", InfoDevice)))
    def _get_info(self, key: InfoDevice) -> str:
        architecture = npu_of(self).settings.architecture
        known = {
            InfoDevice.bdf: BDF,
            InfoDevice.interface_uuid: NO_UUID,
            InfoDevice.max_clock_frequency_mhz: str(CLOCK_MHZ[architecture]),
            InfoDevice.name: DEVICE_NAMES[architecture],
            InfoDevice.nodma: "1",
            InfoDevice.kdma: "0",
            InfoDevice.m2m: "0",
            InfoDevice.offline: "0",
        }
        return known.get(key, "{}")  # the rest is JSON of sensors that are not there


def _refuse_to_load(_xclbin: Xclbin) -> Uuid:
    raise ShimError(errno.ENOTSUP, "load_xclbin failed")


def npu_of(device: Device) -> EmulatedNpu:
    """Return the NPU behind a device; RuntimeError where it was never opened."""
    if device._npu is None:
        raise RuntimeError("the device is not open")
    return device._npu


def enumerate_devices() -> int:
    """Return how many devices there are."""
    return 0 if control.current().lost_openings else 1


def log_message(level: MessageLevel, tag: str, message: str) -> None:
    """Write a line to XRT's log; here to the logger of this module."""
    _log.log(LEVELS[level], "[%s] %s", tag, message)


DEVICE = instance_of("device", Device)
