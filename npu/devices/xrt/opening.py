"""Opening a device: the NPU of the machine through pyxrt, or the emulated one in its place; all else is the same."""

from __future__ import annotations

from typing import Literal

from amanuensis.npu.devices.xrt.clock import Clock
from amanuensis.npu.devices.xrt.probe import Places, find_pyxrt, open_device
from amanuensis.npu.devices.xrt.programs import find_programs, sequence_programs, simulated_programs
from amanuensis.npu.devices.xrt.runtime import Target, XrtRuntime


def open_runtime(device: Literal["npu", "sim"]) -> XrtRuntime:
    """Open a device.

    Raises:
        NoDeviceError: there is none that this process may use.
        WrongDeviceError: it is no NPU that this version knows.
        ProgramError: this version has no programs for it.

    """
    return _simulated() if device == "sim" else _real()


def _real() -> XrtRuntime:
    xrt = find_pyxrt(Places.of_machine())
    found = open_device(xrt)
    package = find_programs(found.architecture, "npu")
    return XrtRuntime(xrt, Target(found.device, "npu", found.name, found.architecture, package.folder, package))


def _simulated() -> XrtRuntime:
    from amanuensis.npu import pyxrt_emulator
    from amanuensis.npu.pyxrt_emulator import control

    npu = control.current()
    found = open_device(pyxrt_emulator)
    # Designs executed from operators need no compiled launches.
    package = simulated_programs(found.architecture) if npu.settings.execution == "operators" else None
    programs = package.folder if package else sequence_programs(found.architecture)
    memory_bytes = npu.settings.device_memory_bytes
    target = Target(found.device, "sim", found.name, found.architecture, programs, package, memory_bytes)
    # In virtual time a look at a run lets time pass by itself; to sleep on top of that would count twice.
    sleep = npu.clock.sleep if npu.settings.time == "real" else _no_sleep
    return XrtRuntime(pyxrt_emulator, target, Clock(npu.clock.monotonic, sleep, lambda: npu.counters().device_us))


def _no_sleep(_: float) -> None:
    """Return at once."""
