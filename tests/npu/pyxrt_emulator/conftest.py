"""A fresh emulated device for every test, and programs to run on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from amanuensis.npu import pyxrt_emulator as pyxrt
from tests.helpers.emulated_npu import write_program


@pytest.fixture(autouse=True)
def fresh_device() -> Iterator[None]:
    """Start with the default device, and leave it behind."""
    pyxrt.reset()
    yield
    pyxrt.reset()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program for npu1."""
    return write_program(tmp_path)
