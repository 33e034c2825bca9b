"""Is there an NPU that this process may use, and if not, what stands in the way and what to do about it?"""

from __future__ import annotations

import importlib
import importlib.util
import os
import resource
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal, TypeAlias

from amanuensis.npu.devices.xrt.errors import DeviceError, NoDeviceError, WrongDeviceError

Architecture: TypeAlias = Literal["npu1", "npu2"]
Verdict: TypeAlias = Literal["ok", "warning", "problem"]

# What `get_info(xrt_info_device.name)` may contain (mlir-aie's device detection; AMD's names of the machines).
NAMES: Final[dict[str, Architecture]] = {
    "phoenix": "npu1",
    "hawk": "npu1",
    "npu1": "npu1",
    "strix": "npu2",
    "krackan": "npu2",
    "npu2": "npu2",
    "npu4": "npu2",
    "npu5": "npu2",
    "npu6": "npu2",
}
DRIVER: Final = "amdxdna"
OPEN_ATTEMPTS: Final = 5  # as mlir-aie's host runtime: the first open after a reset may fail
ENOUGH_LOCKED_BYTES: Final = 1 << 30  # weights, caches and buffers of the larger models
INSTALL: Final = "install AMD's XRT and the amdxdna driver (https://github.com/amd/xdna-driver)"


@dataclass(frozen=True, slots=True)
class Places:
    """Where the probe looks.

    Attributes:
        nodes: the device nodes of accelerators.
        drivers: the kernel's description of the same.
        xrt: folders in which XRT puts its Python module.

    """

    nodes: Path = Path("/dev/accel")
    drivers: Path = Path("/sys/class/accel")
    xrt: tuple[Path, ...] = (Path("/opt/xilinx/xrt/python"), Path("/usr/xrt/python"))

    @classmethod
    def of_machine(cls) -> Places:
        """Return the places of this machine: XILINX_XRT, which XRT's setup.sh sets, comes first."""
        root = os.environ.get("XILINX_XRT")
        return cls(xrt=(Path(root) / "python", *cls().xrt)) if root else cls()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, and in words what was found and what to do."""

    name: str
    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """An open device of a kind that is known."""

    device: Any  # xrt.device
    name: str
    architecture: Architecture


def look_around(places: Places) -> Iterator[Finding]:
    """Yield what stands between this process and an NPU, from the driver up; the last one is the device itself."""
    yield _node(places)
    yield _locked_memory()
    try:
        xrt = find_pyxrt(places)
    except NoDeviceError as error:
        yield Finding("pyxrt", "problem", str(error))
        return
    yield Finding("pyxrt", "ok", str(getattr(xrt, "__file__", xrt.__name__)))
    try:
        found = open_device(xrt)
    except DeviceError as error:
        yield Finding("device", "problem", str(error))
    else:
        yield Finding("device", "ok", f"{found.name} ({found.architecture})")


def find_pyxrt(places: Places) -> ModuleType:
    """Import pyxrt from the path of Python, else from XRT's own folder.

    Raises:
        NoDeviceError: it is not there, belongs to another Python, or cannot be loaded.

    """
    try:
        return importlib.import_module("pyxrt")
    except ModuleNotFoundError:
        pass
    except ImportError as error:
        raise NoDeviceError(_unloadable(error)) from None
    files = [file for folder in places.xrt if folder.is_dir() for file in sorted(folder.glob("pyxrt*.so"))]
    fitting = [file for file in files if file.name in (f"pyxrt{_suffix()}", "pyxrt.abi3.so", "pyxrt.so")]
    if not files:
        raise NoDeviceError(f"no pyxrt, on Python's path or in {', '.join(map(str, places.xrt))}: {INSTALL}")
    if not fitting:
        version = ".".join(map(str, sys.version_info[:2]))
        raise NoDeviceError(
            f"{files[0]} is for another Python than {version}: run Amanuensis with the Python that XRT was built for"
        )
    return _load(fitting[0])


def _suffix() -> str:
    return str(sysconfig.get_config_var("EXT_SUFFIX"))


def _load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("pyxrt", file)
    assert spec is not None
    assert spec.loader is not None
    try:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except ImportError as error:
        raise NoDeviceError(_unloadable(error)) from None
    sys.modules["pyxrt"] = module
    return module


def _unloadable(error: ImportError) -> str:
    return f"pyxrt cannot be loaded ({' '.join(str(error).split())}): run `source /opt/xilinx/xrt/setup.sh` first"


def open_device(xrt: Any) -> FoundDevice:
    """Open the first device that is an NPU of a kind that is known.

    Raises:
        NoDeviceError: there is none, or it cannot be opened.
        WrongDeviceError: there are only others.

    """
    count = int(xrt.enumerate_devices())
    names = []
    for index in range(max(count, 1)):  # one that has gone away may be there again when it is opened
        device = _open(xrt, index, count)
        name = str(device.get_info(xrt.xrt_info_device.name))
        architecture = architecture_of(name)
        if architecture is not None:
            return FoundDevice(device, name, architecture)
        names.append(name)
    raise WrongDeviceError(f"XRT sees {', '.join(names)}: none is a Ryzen AI NPU that this version knows")


def _open(xrt: Any, index: int, count: int) -> Any:
    failure = ""
    for _ in range(OPEN_ATTEMPTS):
        try:
            return xrt.device(index)
        except (RuntimeError, OSError) as error:
            failure = " ".join(str(error).split())
    if not count:
        raise NoDeviceError(f"XRT sees no device: is the driver loaded (lsmod | grep {DRIVER})? If not, {INSTALL}")
    raise NoDeviceError(
        f"device {index} cannot be opened ({failure}): is this user in the group render? `amanuensis doctor` tells more"
    )


def architecture_of(name: str) -> Architecture | None:
    """Return the generation of an NPU by the name that XRT gives it, or None."""
    lowered = name.lower()
    return next((kind for part, kind in NAMES.items() if part in lowered), None)


def _node(places: Places) -> Finding:
    nodes = sorted(places.nodes.glob("accel*")) if places.nodes.is_dir() else []
    ours = [node for node in nodes if _driver(places.drivers / node.name) in (DRIVER, "")]
    if not ours:
        seen = f"{len(nodes)} of other drivers" if nodes else "none"
        return Finding("driver", "problem", f"no node of {DRIVER} in {places.nodes} ({seen}): {INSTALL}")
    if not os.access(ours[0], os.R_OK | os.W_OK):
        text = f"{ours[0]} may not be used by this user: sudo usermod -aG render $USER, then log in again"
        return Finding("driver", "problem", text)
    return Finding("driver", "ok", str(ours[0]))


def _driver(description: Path) -> str:
    """Return the name of the kernel driver of a node; empty where the kernel does not tell."""
    try:
        return (description / "device" / "driver").resolve(strict=True).name
    except OSError:
        return ""


def _locked_memory() -> Finding:
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    if limit == resource.RLIM_INFINITY or limit >= ENOUGH_LOCKED_BYTES:
        return Finding("locked memory", "ok", "unlimited" if limit == resource.RLIM_INFINITY else f"{limit >> 20} MiB")
    text = (
        f"limited to {limit >> 10} KiB: buffers of a model may not fit; ulimit -l unlimited, or LimitMEMLOCK=infinity"
    )
    return Finding("locked memory", "warning", text)
