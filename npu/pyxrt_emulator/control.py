"""The one place that says which emulated device there is; what real `pyxrt` has no counterpart of."""

from __future__ import annotations

import os
from typing import Final, cast

from amanuensis.npu.pyxrt_emulator.clocks import Clock
from amanuensis.npu.pyxrt_emulator.emulated import EmulatedNpu
from amanuensis.npu.pyxrt_emulator.faults import Fault
from amanuensis.npu.pyxrt_emulator.settings import Execution, Settings
from amanuensis.npu.pyxrt_emulator.tally import Counters

EXECUTION_VARIABLE: Final = "AMANUENSIS_SIMULATE"  # "operators" or "designs"


def _default() -> Settings:
    return Settings(execution=cast(Execution, os.environ.get(EXECUTION_VARIABLE) or "operators"))


_devices = [EmulatedNpu(_default())]  # the machine's only one, as real `pyxrt` finds the machine's


def current() -> EmulatedNpu:
    """Return the device that `pyxrt.device(0)` opens."""
    return _devices[0]


def configure(settings: Settings) -> None:
    """Replace the device by a fresh one; handles of the old one go on with the old one."""
    _devices[0] = EmulatedNpu(settings)


def reset() -> None:
    """Replace the device by a fresh one as it is without any setting but that of the environment."""
    configure(_default())


def counters() -> Counters:
    """Return what the device counted since it was configured."""
    return current().counters()


def clock() -> Clock:
    """Return the device's time."""
    return current().clock


def inject(fault: Fault) -> None:
    """Plan one more fault; its `at` counts from now."""
    current().faults.add(fault)
