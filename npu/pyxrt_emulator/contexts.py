"""`hw_context`: a program's place on the device, closed when nobody holds it any more."""

from __future__ import annotations

from collections.abc import Mapping

from amanuensis.npu.pyxrt_emulator.binding import CONFIGURATION, TEXT, Overloads, Parameter, bound_as, instance_of
from amanuensis.npu.pyxrt_emulator.devices import DEVICE, Device, npu_of
from amanuensis.npu.pyxrt_emulator.emulated import ContextHandle
from amanuensis.npu.pyxrt_emulator.enums import AccessMode
from amanuensis.npu.pyxrt_emulator.xclbins import UUID_CAST, XCLBIN, Uuid, Xclbin

_DEVICE = Parameter(DEVICE, "device")
_UUID = Parameter(UUID_CAST, "uuid")
_XCLBIN = Parameter(XCLBIN, "xclbin")
_PATH = Parameter(TEXT, "xclbin_path")
_MODE = Parameter(instance_of("hw_context::access_mode", AccessMode), "mode")
_CONFIGURATION = Parameter(CONFIGURATION, "cfg_param")


@bound_as("hw_context")
class HwContext:
    """A hardware context; the forms with an xclbin or a path register it, the form with a uuid needs that done."""

    access_mode = AccessMode
    exclusive = AccessMode.exclusive
    shared = AccessMode.shared
    _handle: ContextHandle | None
    _device: Device
    _mode: AccessMode
    __init__ = Overloads()

    @__init__.add()
    def _empty(self) -> None:
        self._handle = None

    @__init__.add(_DEVICE, _UUID)
    @__init__.add(_DEVICE, _UUID, _MODE)
    @__init__.add(_DEVICE, _UUID, _CONFIGURATION)
    def _by_uuid(self, device: Device, uuid: Uuid, mode: AccessMode | Mapping[str, int] = AccessMode.shared) -> None:
        npu = npu_of(device)
        program = npu.registered.get(uuid.text)
        if program is None:
            raise RuntimeError(f"No xclbin with uuid '{uuid.text}' is registered with the device")
        self._device, self._handle = device, npu.open_context(program)
        self._mode = mode if isinstance(mode, AccessMode) else AccessMode.shared

    @__init__.add(_DEVICE, _XCLBIN)
    @__init__.add(_DEVICE, _XCLBIN, _MODE)
    @__init__.add(_DEVICE, _XCLBIN, _CONFIGURATION)
    def _by_xclbin(
        self, device: Device, xclbin: Xclbin, mode: AccessMode | Mapping[str, int] = AccessMode.shared
    ) -> None:
        self._by_uuid(device, device.register_xclbin(xclbin), mode)

    @__init__.add(_DEVICE, _PATH)
    @__init__.add(_DEVICE, _PATH, _MODE)
    @__init__.add(_DEVICE, _PATH, _CONFIGURATION)
    def _by_path(self, device: Device, path: str, mode: AccessMode | Mapping[str, int] = AccessMode.shared) -> None:
        self._by_xclbin(device, Xclbin(path), mode)

    def get_device(self) -> Device:
        handle_of(self)
        return self._device

    def get_xclbin_uuid(self) -> Uuid:
        uuid: Uuid = Uuid(handle_of(self).context.program.uuid)
        return uuid

    def get_mode(self) -> AccessMode:
        handle_of(self)
        return self._mode


def handle_of(context: HwContext) -> ContextHandle:
    """Return what keeps a context open; RuntimeError where it is empty."""
    if context._handle is None:
        raise RuntimeError("the hardware context is empty")
    return context._handle


CONTEXT = instance_of("hw_context", HwContext)
