"""Arguments of kernels: types, indices, flags, groups, and copies of buffers from elsewhere."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amanuensis.npu import pyxrt_emulator as pyxrt
from tests.helpers.emulated_npu import INPUT, TO, Rig, finish

STATES = pyxrt.ert_cmd_state


@pytest.mark.parametrize("value", [3.0, np.zeros(4, np.uint8), "3", None, b"3", 1 << 40])
def test_set_arg_takes_buffers_and_ints_only(program: Path, value: Any) -> None:
    """`set_arg` raises TypeError for whatever is neither a bo nor an int of 32 bits."""
    run = Rig(program).run()
    with pytest.raises(TypeError, match="set_arg"):
        run.set_arg(0, value)


@pytest.mark.parametrize("index", [8, 100, -1])
def test_set_arg_of_an_argument_that_does_not_exist(program: Path, index: int) -> None:
    """`set_arg` raises IndexError beyond the kernel's arguments."""
    rig = Rig(program)
    for value in (3, rig.buffers[0]):
        with pytest.raises(IndexError):
            rig.run().set_arg(index, value)


def test_set_arg_refuses_the_wrong_kind(program: Path) -> None:
    """A bo for a number, and a number for a bo, are refused."""
    rig = Rig(program)
    run = rig.run()
    for index, value in ((0, rig.buffers[0]), (2, rig.buffers[0]), (1, 7), (3, 7)):
        with pytest.raises(RuntimeError, match=f"argument {index} "):
            run.set_arg(index, value)


def test_instructions_must_be_cacheable_and_data_must_not(program: Path) -> None:
    """The instruction bo must be cacheable, data must be host_only."""
    rig = Rig(program)
    run = rig.run()
    with pytest.raises(RuntimeError, match=r"\(instr\) must be a bo that is cacheable, with group_id\(1\)"):
        run.set_arg(1, rig.buffers[0])
    with pytest.raises(RuntimeError, match=r"\(bo2\) must be a bo that is host_only"):
        run.set_arg(5, rig.instructions)


def test_group_ids_encode_bank_and_slot(program: Path) -> None:
    """A group id has the bank in bits 0 to 15 and the slot in bits 16 to 23; numbers have no bank."""
    rig = Rig(program)
    assert [rig.kernel.group_id(index) for index in range(5)] == [131071, 65537, 131071, 65536, 65536]
    second = pyxrt.kernel(pyxrt.hw_context(rig.device, rig.uuid), "MLIR_AIE")
    assert second.group_id(1) == 2 << 16 | 1
    assert second.group_id(8) & 0xFFFF == 0xFFFF


