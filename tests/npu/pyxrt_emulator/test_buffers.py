"""Buffers: two memories, sync, views, bounds, lines, sub-buffers, and what a buffer can be made of."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanuensis.npu import pyxrt_emulator as pyxrt
from tests.helpers.emulated_npu import FROM, TO, Rig, finish

LINE = 64
HOST_ONLY = pyxrt.bo.flags.host_only
POISONED = np.array([0x7FE5] * 32, "<u2").tobytes()  # a line that nobody wrote


def make(n_bytes: int = 4 * LINE, flags: Any = HOST_ONLY, group: int = 0) -> Any:
    """Allocate a buffer on the device."""
    return pyxrt.bo(pyxrt.device(0), n_bytes, flags, group)


def device_bytes(bo: Any) -> bytes:
    """Read what the device holds, through the host."""
    bo.sync(FROM)
    return bytes(bo.map())


def test_device_memory_is_poisoned_at_first() -> None:
    """What nobody synced to the device is poison there: no number, neither as bf16 nor as float32."""
    bo = make(LINE)
    assert bytes(bo.map()) == bytes(LINE)
    assert device_bytes(bo) == POISONED
    assert np.isnan(np.frombuffer(bo.map(), ml_dtypes.bfloat16)).all()
    assert np.isnan(np.frombuffer(bo.map(), np.float32)).all()


def test_bytes_move_only_in_sync() -> None:
    """A write reaches the device only with a sync to it, and the host sees the device only after a sync from it."""
    bo, data = make(LINE), bytes(range(LINE))
    bo.write(data, 0)
    assert device_bytes(bo) == POISONED  # which overwrote the host's bytes, that were never synced
    bo.write(data, 0)
    bo.sync(TO)
    bo.write(bytes(LINE), 0)
    assert bytes(bo.map()) == bytes(LINE)
    assert device_bytes(bo) == data


def test_sync_moves_the_named_range_only() -> None:
    """A sync of a range leaves the rest of the buffer alone."""
    bo = make(3 * LINE)
    bo.write(bytes([7]) * 3 * LINE, 0)
    bo.sync(TO, LINE, LINE)
    assert device_bytes(bo) == POISONED + bytes([7]) * LINE + POISONED


def test_map_is_a_writable_view() -> None:
    """`map` gives a writable memoryview of bytes on the host's memory, and NumPy uses it without a copy."""
    bo = make()
    view = bo.map()
    assert isinstance(view, memoryview)
    assert not view.readonly
    assert (view.format, view.itemsize, view.nbytes) == ("B", 1, bo.size())
    np.frombuffer(view, np.float32)[1] = 1.5
    assert bo.read(4, 4).tobytes() == np.float32(1.5).tobytes()


def test_view_does_not_keep_a_buffer_alive() -> None:
    """A view of a buffer that is gone shows poison, since in truth it shows memory of others."""
    bo = make(LINE)
    bo.write(bytes(LINE), 0)
    view = bo.map()
    del bo
    gc.collect()
    assert bytes(view) == POISONED


def test_read_copies_signed_bytes() -> None:
    """`read` returns a copy as int8, which later writes do not change."""
    bo = make()
    bo.write(b"\xff\x01", 0)
    seen = bo.read(2, 0)
    bo.write(b"\x00\x00", 0)
    assert seen.dtype == np.int8
    assert seen.tolist() == [-1, 1]


def test_write_takes_any_buffer() -> None:
    """`write` takes whatever has the buffer protocol, and counts its bytes."""
    bo = make()
    bo.write(np.array([[1, 2], [3, 4]], np.int16), 8)
    assert bo.read(8, 8).view(np.int16).tolist() == [1, 2, 3, 4]
    bo.write(b"", bo.size())


@pytest.mark.parametrize(
    "call",
    [
        lambda bo: bo.write(b"12", 255),
        lambda bo: bo.write(b"", 257),
        lambda bo: bo.read(2, 255),
        lambda bo: bo.read(0, 257),
        lambda bo: bo.sync(TO, 256, 64),
        lambda bo: bo.sync(FROM, 0, 320),
        lambda bo: pyxrt.bo(bo, 128, 192),
        lambda bo: pyxrt.bo(bo, 64, 1 << 40),
        lambda bo: pyxrt.bo(bo, 0, 0),
    ],
)
def test_past_the_end_raises(call: Any) -> None:
    """Write, read, sync and sub-buffer past the end raise RuntimeError."""
    with pytest.raises(RuntimeError, match=r"past buffer size|Invalid BO offset and size|sub buffer size and offset"):
        call(make(256))


