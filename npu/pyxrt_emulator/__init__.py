"""A strict stand-in for `pyxrt` on machines without an NPU.

`from amanuensis.npu import pyxrt_emulator as pyxrt` offers the names of `pyxrt` that an mlir-aie program needs, with
the same arguments and errors (XRT, `src/python/pybind11/src/pyxrt.cpp`). Where the real binding is silent about a
mistake, the emulator raises; `Settings(faithful=True)` makes it as silent. Programs are containers of
`amanuensis.kernels`, and compute from the bytes of device memory only.

Beside the names of `pyxrt` there are `Settings` and `Fault`, which say how the device is and what goes wrong with it,
`configure` and `reset`, which put such a device in place, and `clock`, `counters` and `inject`.
"""

from __future__ import annotations

from typing import Final

from amanuensis.npu.pyxrt_emulator import buffers, contexts, devices, enums, runs, xclbins
from amanuensis.npu.pyxrt_emulator.control import clock, configure, counters, inject, reset
from amanuensis.npu.pyxrt_emulator.faults import Fault, seeded_faults
from amanuensis.npu.pyxrt_emulator.settings import Settings
from amanuensis.npu.pyxrt_emulator.tally import Counters

bo = buffers.BufferObject
device = devices.Device
hw_context = contexts.HwContext
kernel = runs.Kernel
run = runs.Run
uuid = xclbins.Uuid
xclbin = xclbins.Xclbin
enumerate_devices = devices.enumerate_devices
log_message = devices.log_message

ert_cmd_state = enums.CommandState
xclBOSyncDirection = enums.SyncDirection  # noqa: N816  # the binding's own name
xrt_info_device = enums.InfoDevice
xrt_msg_level = enums.MessageLevel
XCL_BO_FLAGS_NONE = enums.XCL_BO_FLAGS_NONE
emergency, alert, critical, error, warning, notice, info, debug = xrt_msg_level

CONTROL: Final = frozenset(
    {"Counters", "Fault", "Settings", "clock", "configure", "counters", "inject", "reset", "seeded_faults"}
)  # what real `pyxrt` does not have
ABSENT: Final = {
    "aie": "for Versal devices only",
    "elf": "the ELF flow is not used: programs are xclbins with instruction streams",
    "ext": "the ELF flow is not used: programs are xclbins with instruction streams",
    "graph": "for Versal devices only",
    "module": "the ELF flow is not used: programs are xclbins with instruction streams",
    "program": "the ELF flow is not used: programs are xclbins with instruction streams",
    "runlist": "not used: one dispatch is a whole layer or more",
}  # what real `pyxrt` has and the emulator does not

__all__ = [
    "ABSENT",
    "CONTROL",
    "XCL_BO_FLAGS_NONE",
    "Counters",
    "Fault",
    "Settings",
    "alert",
    "bo",
    "clock",
    "configure",
    "counters",
    "critical",
    "debug",
    "device",
    "emergency",
    "enumerate_devices",
    "error",
    "ert_cmd_state",
    "hw_context",
    "info",
    "inject",
    "kernel",
    "log_message",
    "notice",
    "reset",
    "run",
    "seeded_faults",
    "uuid",
    "warning",
    "xclBOSyncDirection",
    "xclbin",
    "xrt_info_device",
    "xrt_msg_level",
]


def __getattr__(name: str) -> object:
    if name in ABSENT:
        raise AttributeError(f"pyxrt has {name}, its emulator does not: {ABSENT[name]}")
    raise AttributeError(f"pyxrt has no {name}")
