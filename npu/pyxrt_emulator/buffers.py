"""`bo`: a buffer with a host side that programs see only after `sync`, and its sub-buffers."""

from __future__ import annotations

import errno

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.pyxrt_emulator.arguments import bank_and_slot
from amanuensis.npu.pyxrt_emulator.binding import BYTES, SIZE, UINT32, Overloads, Parameter, bound_as, instance_of
from amanuensis.npu.pyxrt_emulator.contexts import CONTEXT, HwContext, handle_of
from amanuensis.npu.pyxrt_emulator.devices import DEVICE, Device, npu_of
from amanuensis.npu.pyxrt_emulator.emulated import EmulatedNpu
from amanuensis.npu.pyxrt_emulator.enums import BoFlags, SyncDirection
from amanuensis.npu.pyxrt_emulator.errors import ShimError, StrictError
from amanuensis.npu.pyxrt_emulator.memory import LINE_BYTES, Span

_DIRECTION = Parameter(instance_of("xclBOSyncDirection", SyncDirection))
_FLAGS = Parameter(instance_of("bo::flags", BoFlags), "flags")
_SIZE = Parameter(SIZE, "size")
_GROUP = Parameter(UINT32, "group")
_CONSTRUCTORS = Overloads()


@bound_as("bo")
class BufferObject:
    """A buffer object."""

    flags = BoFlags
    normal = BoFlags.normal
    cacheable = BoFlags.cacheable
    device_only = BoFlags.device_only
    host_only = BoFlags.host_only
    p2p = BoFlags.p2p
    svm = BoFlags.svm
    _npu: EmulatedNpu
    _span: Span
    __init__ = _CONSTRUCTORS
    write = Overloads()
    read = Overloads()
    sync = Overloads()

    @__init__.add(Parameter(DEVICE, "device"), _SIZE, _FLAGS, _GROUP)
    def _on_device(self, device: Device, size: int, flags: BoFlags, group: int) -> None:
        self._npu = npu_of(device)
        self._allocate(size, flags, group)

    @__init__.add(Parameter(CONTEXT, "hwctx"), _SIZE, _FLAGS, _GROUP)
    def _in_context(self, hwctx: HwContext, size: int, flags: BoFlags, group: int) -> None:
        self._npu = handle_of(hwctx).npu
        self._allocate(size, flags, group)

    @__init__.add(Parameter(CONTEXT, "hwctx"), _SIZE, _GROUP)
    def _in_context_by_default(self, hwctx: HwContext, size: int, group: int) -> None:
        self._in_context(hwctx, size, BoFlags.normal, group)

    def _allocate(self, size: int, flags: BoFlags, group: int) -> None:
        bank, slot = bank_and_slot(group)
        if flags is BoFlags.normal and bank == 0:
            flags = BoFlags.host_only  # as XRT does on platforms without DMA
        if flags not in {BoFlags.host_only, BoFlags.cacheable}:
            raise ShimError(errno.EINVAL, f"Bad BO type: the NPU has no {flags.name} buffers in bank {bank}.")
        if size == 0:
            raise ShimError(-errno.EINVAL, "DRM_IOCTL_AMDXDNA_CREATE_BO IOCTL failed")
        self._span = self._npu.allocate(size, bank, slot, flags is BoFlags.cacheable)

    def _part_of(self, parent: BufferObject, size: int, offset: int) -> None:
        self._npu = parent._npu
        self._span = _sub_buffer(parent._span, size, offset, self._npu.strict)
        parent._span.memory.views.add(self._span)

    @write.add(Parameter(BYTES), Parameter(SIZE))
    def _write(self, data: object, seek: int) -> None:
        view = memoryview(data)  # type: ignore[arg-type]  # raises what the binding raises where it is no buffer
        if not view.c_contiguous:
            raise StrictError("write of a buffer that is not contiguous")
        self._check_range(seek, view.nbytes, "attempting to write past buffer size")
        self._npu.check_idle(self._span, seek, view.nbytes, "write")
        if view.nbytes:
            self._span.host[seek : seek + view.nbytes] = np.frombuffer(view.cast("B"), np.uint8)

    @read.add(Parameter(SIZE), Parameter(SIZE))
    def _read(self, size: int, skip: int) -> NDArray[np.int8]:
        self._check_range(skip, size, "attempting to read past buffer size")
        return self._span.host[skip : skip + size].copy().view(np.int8)

    @sync.add(_DIRECTION, Parameter(SIZE), Parameter(SIZE))
    def _sync(self, direction: SyncDirection, size: int, offset: int) -> None:
        if direction not in {SyncDirection.XCL_BO_SYNC_BO_TO_DEVICE, SyncDirection.XCL_BO_SYNC_BO_FROM_DEVICE}:
            raise StrictError(f"{direction.name} is for other devices")
        span = self._span
        # A sub-buffer's range is checked against its parent's only, as XRT does it.
        room = span.size if self._npu.strict or not span.is_sub else span.memory.host.size - span.offset
        if offset > room or size > room - offset:
            raise ShimError(errno.EINVAL, f"Invalid BO offset and size for sync'ing: {offset}, {size}")
        self._npu.sync(span, offset, size, direction is SyncDirection.XCL_BO_SYNC_BO_TO_DEVICE)

    @sync.add(_DIRECTION)
    def _sync_all(self, direction: SyncDirection) -> None:
        self._sync(direction, self._span.size, 0)

    def map(self) -> memoryview:
        return self._span.host.data

    def size(self) -> int:
        return self._span.size

    def address(self) -> int:
        return self._span.memory.address + self._span.device_offset

    def _check_range(self, offset: int, size: int, text: str) -> None:
        if offset > self._span.size or size > self._span.size - offset:
            raise ShimError(-errno.EINVAL, text)


def _sub_buffer(parent: Span, size: int, offset: int, strict: bool) -> Span:
    """Return a part of a buffer.

    In a sub-buffer of a sub-buffer the host's offsets add up and the device's do not, in the real library too.
    """
    if size == 0 or offset > parent.size or size > parent.size - offset:
        raise ShimError(-errno.EINVAL, "sub buffer size and offset")
    if strict and parent.is_sub:
        raise StrictError("a sub-buffer of a sub-buffer has a wrong address on the device; make it of the root")
    if strict and offset % LINE_BYTES:
        raise StrictError(f"a sub-buffer at {offset} shares a line of {LINE_BYTES} bytes with its neighbour")
    if strict and any(view.overlaps(parent.memory, offset, offset + size) for view in parent.memory.views):
        raise StrictError(f"a sub-buffer at {offset} of {size} bytes shares a line of {LINE_BYTES} bytes with another")
    kind = (parent.bank, parent.slot, parent.cacheable)
    return Span(parent.memory, parent.offset + offset, offset, size, *kind, is_sub=True)


def span_of(bo: BufferObject) -> Span:
    """Return where a buffer lies."""
    return bo._span


BO = instance_of("bo", BufferObject)
_CONSTRUCTORS.add(Parameter(BO), Parameter(SIZE), Parameter(SIZE))(BufferObject._part_of)