@pytest.mark.parametrize(
    "call",
    [
        lambda bo: bo.write(b"1"),  # seek has no default
        lambda bo: bo.read(1),
        lambda bo: bo.read(),
        lambda bo: bo.write(b"1", seek=0),  # and no name
        lambda bo: bo.sync(),
        lambda bo: bo.sync(0),
        lambda bo: bo.sync(TO, 64),
        lambda bo: bo.sync(TO, 64, -64),
        lambda bo: bo.sync(TO, 64.0, 0),
        lambda bo: bo.write("text", 0),
        lambda bo: bo.map(0),
        lambda _: pyxrt.bo(pyxrt.device(0), 64, HOST_ONLY),
        lambda _: pyxrt.bo(pyxrt.device(0), 64, 1 << 29, 0),
        lambda _: pyxrt.bo(pyxrt.device(0), -64, HOST_ONLY, 0),
        lambda _: pyxrt.bo(),
    ],
)
def test_wrong_types_raise(call: Any) -> None:
    """What the binding's casts do not take raises TypeError: there are no defaults and no conversions."""
    with pytest.raises(TypeError):
        call(make())


def test_constructors_take_the_published_names() -> None:
    """A buffer can be made with the names that the binding gives its parameters."""
    assert pyxrt.bo(device=pyxrt.device(0), size=64, flags=HOST_ONLY, group=0).size() == 64


@pytest.mark.parametrize(("size", "offset"), [(32, 0), (64, 32), (8, 8)])
def test_sync_that_cuts_a_line_is_refused(size: int, offset: int) -> None:
    """A sync of part of a line is refused: the flush would take the line's other bytes along."""
    with pytest.raises(RuntimeError, match="sync whole lines"):
        make().sync(TO, size, offset)


def test_sync_may_end_with_the_buffer() -> None:
    """A buffer need not be a whole number of lines: its last one may be short."""
    bo = make(100)
    bo.sync(TO, 36, 64)
    assert pyxrt.counters().bytes_to_device == 36


def test_faithful_sync_takes_whole_lines_along() -> None:
    """Like the real flush, the faithful emulator moves every line that a range touches."""
    pyxrt.configure(pyxrt.Settings(faithful=True))
    bo = make(2 * LINE)
    bo.write(bytes(2 * LINE), 0)
    bo.sync(TO, 1, 1)
    assert device_bytes(bo) == bytes(LINE) + POISONED


@pytest.mark.parametrize("name", ["XCL_BO_SYNC_BO_GMIO_TO_AIE", "XCL_BO_SYNC_BO_AIE_TO_GMIO"])
def test_directions_of_other_devices_are_refused(name: str) -> None:
    """The directions for Versal devices are refused."""
    with pytest.raises(RuntimeError, match="other devices"):
        make().sync(getattr(pyxrt.xclBOSyncDirection, name))


@pytest.mark.parametrize("name", ["device_only", "p2p", "svm"])
def test_memory_that_an_npu_lacks_is_refused(name: str) -> None:
    """Flags that the driver does not take are refused, and normal only becomes host_only in the host's bank."""
    with pytest.raises(RuntimeError, match=f"Bad BO type.*{name}"):
        make(flags=getattr(pyxrt.bo.flags, name))
    make(flags=pyxrt.bo.flags.normal, group=0)
    with pytest.raises(RuntimeError, match="Bad BO type"):
        make(flags=pyxrt.bo.flags.normal, group=1)


def test_sub_buffer_is_a_view_of_its_root() -> None:
    """A sub-buffer shares both memories with its root, at its offset."""
    root = make(4 * LINE)
    sub = pyxrt.bo(root, LINE, 2 * LINE)
    sub.write(bytes([9]) * LINE, 0)
    sub.sync(TO)
    assert device_bytes(root) == 2 * POISONED + bytes([9]) * LINE + POISONED
    assert sub.address() == root.address() + 2 * LINE
    assert bytes(sub.map()) == bytes([9]) * LINE


def test_sub_buffers_of_sub_buffers_are_refused() -> None:
    """A sub-buffer may only be made of a root."""
    sub = pyxrt.bo(make(), 2 * LINE, LINE)
    with pytest.raises(RuntimeError, match="make it of the root"):
        pyxrt.bo(sub, LINE, LINE)


def test_faithful_sub_buffer_of_a_sub_buffer_has_the_wrong_address() -> None:
    """As in the real library the host's offsets add up and the device's address does not."""
    pyxrt.configure(pyxrt.Settings(faithful=True))
    root = make()
    inner = pyxrt.bo(pyxrt.bo(root, 3 * LINE, LINE), LINE, LINE)
    root.map()[2 * LINE] = 5
    assert inner.map()[0] == 5
    assert inner.address() == root.address() + LINE


