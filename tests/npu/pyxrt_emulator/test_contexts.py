"""Devices, xclbins and hardware contexts: what must come before what, how many there are, and what fits."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest

from amanuensis.npu import pyxrt_emulator as pyxrt
from tests.helpers.emulated_npu import UUID, Rig, finish, write_program

OTHER_UUID = "00000000-0000-4000-8000-000000000001"


def test_uuid_form_needs_register_xclbin(program: Path) -> None:
    """A context can be made of a uuid only after `register_xclbin`."""
    device, xclbin = pyxrt.device(0), pyxrt.xclbin(str(program))
    with pytest.raises(RuntimeError, match="is registered"):
        pyxrt.hw_context(device, xclbin.get_uuid())
    uuid = device.register_xclbin(xclbin)
    assert uuid.to_string() == UUID
    assert pyxrt.hw_context(device, uuid).get_xclbin_uuid().to_string() == UUID


@pytest.mark.parametrize("last", [(), (pyxrt.hw_context.access_mode.exclusive,), ({"priority": 1},)])
def test_other_forms_register_by_themselves(program: Path, last: tuple[Any, ...]) -> None:
    """The forms with an xclbin or a path register it, with a mode, a configuration or neither."""
    mode = last[0] if last and not isinstance(last[0], dict) else pyxrt.hw_context.shared
    for form in (pyxrt.xclbin(str(program)), str(program)):
        device = pyxrt.device(0)
        context = pyxrt.hw_context(device, form, *last)
        assert context.get_mode() == mode
        assert context.get_device() is device


def test_wrong_forms_raise(program: Path) -> None:
    """Other arguments raise TypeError, and an empty context is good for nothing."""
    device, xclbin = pyxrt.device(0), pyxrt.xclbin(str(program))
    for arguments in ((device,), (xclbin,), (device, xclbin, "shared"), (device, xclbin, {"priority": "high"})):
        with pytest.raises(TypeError):
            pyxrt.hw_context(*arguments)
    with pytest.raises(RuntimeError, match="empty"):
        pyxrt.kernel(pyxrt.hw_context(), "MLIR_AIE")


@pytest.mark.parametrize(("architecture", "most"), [("npu1", 6), ("npu2", 16)])
def test_contexts_are_limited(tmp_path: Path, architecture: Any, most: int) -> None:
    """There are 6 contexts on npu1 and 16 on npu2; one that nobody holds any more makes room."""
    pyxrt.configure(pyxrt.Settings(architecture=architecture))
    device, path = pyxrt.device(0), str(write_program(tmp_path, architecture))
    contexts = [pyxrt.hw_context(device, path) for _ in range(most)]
    with pytest.raises(RuntimeError, match=r"CREATE_HWCTX IOCTL failed \(err=-2\)"):
        pyxrt.hw_context(device, path)
    contexts.pop()
    gc.collect()
    contexts.append(pyxrt.hw_context(device, path))


def test_runs_keep_their_context(program: Path) -> None:
    """A context lives as long as a kernel or a run of it does."""
    rig = Rig(program)
    run = rig.run()
    del rig.context, rig.kernel
    gc.collect()
    run.start()
    assert finish(run) == pyxrt.ert_cmd_state.ERT_CMD_STATE_COMPLETED


@pytest.mark.parametrize(("device", "made_for"), [("npu1", "npu2"), ("npu2", "npu1")])
def test_program_for_another_architecture_is_refused(tmp_path: Path, device: Any, made_for: Any) -> None:
    """A program for another architecture is refused before anything runs."""
    pyxrt.configure(pyxrt.Settings(architecture=device))
    with pytest.raises(RuntimeError, match=f"is for {made_for}, the device is {device}"):
        pyxrt.hw_context(pyxrt.device(0), str(write_program(tmp_path, made_for)))


def test_faithful_npu2_answers_zeros_to_a_program_for_npu1(tmp_path: Path) -> None:
    """A program for npu1 on npu2 may end well and answer zeros; the faithful emulator does that."""
    pyxrt.configure(pyxrt.Settings(architecture="npu2", faithful=True))
    rig = Rig(write_program(tmp_path, "npu1"))
    rig.give(bytes([1]) * 256)
    run = rig.run()
    run.start()
    assert finish(run) == pyxrt.ert_cmd_state.ERT_CMD_STATE_COMPLETED
    assert rig.take() == bytes(256)


def test_devices() -> None:
    """There is one device, by index or bus address, and its name tells architecture and emulation."""
    assert pyxrt.enumerate_devices() == 1
    info = pyxrt.xrt_info_device
    device = pyxrt.device(0)
    assert device.get_info(info.name) == "NPU Phoenix (emulated)"
    assert pyxrt.device(device.get_info(info.bdf)).get_info(info.nodma) == "1"
    pyxrt.configure(pyxrt.Settings(architecture="npu2"))
    assert pyxrt.device(index=0).get_info(info.name) == "NPU Strix (emulated)"
    assert all(isinstance(device.get_info(key), str) for key in info.__members__.values())


def test_devices_that_are_not_there() -> None:
    """Another index or address raises RuntimeError, another type TypeError, and an unopened device does nothing."""
    for wrong in (1, "0000:00:00.0"):
        with pytest.raises(RuntimeError, match="No such device"):
            pyxrt.device(wrong)
    for unknown in (-1, 0.0, None):
        with pytest.raises(TypeError):
            pyxrt.device(unknown)
    with pytest.raises(RuntimeError, match="not open"):
        pyxrt.device().get_info(pyxrt.xrt_info_device.name)
    with pytest.raises(TypeError):
        pyxrt.device(0).get_info("name")


def test_load_xclbin_is_deprecated_and_fails(program: Path) -> None:
    """`load_xclbin` warns and then fails, as it does on an NPU."""
    for form in (str(program), pyxrt.xclbin(str(program))):
        with (
            pytest.warns(DeprecationWarning, match="use pyxrt.hw_context"),
            pytest.raises(RuntimeError, match="Operation not supported"),
        ):
            pyxrt.device(0).load_xclbin(form)


def test_xclbin_tells_of_itself(program: Path) -> None:
    """An xclbin names its kernel, the arguments of it, its uuid and its banks."""
    xclbin = pyxrt.xclbin(str(program))
    assert [(k.get_name(), k.get_num_args()) for k in xclbin.get_kernels()] == [("MLIR_AIE", 8)]
    assert xclbin.get_uuid().to_string() == UUID
    banks = [(b.get_index(), b.get_tag(), b.get_used()) for b in xclbin.get_mems()]
    assert banks == [(0, "HOST", True), (1, "SRAM", True)]
    assert all(b.get_size_kb() > 0 and b.get_base_address() > 0 for b in xclbin.get_mems())
    assert "npu1" in xclbin.get_xsa_name()
    assert (xclbin.xclbinkernel().get_name(), xclbin.xclbinkernel().get_num_args()) == ("", 0)
    with pytest.raises(TypeError):
        xclbin.xclbinmem()


def test_files_that_are_no_xclbins(tmp_path: Path, program: Path) -> None:
    """A missing, a cut and a foreign file raise RuntimeError that names the file."""
    cut, foreign = tmp_path / "cut.xclbin", tmp_path / "foreign.xclbin"
    cut.write_bytes(program.read_bytes()[:-3])
    foreign.write_bytes(b"xclbin2\0" + bytes(64))
    for path in (tmp_path / "missing.xclbin", cut, foreign):
        with pytest.raises(RuntimeError, match=path.name):
            pyxrt.xclbin(str(path))
    with pytest.raises(RuntimeError, match="no contents"):
        pyxrt.xclbin().get_uuid()


def test_uuids(program: Path) -> None:
    """A uuid is made of its text, and only of text that is one."""
    assert pyxrt.uuid(OTHER_UUID).to_string() == OTHER_UUID
    assert pyxrt.device(0).get_xclbin_uuid().to_string() == "00000000-0000-0000-0000-000000000000"
    with pytest.raises(RuntimeError, match="badly formed"):
        pyxrt.uuid("no uuid")


def test_log_message_reaches_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """`log_message` writes a line with its tag."""
    pyxrt.log_message(pyxrt.xrt_msg_level.error, "tag", "what happened")
    assert "[tag] what happened" in caplog.text
