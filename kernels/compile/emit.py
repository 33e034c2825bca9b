"""The MLIR of launches, from the designs as IRON takes them: a process of its own, because IRON is chosen at import.

`python -m amanuensis.kernels.compile.emit JOB` with AMANUENSIS_IRON=aie reads a job (JSON) and writes `KEY.mlir` beside
it for each launch.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np

from amanuensis.kernels.compile.errors import CompileError
from amanuensis.kernels.compile.patches import settings_of
from amanuensis.kernels.compile.template import Template, Variable
from amanuensis.kernels.compile.toolchain import run_tool
from amanuensis.kernels.compile.work import Places, launched
from amanuensis.kernels.ops import decode, encode
from amanuensis.kernels.program import Architecture

JOB: Final = "job.json"
SEQUENCE: Final = "runtime_sequence"  # the operation that begins what launches of a configuration do not share


def emit(
    templates: Sequence[Template], module: str, architecture: Architecture, buffer_bytes: Sequence[int], folder: Path
) -> list[list[Path]]:
    """Write the MLIR of launches of one configuration, each at all its settings; return the files in the same order.

    Args:
        templates: the launches.
        module: of the configuration's designs.
        architecture: of the device.
        buffer_bytes: sizes of the five buffers.
        folder: for the files.

    Raises:
        CompileError: IRON refuses a design, with all that it said, or two launches differ in more than their sequence.

    """
    launches = [
        {
            "key": template.key,
            "words": encode(template.operators).tolist(),
            "variables": [asdict(variable) for variable in template.variables],
        }
        for template in templates
    ]
    name = templates[0].configuration
    job = {
        "module": module,
        "configuration": name,
        "architecture": architecture,
        "buffer_bytes": list(buffer_bytes),
        "launches": launches,
    }
    (folder / JOB).write_text(json.dumps(job), encoding="utf-8")
    command = [sys.executable, "-m", "amanuensis.kernels.compile.emit", str(folder / JOB)]
    run_tool(command, f"making the MLIR of {name}", more={"AMANUENSIS_IRON": "aie"})
    files = [
        [folder / _file_name(template, number) for number in range(len(settings_of(template)))]
        for template in templates
    ]
    first = graph_of(files[0][0])
    for template, mine in zip(templates, files, strict=True):
        if any(graph_of(file) != first for file in mine):
            one, other = (f"{each} ({each.key})" for each in (template, templates[0]))
            raise CompileError(
                f"{name}: the launches of {one} and {other} have different graphs; they may differ in "
                "their sequences only"
            )
    return files


def _file_name(template: Template, number: int) -> str:
    return f"{template.key}-{number}.mlir"


def graph_of(file: Path) -> str:
    """Return what stands in an MLIR file before its sequence: tiles, fifos, cores."""
    before, found, _ = file.read_text(encoding="utf-8").partition(SEQUENCE)
    if not found:
        raise CompileError(f"{file.name} has no {SEQUENCE}: is this mlir-aie 1.4 or newer?")
    return before


def main(path: Path) -> None:
    """Write the MLIR of a job."""
    from amanuensis.kernels.designs import _iron

    job = json.loads(path.read_text(encoding="utf-8"))
    module: Any = import_module(job["module"])
    device = {"npu1": _iron.NPU1, "npu2": _iron.NPU2}[job["architecture"]]
    places = Places(job["buffer_bytes"])
    for launch in job["launches"]:
        variables = tuple(Variable(**fields) for fields in launch["variables"])
        template = Template(job["configuration"], decode(np.array(launch["words"], np.uint32)), variables)
        for number, setting in enumerate(settings_of(template)):
            # IRON keeps every function that was ever made and compares new ones with them: launches share none.
            getattr(_iron.ExternalFunction, "_instances", set()).clear()
            operators, memory = places.operands(template, setting)
            program = launched(module, operators, memory, device()).program
            text = str(program.resolve_program())
            (path.parent / _file_name(template, number)).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