def test_sub_buffers_must_not_share_a_line() -> None:
    """Two living sub-buffers must not share a line, nor may one begin inside of a line."""
    root = make()
    first = pyxrt.bo(root, LINE + 1, 0)
    with pytest.raises(RuntimeError, match="shares a line"):
        pyxrt.bo(root, LINE, LINE)
    with pytest.raises(RuntimeError, match="shares a line"):
        pyxrt.bo(root, 8, 2 * LINE + 8)
    pyxrt.bo(root, LINE, 2 * LINE)
    del first
    gc.collect()
    pyxrt.bo(root, LINE, LINE)


def test_device_memory_is_limited() -> None:
    """An allocation beyond the device's memory raises, and freed memory can be used again."""
    pyxrt.configure(pyxrt.Settings(device_memory_bytes=4096))
    kept = make(4000)
    with pytest.raises(RuntimeError, match="Cannot allocate memory"):
        make(100)
    del kept
    gc.collect()
    make(4096)


def test_heap_of_cacheable_buffers_is_limited() -> None:
    """Cacheable buffers come from a heap of 64 MB."""
    kept = [make(1 << 25, pyxrt.bo.flags.cacheable, 1) for _ in range(2)]
    with pytest.raises(RuntimeError, match="Heap at max size 67108864"):
        make(64, pyxrt.bo.flags.cacheable, 1)
    assert len(kept) == 2


def test_what_a_run_uses_may_not_be_touched(program: Path) -> None:
    """Write and sync of a buffer that a run under way uses are refused: in truth they race with it."""
    rig = Rig(program)
    rig.give(bytes(256))
    run = rig.run()
    run.start()
    for touch in (lambda: rig.give(bytes(256)), rig.take, lambda: rig.instructions.sync(TO)):
        with pytest.raises(RuntimeError, match="under way"):
            touch()
    other = rig.buffer(3, 64)
    other.write(bytes(64), 0)
    other.sync(TO)
    finish(run)
    rig.take()


ROOT_LINES = 8
RANGES = st.tuples(st.integers(0, ROOT_LINES - 1), st.integers(1, ROOT_LINES)).map(
    lambda pair: (pair[0] * LINE, min(pair[1], ROOT_LINES - pair[0]) * LINE)
)
STEPS = st.lists(
    st.tuples(st.sampled_from(["write", "to", "from", "sub_write", "sub_to", "sub_from"]), RANGES, st.integers(0, 255)),
    max_size=30,
)


@settings(max_examples=100, deadline=None)
@given(steps=STEPS)
def test_memories_agree_with_a_plain_model(steps: list[tuple[str, tuple[int, int], int]]) -> None:
    """Random writes and syncs, also through sub-buffers, leave what two plain arrays would hold."""
    pyxrt.reset()
    n_bytes = ROOT_LINES * LINE
    root = make(n_bytes)
    host, device = np.zeros(n_bytes, np.uint8), np.frombuffer(POISONED * ROOT_LINES, np.uint8).copy()
    for name, (offset, size), value in steps:
        bo = pyxrt.bo(root, size, offset) if name.startswith("sub_") else root
        at, here = (0, slice(offset, offset + size)) if bo is not root else (offset, slice(offset, offset + size))
        if name.endswith("write"):
            bo.write(bytes([value]) * size, at)
            host[here] = value
        elif name.endswith("to"):
            bo.sync(TO, size, at)
            device[here] = host[here]
        else:
            bo.sync(FROM, size, at)
            host[here] = device[here]
        assert bytes(root.map()) == host.tobytes()
        del bo  # two living sub-buffers must not share a line
    assert device_bytes(root) == device.tobytes()


def test_buffers_can_be_made_in_a_context(program: Path) -> None:
    """A context takes the place of the device, with flags or without."""
    rig = Rig(program)
    group = rig.kernel.group_id(3)
    assert pyxrt.bo(rig.context, 64, HOST_ONLY, group).size() == 64
    assert pyxrt.bo(hwctx=rig.context, size=64, group=group).size() == 64


def test_buffers_that_cannot_be() -> None:
    """An empty buffer, and a write from memory with gaps, are refused."""
    with pytest.raises(RuntimeError, match="Invalid argument"):
        make(0)
    with pytest.raises(RuntimeError, match="not contiguous"):
        make().write(np.zeros(8, np.int16)[::2], 0)
