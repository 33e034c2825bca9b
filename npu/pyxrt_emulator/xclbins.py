"""`xclbin` and `uuid`: programs in files, and what can be asked of them."""

from __future__ import annotations

from uuid import UUID

from amanuensis.kernels.program import Program
from amanuensis.npu.pyxrt_emulator import programs
from amanuensis.npu.pyxrt_emulator.arguments import DATA_BANK, FIRST_DATA, INSTRUCTION_BANK
from amanuensis.npu.pyxrt_emulator.binding import C_STRING, TEXT, Overloads, Parameter, bound_as, instance_of
from amanuensis.npu.pyxrt_emulator.memory import PAGE_BYTES
from amanuensis.npu.pyxrt_emulator.settings import HEAP_BYTES

NO_UUID = str(UUID(int=0))


@bound_as("uuid")
class Uuid:
    """An identifier of an xclbin; two of them are compared by their text."""

    text: str
    __init__ = Overloads()

    @__init__.add(Parameter(C_STRING))
    def _parse(self, text: str) -> None:
        try:
            self.text = str(UUID(text))
        except ValueError as error:
            raise RuntimeError(f"uuid {text!r}: {error}") from error

    def to_string(self) -> str:
        return self.text


@bound_as("xclbinkernel")
class XclbinKernel:
    """What an xclbin says of a kernel; one made by hand says nothing."""

    _program: Program | None
    __init__ = Overloads()

    @__init__.add()
    def _empty(self) -> None:
        self._program = None

    def get_name(self) -> str:
        return self._program.name if self._program else ""

    def get_num_args(self) -> int:
        return FIRST_DATA + self._program.n_buffers if self._program else 0


@bound_as("xclbinmem")
class XclbinMem:
    """A bank of memory that a kernel's arguments lie in; `pyxrt` gives no way to make one."""

    _index: int
    _tag: str
    _size_kb: int

    def __init__(self) -> None:
        raise TypeError("pyxrt.xclbinmem: No constructor defined!")

    def get_tag(self) -> str:
        return self._tag

    def get_base_address(self) -> int:
        return PAGE_BYTES

    def get_size_kb(self) -> int:
        return self._size_kb

    def get_used(self) -> bool:
        return True

    def get_index(self) -> int:
        return self._index


@bound_as("xclbin")
class Xclbin:
    """A compiled program; here a container of `amanuensis.kernels`."""

    xclbinkernel = XclbinKernel
    xclbinmem = XclbinMem
    _program: Program | None
    __init__ = Overloads()

    @__init__.add()
    def _empty(self) -> None:
        self._program = None

    @__init__.add(Parameter(TEXT))
    def _load(self, path: str) -> None:
        self._program = programs.load(path)

    @property
    def _loaded(self) -> Program:
        if self._program is None:
            raise RuntimeError("an xclbin without a file has no contents")
        return self._program

    def get_kernels(self) -> list[XclbinKernel]:
        kernel: XclbinKernel = XclbinKernel()
        kernel._program = self._loaded
        return [kernel]

    def get_xsa_name(self) -> str:
        return f"emulated {self._loaded.architecture}"

    def get_uuid(self) -> Uuid:
        uuid: Uuid = Uuid(self._loaded.uuid)
        return uuid

    def get_mems(self) -> list[XclbinMem]:
        return [_bank(DATA_BANK, "HOST", 4 << 30), _bank(INSTRUCTION_BANK, "SRAM", HEAP_BYTES)]


def _bank(index: int, tag: str, n_bytes: int) -> XclbinMem:
    bank = object.__new__(XclbinMem)
    bank._index, bank._tag, bank._size_kb = index, tag, n_bytes // 1024
    return bank


def program_of(xclbin: Xclbin) -> Program:
    """Return what an xclbin holds; RuntimeError where it is empty."""
    return xclbin._loaded


UUID_CAST = instance_of("uuid", Uuid)
XCLBIN = instance_of("xclbin", Xclbin)