def test_a_buffer_of_no_context_is_for_all_of_them(program: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two contexts read and write the same one, without a copy: XRT compares banks alone."""
    first, second = Rig(program), Rig(program)
    shared = pyxrt.bo(first.device, 4096, pyxrt.bo.flags.host_only, 0)
    shared.write(bytes([7]) * 4096, 0)
    shared.sync(TO)
    for rig in (first, second):
        run = rig.run()
        run.set_arg(3 + INPUT, shared)
        run.start()
        finish(run)
        assert rig.take() == bytes([7]) * 256
    assert (pyxrt.counters().clone_copies, pyxrt.counters().switches, caplog.text) == (0, 1, "")


def test_buffer_of_a_foreign_bank_is_cloned(program: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A buffer of another bank or slot works, with a warning, on a copy of what it held when it was set."""
    rig = Rig(program)
    rig.give(bytes([1]) * 256)
    foreign = pyxrt.bo(rig.device, 4096, pyxrt.bo.flags.host_only, 2 << 16)  # slot 2, while the context has slot 1
    foreign.write(bytes([2]) * 4096, 0)
    foreign.sync(TO)
    run = rig.run()
    with caplog.at_level(logging.WARNING):
        run.set_arg(3 + INPUT, foreign)
    assert "Allocating local copy of argument buffer in connected bank" in caplog.text
    assert pyxrt.counters().clone_copies == 1
    foreign.write(bytes([3]) * 4096, 0)
    foreign.sync(TO)  # too late for the copy
    run.start()
    assert finish(run) == STATES.ERT_CMD_STATE_COMPLETED
    assert rig.take() == bytes([2]) * 256


def test_results_of_a_cloned_output_never_arrive(program: Path) -> None:
    """What a program writes to a copy stays there."""
    rig = Rig(program)
    rig.give(bytes([1]) * 256)
    foreign = pyxrt.bo(rig.device, 4096, pyxrt.bo.flags.host_only, 5 << 16)
    run = rig.run()
    run.set_arg(7, foreign)
    rig.buffers[4] = foreign
    run.start()
    finish(run)
    assert rig.take() != bytes([1]) * 256


def test_every_argument_must_be_set(program: Path) -> None:
    """A run with too few buffers does not start."""
    rig = Rig(program)
    run = pyxrt.run(rig.kernel)
    for index, value in enumerate(rig.arguments()[:-1]):
        run.set_arg(index, value)
    with pytest.raises(RuntimeError, match=r"argument 7 \(bo4\) is not set"):
        run.start()


@pytest.mark.parametrize("opcode", [0, 2, 4])
def test_opcode_must_be_3(program: Path, opcode: int) -> None:
    """A run with another opcode does not start; the faithful emulator ends it with an error."""
    run = Rig(program).run()
    run.set_arg(0, opcode)
    with pytest.raises(RuntimeError, match=f"opcode {opcode} is not 3"):
        run.start()
    pyxrt.configure(pyxrt.Settings(faithful=True))
    run = Rig(program).run()
    run.set_arg(0, opcode)
    run.start()
    assert finish(run) == STATES.ERT_CMD_STATE_ERROR


def test_ninstr_counts_words_or_bytes(program: Path) -> None:
    """The count of instructions may be in words or in bytes, as both run in practice; other counts are refused."""
    rig = Rig(program)
    rig.give(bytes(256))
    run = rig.run()
    for count in (rig.words.size, rig.words.nbytes):
        run.set_arg(2, count)
        run.start()
        assert finish(run) == STATES.ERT_CMD_STATE_COMPLETED
    for count in (0, rig.words.size - 1, rig.words.nbytes + 4):
        run.set_arg(2, count)
        with pytest.raises(RuntimeError):
            run.start()


def test_swapped_buffers_change_the_result(program: Path) -> None:
    """Two buffers in each other's place give another result."""
    rig = Rig(program)
    rig.give(bytes([1]) * 256)
    run = rig.run()
    run.set_arg(6, rig.buffers[4])
    run.set_arg(7, rig.buffers[3])
    run.start()
    finish(run)
    assert rig.take() != bytes([1]) * 256


def test_instructions_that_were_not_synced_do_not_run(program: Path) -> None:
    """Without its sync the stream is poison, which no device executes; the faithful emulator hangs on it."""
    for faithful in (False, True):
        pyxrt.configure(pyxrt.Settings(faithful=faithful))
        rig = Rig(program)
        stream = pyxrt.bo(rig.device, rig.words.nbytes, pyxrt.bo.flags.cacheable, rig.kernel.group_id(1))
        stream.write(rig.words, 0)
        rig.instructions = stream
        run = rig.run()
        if faithful:
            run.start()
            assert finish(run) == STATES.ERT_CMD_STATE_TIMEOUT
        else:
            with pytest.raises(RuntimeError, match="cannot execute the stream"):
                run.start()


def test_input_that_was_not_synced_is_not_seen(program: Path) -> None:
    """Without its sync an input is poison to the device."""
    rig = Rig(program)
    rig.buffers[INPUT].write(bytes([1]) * 256, 1024)
    run = rig.run()
    run.start()
    finish(run)
    assert rig.take() == np.array([0x7FE5] * 128, "<u2").tobytes()


def test_slots_beyond_255_wrap(program: Path) -> None:
    """A group id has room for 8 bits of the slot; buffers for a later context are its own all the same."""
    device = pyxrt.device(0)
    for _ in range(256):
        pyxrt.hw_context(device, str(program))
    rig = Rig(program)
    rig.give(bytes([6]) * 256)
    run = rig.run()
    run.start()
    finish(run)
    assert rig.take() == bytes([6]) * 256
    assert pyxrt.counters().clone_copies == 0
