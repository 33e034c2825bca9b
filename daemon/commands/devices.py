"""`amanuensis devices`: what can compute here, and what can listen."""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from amanuensis.daemon.commands.common import SubParsers, complain
from amanuensis.daemon.sources.names import APP, SYSTEM

if TYPE_CHECKING:
    from amanuensis.daemon.sources.microphone import InputDevice

EXAMPLES: Final = """\
examples:
  amanuensis devices
  amanuensis devices --json"""
CPUINFO: Final = Path("/proc/cpuinfo")
INT8_FLAGS: Final = ("avx512_vnni", "avx_vnni", "asimddp")  # int8 dot products; asimddp is ARM's
SIMULATION: Final = "the code of the NPU on an emulation of it: slower than the CPU, its times are modelled"


def add_parser(subparsers: SubParsers) -> None:
    """Add `devices`."""
    parser = subparsers.add_parser(
        "devices",
        help="list compute devices and sound inputs",
        description="List what can compute (--device) and what can listen (--input) on this machine.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """List the devices."""
    from amanuensis.daemon.sources.base import SourceError
    from amanuensis.daemon.sources.microphone import input_devices

    compute = compute_devices()
    problem = ""
    try:
        inputs = input_devices()
    except SourceError as error:
        inputs, problem = [], str(error)
    if args.json:
        found: dict[str, Any] = {
            "compute": compute,
            "inputs": [as_map(device) for device in inputs],
            "played": played(),
        }
        print(json.dumps(found | ({"inputs_problem": problem} if problem else {})))
        return 0
    print("compute:")
    for device in compute:
        print(f"  {device['device']:4} {'usable  ' if device['usable'] else 'unusable'}  {device['what']}")
    print("sound inputs:")
    print_table(inputs, problem)
    print_played()
    return 0


def print_inputs(*, as_json: bool) -> int:
    """List the sound inputs alone, as `listen --list-inputs` does."""
    from amanuensis.daemon.sources.microphone import NO_INPUT, input_devices

    inputs = input_devices()
    if as_json:
        print(json.dumps([as_map(device) for device in inputs]))
        return 0
    if inputs:
        print_table(inputs, "")
    else:
        complain(NO_INPUT)
    print_played()
    return 0


def print_played() -> None:
    """Print one line for each input that is what the machine plays."""
    from amanuensis.daemon.console import one_line

    for name in played():
        print(f"   {one_line(name)}  what {'the machine' if name == SYSTEM else 'this application'} plays")


def played() -> list[str]:
    """Return the inputs that are what the machine plays, by the names that `--input` takes; none without a server."""
    import asyncio

    from amanuensis.daemon.sources.base import SourceError
    from amanuensis.daemon.sources.system_sound import Recorder

    async def found() -> list[str]:
        recorder = await Recorder.find()
        return [SYSTEM, *(f"{APP}{stream.name}" for stream in await recorder.playing())]

    try:
        return list(dict.fromkeys(asyncio.run(found())))
    except SourceError:
        return []


def print_table(inputs: list[InputDevice], problem: str) -> None:
    """Print one line for each input."""
    from amanuensis.daemon.console import one_line

    if not inputs:
        print(f"  none: {problem or 'PortAudio sees no microphone'}")
    for device in inputs:
        mark = "*" if device.default else " "
        facts = f"{device.host}, {device.channels} channels, {device.rate} Hz"
        print(f"{mark} {device.index:2}  {one_line(device.name)}  ({facts})")


def compute_devices() -> list[dict[str, Any]]:
    """Return the compute devices of `--device`, usable or not, with the reason in words."""
    return [
        {"device": "cpu", "usable": True, "what": cpu_text(), **cpu_facts()},
        npu_row(),
        {"device": "sim", "usable": True, "what": SIMULATION},
    ]


def npu_row() -> dict[str, Any]:
    """Return what `open_runtime` makes of the NPU; whether it computes rightly is the matter of `amanuensis doctor`."""
    from amanuensis.npu.devices.xrt.errors import DeviceError
    from amanuensis.npu.devices.xrt.opening import open_runtime

    try:
        runtime = open_runtime("npu")
    except DeviceError as error:
        return {"device": "npu", "usable": False, "what": f"{error}; `amanuensis doctor` tells more"}
    runtime.close()
    facts = {"hardware": runtime.hardware, "architecture": runtime.architecture}
    return {"device": "npu", "usable": True, "what": f"{runtime.hardware} ({runtime.architecture})", **facts}


def cpu_facts() -> dict[str, Any]:
    """Return model name, cores, threads of the back end and int8 instructions of the CPU."""
    from amanuensis.npu.cpu_features import auto_threads, physical_cores

    fields = cpu_fields(CPUINFO)
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    return {
        "name": fields.get("model name") or platform.machine(),
        "cores": physical_cores(),
        "threads": auto_threads(),
        "int8": [flag for flag in INT8_FLAGS if flag in flags],
    }


def cpu_text() -> str:
    """Say in words what the CPU offers."""
    facts = cpu_facts()
    int8 = f"int8 by {', '.join(facts['int8'])}" if facts["int8"] else "no int8 instructions: float32 is used"
    return f"{facts['name']}, {facts['cores']} cores, {facts['threads']} threads by default, {int8}"


def cpu_fields(cpuinfo: Path) -> dict[str, str]:
    """Return the fields of the first CPU of Linux's description; empty where there is none."""
    try:
        first = cpuinfo.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}


def as_map(device: InputDevice) -> dict[str, Any]:
    """Return an input for programs."""
    return {name: getattr(device, name) for name in ("index", "name", "host", "channels", "rate", "default")}
