"""Programs in files; they take the place of compiled xclbins."""

from __future__ import annotations

from pathlib import Path

from amanuensis.kernels.program import Program, ProgramError


def load(path: str) -> Program:
    """Load a container; RuntimeError where there is none, as the binding raises it for any file that is no xclbin."""
    try:
        return Program.load(Path(path))
    except ProgramError as error:
        raise RuntimeError(str(error)) from error
