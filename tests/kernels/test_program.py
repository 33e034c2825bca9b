"""Containers of simulated programs: round trip, damage, descriptions that no machine takes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from amanuensis.kernels.program import Program, ProgramError, from_bytes
from tests.kernels.device import PROGRAM


def test_a_saved_program_is_loaded(tmp_path: Path) -> None:
    """What was saved comes back the same, and the file says that it is simulated."""
    PROGRAM.save(tmp_path / "whisper.xclbin")
    assert Program.load(tmp_path / "whisper.xclbin") == PROGRAM
    data = (tmp_path / "whisper.xclbin").read_bytes()
    assert data.startswith(b"AMANSIM1")
    assert b"simulated program" in data


@pytest.mark.parametrize("length", [0, 7, 8, 11, 12, 100])
def test_truncated_containers_are_refused(length: int) -> None:
    """Wherever the file ends."""
    with pytest.raises(ProgramError):
        from_bytes(PROGRAM.to_bytes()[:length])


def test_a_changed_byte_is_found() -> None:
    """Each byte of the container matters."""
    data = PROGRAM.to_bytes()
    for place in range(0, len(data), 7):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(ProgramError):
            from_bytes(bytes(changed))


def test_errors_name_the_file(tmp_path: Path) -> None:
    """A missing file, a real xclbin and a huge file get one line each."""
    with pytest.raises(ProgramError, match=r"none\.xclbin: No such file"):
        Program.load(tmp_path / "none.xclbin")
    (tmp_path / "real.xclbin").write_bytes(b"xclbin2\0" + bytes(1000))
    with pytest.raises(ProgramError, match=r"real\.xclbin: this is no simulated program"):
        Program.load(str(tmp_path / "real.xclbin"))
    (tmp_path / "huge.xclbin").write_bytes(b"AMANSIM1" + bytes(1 << 20))
    with pytest.raises(ProgramError, match=r"huge\.xclbin: the container has .* allowed are"):
        Program.load(tmp_path / "huge.xclbin")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "npu9"}, "'npu9'; allowed are npu1 and npu2"),
        ({"operators": ("GemmInt8", "Fft")}, "unknown operators: Fft"),
        ({"operators": ()}, "none at all"),
        ({"n_buffers": 6}, "6 buffers; 5 are allowed"),
        ({"version": 2}, "version 2, this machine runs 1"),
        ({"uuid": "x"}, "'x' is no uuid"),
    ],
)
def test_impossible_programs_are_refused(change: dict[str, Any], message: str) -> None:
    """Each field is checked when the program is made."""
    with pytest.raises(ProgramError, match=message):
        dataclasses.replace(PROGRAM, **change)
