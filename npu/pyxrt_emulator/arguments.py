"""The arguments of an mlir-aie kernel: opcode, instructions, their count, then the buffers of the sequence."""

from __future__ import annotations

import logging
from typing import Final

from amanuensis.npu.pyxrt_emulator.dispatch import Call
from amanuensis.npu.pyxrt_emulator.emulated import ContextHandle
from amanuensis.npu.pyxrt_emulator.enums import CommandState
from amanuensis.npu.pyxrt_emulator.errors import StrictError
from amanuensis.npu.pyxrt_emulator.memory import Span

OPCODE: Final = 0
INSTRUCTIONS: Final = 1
N_INSTRUCTIONS: Final = 2
FIRST_DATA: Final = 3
NAMES: Final = ("opcode", "instr", "ninstr")
EXECUTE_TRANSACTION: Final = 3  # the opcode of a transaction stream
DATA_BANK: Final = 0  # HOST
INSTRUCTION_BANK: Final = 1  # SRAM
NO_BANK: Final = 0xFFFF  # of an argument that is a number, or that does not exist
SHARED_SLOT: Final = 0  # contexts count from 1
SLOT_SHIFT: Final = 16  # in a group id: bank in bits 0 to 15, slot in bits 16 to 23 (xcl_bo_flags, xrt_mem.h)
SLOT_MASK: Final = 0xFF
_log = logging.getLogger(__name__)


def bank_of(index: int, n_arguments: int) -> int:
    """Return the memory bank of an argument."""
    if index == INSTRUCTIONS:
        return INSTRUCTION_BANK
    return DATA_BANK if FIRST_DATA <= index < n_arguments else NO_BANK


def group_id(bank: int, slot: int) -> int:
    """Return what says where a buffer lies."""
    return (slot & SLOT_MASK) << SLOT_SHIFT | bank


def bank_and_slot(group: int) -> tuple[int, int]:
    """Return what a group id says."""
    return group & NO_BANK, group >> SLOT_SHIFT & SLOT_MASK


def name_of(index: int) -> str:
    """Return an argument's name in the kernel's metadata."""
    return NAMES[index] if index < FIRST_DATA else f"bo{index - FIRST_DATA}"


class Arguments:
    """What a run was given so far.

    Args:
        handle: the context of its kernel.

    """

    def __init__(self, handle: ContextHandle) -> None:
        self._npu = handle.npu
        self._context = handle.context
        self._n = FIRST_DATA + handle.context.program.n_buffers
        self._values: dict[int, Span | int] = {}

    def set_buffer(self, index: int, span: Span) -> None:
        """Set an argument to a buffer; IndexError where there is no such argument, StrictError where it cannot be."""
        self._check(index)
        if self._npu.strict:
            _check_buffer(index, span)
        bank, slot = bank_of(index, self._n), self._context.slot & SLOT_MASK
        # XRT looks at the bank alone; one that belongs to no context is for all of them, as mlir-aie's own tensors are.
        foreign = span.bank != bank or (self._npu.strict and span.slot not in (SHARED_SLOT, slot))
        self._values[index] = self._clone(index, span, bank, slot) if foreign else span

    def set_number(self, index: int, value: int) -> None:
        """Set an argument to a number; errors as with a buffer."""
        self._check(index)
        if self._npu.strict and index not in {OPCODE, N_INSTRUCTIONS}:
            raise StrictError(f"argument {index} ({name_of(index)}) must be a bo, not the number {value}")
        self._values[index] = value

    def call(self) -> Call:
        """Return what is asked of the device; StrictError where something is missing or wrong."""
        instructions, count = self._values.get(INSTRUCTIONS), self._values.get(N_INSTRUCTIONS)
        buffers = [self._values.get(index) for index in range(FIRST_DATA, self._n)]
        spans = tuple(value for value in buffers if isinstance(value, Span))
        problem, state = self._problem()
        if problem is None and isinstance(instructions, Span) and isinstance(count, int):
            return Call(instructions, _stream_bytes(instructions, count), spans)
        if self._npu.strict:
            raise StrictError(f"cannot start: {problem}")
        return Call(None, 0, spans, state)

    def _problem(self) -> tuple[str | None, CommandState]:
        """Return what is wrong, and how the real device takes it."""
        for index in range(self._n):
            if index not in self._values:
                return f"argument {index} ({name_of(index)}) is not set", CommandState.ERT_CMD_STATE_TIMEOUT
            if isinstance(self._values[index], Span) != (index not in {OPCODE, N_INSTRUCTIONS}):
                return f"argument {index} ({name_of(index)}) is of the wrong kind", CommandState.ERT_CMD_STATE_TIMEOUT
        opcode, instructions, count = (self._values[index] for index in (OPCODE, INSTRUCTIONS, N_INSTRUCTIONS))
        if opcode != EXECUTE_TRANSACTION:
            return f"opcode {opcode} is not {EXECUTE_TRANSACTION}", CommandState.ERT_CMD_STATE_ERROR
        assert isinstance(instructions, Span)
        assert isinstance(count, int)
        if not 0 < count <= instructions.size:
            return f"ninstr {count} with {instructions.size} bytes of instr", CommandState.ERT_CMD_STATE_ERROR
        return None, CommandState.ERT_CMD_STATE_COMPLETED

    def _check(self, index: int) -> None:
        if not 0 <= index < self._n:
            raise IndexError(f"vector::_M_range_check: __n (which is {index}) >= this->size() (which is {self._n})")

    def _clone(self, index: int, span: Span, bank: int, slot: int) -> Span:
        _log.warning(
            "Kernel %s has no compute units with connectivity required for global argument at index %d. The argument "
            "is allocated in bank %d of slot %d, the compute unit is connected to bank %d of slot %d. "
            "Allocating local copy of argument buffer in connected bank.",
            *(self._context.program.name, index, span.bank, span.slot, bank, slot),
        )
        return self._npu.clone(span, bank, slot)


def _check_buffer(index: int, span: Span) -> None:
    if index in {OPCODE, N_INSTRUCTIONS}:
        raise StrictError(f"argument {index} ({name_of(index)}) must be a number, not a bo")
    if span.cacheable != (index == INSTRUCTIONS):
        wanted = "cacheable, with group_id(1)" if index == INSTRUCTIONS else "host_only, with its own group_id"
        raise StrictError(f"argument {index} ({name_of(index)}) must be a bo that is {wanted}")


def _stream_bytes(instructions: Span, count: int) -> int:
    """Return the bytes of the stream: `ninstr` counts 32-bit words, or bytes where so many words do not fit."""
    return 4 * count if 4 * count <= instructions.size else count // 4 * 4
