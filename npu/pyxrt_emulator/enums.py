"""The enumerations of `pyxrt`, with the values of XRT's headers (`xrt/detail/ert.h`, `xrt_mem.h`, `xrt_device.h`)."""

from __future__ import annotations

from typing import Final

from amanuensis.npu.pyxrt_emulator.binding import BoundEnum, bound_as

XCL_BO_FLAGS_NONE: Final = 0


@bound_as("xclBOSyncDirection")
class SyncDirection(BoundEnum):
    """Which way `bo.sync` moves bytes; the last two are for Versal devices only."""

    XCL_BO_SYNC_BO_TO_DEVICE = 0
    XCL_BO_SYNC_BO_FROM_DEVICE = 1
    XCL_BO_SYNC_BO_GMIO_TO_AIE = 2
    XCL_BO_SYNC_BO_AIE_TO_GMIO = 3


@bound_as("ert_cmd_state")
class CommandState(BoundEnum):
    """Where a command stands; the binding leaves out ERT_CMD_STATE_RUNNING (3)."""

    ERT_CMD_STATE_NEW = 1
    ERT_CMD_STATE_QUEUED = 2
    ERT_CMD_STATE_COMPLETED = 4
    ERT_CMD_STATE_ERROR = 5
    ERT_CMD_STATE_ABORT = 6
    ERT_CMD_STATE_SUBMITTED = 7
    ERT_CMD_STATE_TIMEOUT = 8
    ERT_CMD_STATE_NORESPONSE = 9
    ERT_CMD_STATE_SKERROR = 10
    ERT_CMD_STATE_SKCRASHED = 11


@bound_as("xrt_info_device")
class InfoDevice(BoundEnum):
    """What `device.get_info` can be asked for."""

    bdf = 0
    interface_uuid = 1
    kdma = 2
    max_clock_frequency_mhz = 3
    m2m = 4
    name = 5  # type: ignore[assignment]  # hides the member's own name, as in the binding
    nodma = 6
    offline = 7
    electrical = 8
    thermal = 9
    mechanical = 10
    memory = 11
    platform = 12
    pcie_info = 13
    host = 14
    dynamic_regions = 17
    vmr = 18


@bound_as("xrt_msg_level")
class MessageLevel(BoundEnum):
    """The levels of `log_message`; also attributes of the module."""

    emergency = 0
    alert = 1
    critical = 2
    error = 3
    warning = 4
    notice = 5
    info = 6
    debug = 7


@bound_as("flags")
class BoFlags(BoundEnum):
    """What kind of memory a buffer is made of."""

    normal = 0
    cacheable = 1 << 24
    device_only = 1 << 28
    host_only = 1 << 29
    p2p = 1 << 30
    svm = 1 << 27


@bound_as("access_mode")
class AccessMode(BoundEnum):
    """How a hardware context shares the device."""

    exclusive = 0
    shared = 1


@bound_as("cu_access_mode")
class CuAccessMode(BoundEnum):
    """How the deprecated constructor of a kernel shares the device."""

    exclusive = 0
    shared = 1
    none = 2
