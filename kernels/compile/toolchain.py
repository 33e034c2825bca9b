"""The tools that compile for the array: mlir-aie (the Python package `aie` and `aiecc`) and Peano (`clang++`).

They are looked for where mlir-aie itself looks (`python/utils/config.py` and `configure.py.in`, andrej/mlir-aie at
3ca0193). Chess, AMD's closed compiler, is not needed and not used.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from amanuensis.kernels.compile.errors import CompileError, ToolchainError

PEANO_VARIABLE: Final = "PEANO_INSTALL_DIR"
_RELEASES: Final = "https://github.com/Xilinx"
INSTALL_AIE: Final = f"python3 -m pip install mlir_aie -f {_RELEASES}/mlir-aie/releases/expanded_assets/latest-wheels-4"
INSTALL_PEANO: Final = f"python3 -m pip install llvm-aie -f {_RELEASES}/llvm-aie/releases/expanded_assets/nightly"


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Where the tools are.

    Attributes:
        aiecc: the compiler driver of designs.
        peano: folder of Peano, which holds bin/clang++.
        include: folder of the headers of mlir-aie, aie_api among them.
        versions: of each tool, as it tells it.

    """

    aiecc: Path
    peano: Path
    include: Path
    versions: dict[str, str]

    @property
    def clang(self) -> Path:
        """The compiler of kernels."""
        return self.peano / "bin" / "clang++"


def find_toolchain() -> Toolchain:
    """Return the tools of this machine.

    Raises:
        ToolchainError: one is missing; the message has the command that installs it.
        CompileError: one does not say its version.

    """
    root = _aie_root()
    aiecc = next(
        (path for path in (root / "bin" / "aiecc", shutil.which("aiecc")) if path and Path(path).is_file()), ""
    )
    if not aiecc:
        raise ToolchainError(f"mlir-aie in {root} has no aiecc, and there is none on PATH; install it: {INSTALL_AIE}")
    peano = _peano(root)
    versions = {
        "mlir-aie": _package_version(),
        "aiecc": _told([str(aiecc), "--aie-version"]),
        "peano": _told([str(peano / "bin" / "clang++"), "--version"]),
    }
    return Toolchain(Path(aiecc), peano, root / "include", versions)


def run_tool(
    command: Sequence[str], what: str, *, folder: Path | None = None, more: dict[str, str] | None = None
) -> str:
    """Run a tool to its end and return what it printed on stdout.

    Args:
        command: the tool and its arguments.
        what: that it does, for the message.
        folder: to run it in.
        more: variables of its environment.

    Raises:
        CompileError: it failed or cannot be run; `output` is all that it printed, its command first.

    """
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            cwd=folder,
            env=os.environ | (more or {}),
        )
    except OSError as error:
        raise CompileError(f"{what}: {command[0]} cannot be run: {error.strerror}") from None
    if done.returncode:
        printed = f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        raise CompileError(f"{what} failed: {Path(command[0]).name} left with status {done.returncode}", printed)
    return done.stdout


def _aie_root() -> Path:
    """Return the folder of mlir-aie, which holds python/aie, bin and include."""
    found = importlib.util.find_spec("aie")  # finds it without importing: only the process that emits MLIR does
    places = [] if found is None else [Path(place).resolve() for place in found.submodule_search_locations or ()]
    place = next((place for place in places if (place / "iron" / "__init__.py").is_file()), None)
    if place is None:
        raise ToolchainError(f"mlir-aie is not installed (no Python package `aie.iron`); install it: {INSTALL_AIE}")
    return place.parents[1]


def _peano(root: Path) -> Path:
    named = os.environ.get(PEANO_VARIABLE)
    places = (Path(named),) if named else (root / "peano", Path(sysconfig.get_path("platlib")) / "llvm-aie")
    for place in places:
        if (place / "bin" / "clang++").is_file():
            return place
    where = f"{PEANO_VARIABLE}={named} has no bin/clang++" if named else f"not in {' or '.join(map(str, places))}"
    hint = f"install it: {INSTALL_PEANO}, or name its folder in {PEANO_VARIABLE}"
    raise ToolchainError(f"Peano, the compiler of kernels, is not installed ({where}); {hint}")


def _package_version() -> str:
    for name in ("mlir_aie", "mlir-aie"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "not installed by pip"


def _told(command: Sequence[str]) -> str:
    lines = run_tool(command, f"asking {Path(command[0]).name} for its version").strip().splitlines()
    return lines[0].strip() if lines else "says nothing"
