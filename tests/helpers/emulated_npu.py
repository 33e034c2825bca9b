"""An emulated NPU with a small program in it: copies rows between its buffers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels import ops
from amanuensis.kernels.program import Architecture, Program
from amanuensis.npu import pyxrt_emulator as pyxrt

TO = pyxrt.xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE
FROM = pyxrt.xclBOSyncDirection.XCL_BO_SYNC_BO_FROM_DEVICE
UUID = "6a1ad8b7-9d5a-4a6f-9d0e-1d2ab3d4c5e6"
INPUT, OUTPUT = ops.Buffer.INPUT, ops.Buffer.OUTPUT
DATA_OFFSET = 1024  # in INPUT, behind the parameters


def write_program(folder: Path, architecture: Architecture = "npu1", uuid: str = UUID) -> Path:
    """Write a container that holds the operators of the tests."""
    path = folder / f"{architecture}-{uuid}.xclbin"
    Program(architecture, "MLIR_AIE", uuid, ops.OPERATORS).save(path)
    return path


def copy_stream(source: int = INPUT, target: int = OUTPUT, n_bytes: int = 256) -> NDArray[np.uint32]:
    """Return a stream that copies bytes from behind INPUT's parameters, or from the start of another buffer."""
    offset = DATA_OFFSET if source == INPUT else 0
    src, dst = ops.Region(source, offset), ops.Region(target, 0)
    return ops.encode([ops.CopyRows(src, dst, 1, n_bytes, n_bytes, n_bytes)])


class Rig:
    """An open device with a context, five buffers, a stream and a run."""

    def __init__(self, program: Path, buffer_bytes: int = 4096) -> None:
        self.device = pyxrt.device(0)
        self.xclbin = pyxrt.xclbin(str(program))
        self.uuid = self.device.register_xclbin(self.xclbin)
        self.context = pyxrt.hw_context(self.device, self.uuid)
        self.kernel = pyxrt.kernel(self.context, "MLIR_AIE")
        self.buffers = [self.buffer(i, buffer_bytes) for i in range(5)]
        self.words = copy_stream()
        self.instructions = self.stream(self.words)

    def buffer(self, index: int, n_bytes: int) -> Any:
        """Allocate a bo for buffer `index` of the sequence."""
        return pyxrt.bo(self.device, n_bytes, pyxrt.bo.flags.host_only, self.kernel.group_id(3 + index))

    def stream(self, words: NDArray[np.uint32]) -> Any:
        """Allocate a bo for a stream and bring it to the device."""
        bo = pyxrt.bo(self.device, words.nbytes, pyxrt.bo.flags.cacheable, self.kernel.group_id(1))
        bo.write(words.tobytes(), 0)
        bo.sync(TO)
        return bo

    def arguments(self) -> list[Any]:
        """Return the arguments of a run in order."""
        return [3, self.instructions, self.words.size, *self.buffers]

    def run(self) -> Any:
        """Make a run with all arguments set."""
        run = pyxrt.run(self.kernel)
        for index, value in enumerate(self.arguments()):
            run.set_arg(index, value)
        return run

    def give(self, data: bytes) -> None:
        """Write and sync what the stream copies."""
        self.buffers[INPUT].write(data, DATA_OFFSET)
        self.buffers[INPUT].sync(TO)

    def take(self, n_bytes: int = 256) -> bytes:
        """Sync and read what the stream copied."""
        self.buffers[OUTPUT].sync(FROM)
        return bytes(self.buffers[OUTPUT].read(n_bytes, 0).view(np.uint8))


def finish(run: Any) -> Any:
    """Poll a run until it is over and return its state; time is virtual."""
    states = pyxrt.ert_cmd_state
    under_way = (states.ERT_CMD_STATE_NEW, states.ERT_CMD_STATE_QUEUED, states.ERT_CMD_STATE_SUBMITTED)
    for _ in range(64):
        if (state := run.state()) not in under_way:
            return state
    raise AssertionError("the run is not over after 64 looks, each twice as long as the one before")
