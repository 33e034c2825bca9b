"""Designs import IRON from one place, which takes the real one only when a build asks for it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

from amanuensis.kernels.designs import _iron
from amanuensis.kernels.sim import iron

IMPORT = "import amanuensis.kernels.designs._iron as i; print(i.ObjectFifo.__module__)"


def imported(**environment: str) -> subprocess.CompletedProcess[str]:
    """Import the module in a process of its own."""
    command = [sys.executable, "-c", IMPORT]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def test_the_simulator_is_the_default() -> None:
    """Every name is the simulator's."""
    assert all(getattr(_iron, name) is getattr(iron, name) for name in iron.__all__)
    assert imported().stdout.strip() == "amanuensis.kernels.sim.fifo"


@pytest.mark.skipif(importlib.util.find_spec("aie") is not None, reason="mlir-aie is installed")
def test_a_build_takes_the_real_one() -> None:
    """Asked for the real IRON, the module imports `aie` and says that it is missing."""
    assert "No module named 'aie'" in imported(AMANUENSIS_IRON="aie").stderr
