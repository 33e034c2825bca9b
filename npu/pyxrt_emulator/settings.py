"""How the emulated device is: its kind, its memory, its time and what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from amanuensis.npu.pyxrt_emulator.faults import Fault

Architecture: TypeAlias = Literal["npu1", "npu2"]
Time: TypeAlias = Literal["virtual", "real"]
Execution: TypeAlias = Literal["operators", "designs"]

MAX_CONTEXTS: Final[dict[Architecture, int]] = {"npu1": 6, "npu2": 16}  # hwctx_limit (amd/xdna-driver, npu*_regs.c)
DEVICE_NAMES: Final[dict[Architecture, str]] = {"npu1": "NPU Phoenix (emulated)", "npu2": "NPU Strix (emulated)"}
CLOCK_MHZ: Final[dict[Architecture, int]] = {"npu1": 1000, "npu2": 1800}  # nominal clock of the array
MAX_OUTSTANDING: Final = 4  # commands in a context: CTX_MAX_CMDS (amd/xdna-driver, aie2_pci.h)
HEAP_BYTES: Final = 64 << 20  # of cacheable buffers
AUTOSUSPEND_NS: Final = 5_000_000_000  # amdxdna_pm.c
IDLE_WAKE_NS: Final = 130_000_000  # 121 to 136 ms were measured (mlir-aie#2944)
COLD_CONTEXT_NS: Final = 95_000_000  # amd/Triton-XDNA#83
WATCHDOG_NS: Final = 5_000_000_000  # a hung command dies after about 4 to 6 s (amd/IRON)
DISPATCH_US: Final = (60.0, 160.0)  # a simple kernel (mlir-aie#2381), a typical dispatch from Python (amd/IRON)
SWITCH_US: Final = 225.0  # assumed as in the cost model's middle: nobody published a change of configuration on npu1
SYNC_BYTES_PER_S: Final = 10e9  # assumed, no figure is published: half of the 20 GB/s that are planned for DDR


@dataclass(frozen=True, slots=True)
class Settings:
    """The emulated device.

    Attributes:
        architecture: which device it is.
        faithful: be as silent about mistakes as the real binding is, instead of strict.
        time: whether time is virtual, and only moves by modelled time, or that of the machine.
        faults: what goes wrong and when.
        device_memory_bytes: what all buffers together may take.
        dispatch_us: shortest and longest time from a start to the device's beginning.
        switch_us: what a start costs besides where another context was given the command before.
        sync_bytes_per_s: how fast `sync` flushes lines.
        seed: of the times between dispatch_us.
        execution: of a stream: by the machine of the operators or, very slowly, by the designs of the array in their
            simulator.
        spoiled_operators: names of operators that leave zeros where they should write something.

    """

    architecture: Architecture = "npu1"
    faithful: bool = False
    time: Time = "virtual"
    faults: tuple[Fault, ...] = ()
    device_memory_bytes: int = 4 << 30
    dispatch_us: tuple[float, float] = DISPATCH_US
    switch_us: float = SWITCH_US
    sync_bytes_per_s: float = SYNC_BYTES_PER_S
    seed: int = 0
    execution: Execution = "operators"
    spoiled_operators: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, kind in (("architecture", Architecture), ("time", Time), ("execution", Execution)):
            allowed = get_args(kind)
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} {getattr(self, name)!r}: it must be one of {', '.join(allowed)}")
        for name in ("device_memory_bytes", "sync_bytes_per_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} {getattr(self, name)}: it must be above 0")
        if not 0 <= self.dispatch_us[0] <= self.dispatch_us[1]:
            raise ValueError(f"dispatch_us {self.dispatch_us}: shortest and longest, in this order, from 0")
        if not self.switch_us >= 0:
            raise ValueError(f"switch_us {self.switch_us}: it must be 0 or more")
