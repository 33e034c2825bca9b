"""Stand-ins for tools that are not installed here: mlir-aie's Python package, its aiecc, and Peano's clang++.

The package gives the simulator's IRON under the real names, with a `Program` that resolves to text in the place of
MLIR, the simulator's words of the sequence at its end. The two executables check their command lines, append them to a
log and write files, or fail when told to.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = {
    "aie/__init__.py": "",
    "aie/helpers/__init__.py": "",
    "aie/helpers/dialects/__init__.py": "",
    "aie/helpers/dialects/scf.py": "from amanuensis.kernels.sim.iron import else_, if_\n",
    "aie/helpers/taplib.py": "from amanuensis.kernels.sim.iron import *\n",
    "aie/iron/device.py": "from amanuensis.kernels.sim.iron import *\n",
    "aie/iron/controlflow.py": "from amanuensis.kernels.sim.iron import range_\n",
    "aie/iron/dataflow.py": "from amanuensis.kernels.sim.iron import ObjectFifoHandle\n",
    "aie/iron/__init__.py": """
from amanuensis.kernels.sim import iron
from amanuensis.kernels.sim.iron import *
from amanuensis.kernels.sim.stream import assembled

def text(command):
    # a transfer by fifo and place, a word that is written by index and value
    moved = getattr(command, "transfer", None)
    if moved is not None:
        return f"{type(command).__name__} {moved.handle.name} {moved.offset} {moved.sizes} {moved.strides}"
    return f"{type(command).__name__} {getattr(command, 'index', '')} {command.value}"


class Program(iron.Program):
    def resolve_program(self, device_name="main"):
        design = super().resolve_program(device_name)
        graph = [f"fifo {plan.name}" for plan in design.fifos] + [f"core {place}" for place in design.places.values()]
        words = "".join(f"\\\\0{byte:03o}" for byte in assembled(self).tobytes())
        return "\\n".join([*graph, "aie.runtime_sequence", *map(text, design.commands), f"words {words}", ""])
""",
}
AIECC = r"""#!/bin/sh
# stand-in for aiecc
case "$1" in --aie-version) echo "stand-in aiecc 1"; exit 0;; esac
echo "aiecc $*" >> "$STAND_IN_LOG"
[ -z "$AIECC_FAILS" ] || { echo "out of tiles"; echo "error: $AIECC_FAILS" >&2; exit 3; }
target= mlir= peano= get=
for word in "$@"; do
  case "$word" in
    --peano=*) peano=${word#--peano=};;
    --get-xclbin|--get-npu-insts) get=${word#--get-};;
    --xclbin-name=*|--npu-insts-name=*) target=${word#--*=};;
    --no-progress|--tmpdir=*) ;;
    -*) echo "unknown option $word" >&2; exit 2;;
    *) mlir=$word;;
  esac
done
[ -x "$peano/bin/clang++" ] && [ -n "$get" ] && [ -f "$mlir" ] && [ "$(dirname "$mlir")" = "$(pwd)" ] || exit 4
ls ./*.o > /dev/null || exit 5
[ -z "$AIECC_WRITES_NOTHING" ] || exit 0
if [ "$get" = npu-insts ]; then printf %b "$(sed -n 's/^words //p' "$mlir")" > "$target"
else { echo "$get"; cat "$mlir"; } > "$target"; fi
"""
CLANG = """#!/bin/sh
# stand-in for Peano's clang++
case "$1" in --version) echo "stand-in clang 1"; exit 0;; esac
echo "clang++ $*" >> "$STAND_IN_LOG"
[ -z "$CLANG_FAILS" ] || { echo "kernel.cc:7: error: $CLANG_FAILS" >&2; exit 1; }
source=$1 target= kind= compiles=
while [ $# -gt 0 ]; do
  case "$1" in -o) target=$2; shift;; --target=*) kind=${1#--target=};; -c) compiles=yes;; esac
  shift
done
case "$kind" in aie2-none-unknown-elf|aie2p-none-unknown-elf) ;; *) exit 6;; esac
[ -n "$compiles" ] && [ -f "$source" ] && echo "$kind $source" > "$target"
"""


@dataclass(frozen=True)
class StandIns:
    """Where the stand-ins lie and what they were asked for."""

    root: Path
    log: Path

    def calls(self, tool: str) -> list[str]:
        """Return the command lines of a tool so far, its versions aside."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.removeprefix(f"{tool} ") for line in lines if line.startswith(f"{tool} ")]


def install(root: Path, monkeypatch: pytest.MonkeyPatch, *, aie: bool = True, aiecc: bool = True) -> StandIns:
    """Put the stand-ins into a folder and in reach of this process and those that it starts."""
    if aie:
        for name, text in PACKAGE.items():
            _write(root / "mlir_aie" / "python" / name, text)
        package = str(root / "mlir_aie" / "python")
        monkeypatch.syspath_prepend(package)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH", "")])))
    (root / "bin").mkdir(parents=True, exist_ok=True)
    if aiecc:
        _write(root / "bin" / "aiecc", AIECC, executable=True)
    monkeypatch.setenv("PATH", f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}")
    _write(root / "peano" / "bin" / "clang++", CLANG, executable=True)
    monkeypatch.setenv("PEANO_INSTALL_DIR", str(root / "peano"))
    made = StandIns(root, root / "calls.log")
    monkeypatch.setenv("STAND_IN_LOG", str(made.log))
    return made


def _write(path: Path, text: str, *, executable: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if executable:
        path.chmod(0o755)


def changed(path: Path, **values: object) -> None:
    """Change fields of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
