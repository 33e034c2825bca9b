"""Finding an NPU, and saying what stands in the way."""

from __future__ import annotations

import os
import resource
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from amanuensis.npu.devices.xrt.errors import NoDeviceError, WrongDeviceError
from amanuensis.npu.devices.xrt.probe import (
    OPEN_ATTEMPTS,
    Places,
    architecture_of,
    find_pyxrt,
    look_around,
    open_device,
)

SUFFIX = str(sysconfig.get_config_var("EXT_SUFFIX"))


@pytest.fixture(autouse=True)
def _no_pyxrt() -> Iterator[None]:
    """Leave no pyxrt behind."""
    if "pyxrt" in sys.modules:
        pytest.skip("this Python has imported a real pyxrt")
    yield
    sys.modules.pop("pyxrt", None)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Return places of a machine where nothing is installed."""
    return Places(tmp_path / "accel", tmp_path / "class", (tmp_path / "xrt",))


def give(file: Path, content: str = "") -> Path:
    """Write a file with its folders."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return file


def test_without_anything_every_obstacle_is_named(places: Places) -> None:
    """Driver and pyxrt are missing: both are problems with what to do, and the device is not looked for."""
    found = {finding.name: finding for finding in look_around(places)}
    assert set(found) == {"driver", "locked memory", "pyxrt"}
    assert found["driver"].verdict == found["pyxrt"].verdict == "problem"
    assert "xdna-driver" in found["driver"].text
    assert "no pyxrt" in found["pyxrt"].text


def test_pyxrt_of_another_python_is_told_from_none(places: Places) -> None:
    """XRT is there, but for a Python that this is not."""
    give(places.xrt[0] / "pyxrt.cpython-27-x86_64-linux-gnu.so")
    with pytest.raises(NoDeviceError, match=r"pyxrt\.cpython-27.*another Python than"):
        find_pyxrt(places)


@pytest.mark.parametrize("name", [f"pyxrt{SUFFIX}", "pyxrt.so"])
def test_pyxrt_that_cannot_be_loaded_is_told(places: Places, name: str) -> None:
    """A module whose libraries are missing, or that is damaged, names its error and the setup script."""
    give(places.xrt[0] / name, "no library")
    with pytest.raises(NoDeviceError, match=r"cannot be loaded.*setup\.sh"):
        find_pyxrt(places)


def test_pyxrt_on_the_path_of_python_comes_first(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `import pyxrt` finds is taken, whatever lies in XRT's own folder."""
    give(tmp_path / "path" / "pyxrt.py", "here = True\n")
    give(places.xrt[0] / "pyxrt.so", "no library")
    monkeypatch.syspath_prepend(str(tmp_path / "path"))
    assert find_pyxrt(places).here


def test_folder_of_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """XILINX_XRT, set by XRT's setup script, says where XRT is."""
    monkeypatch.setenv("XILINX_XRT", "/somewhere/xrt")
    assert Places.of_machine().xrt[0] == Path("/somewhere/xrt/python")
    monkeypatch.delenv("XILINX_XRT")
    assert Places.of_machine() == Places()


@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        ("NPU Phoenix", "npu1"),
        ("RyzenAI-npu1", "npu1"),
        ("NPU Hawk Point", "npu1"),
        ("NPU Strix", "npu2"),
        ("NPU Strix Halo", "npu2"),
        ("RyzenAI-npu5", "npu2"),
        ("NPU Krackan 1", "npu2"),
        ("xilinx_u250_gen3x16", None),
    ],
)
def test_generations_by_name(name: str, architecture: str | None) -> None:
    """The name that XRT gives tells the generation, and other accelerators are none."""
    assert architecture_of(name) == architecture


class Machine(SimpleNamespace):
    """An XRT that sees devices of given names; opening one may fail for a while."""

    xrt_info_device = SimpleNamespace(name="name")

    def __init__(self, *names: str, failures: int = 0, counted: int | None = None) -> None:
        super().__init__(names=names, failures=failures, opened=0, counted=len(names) if counted is None else counted)

    def enumerate_devices(self) -> int:
        return int(self.counted)

    def device(self, index: int) -> SimpleNamespace:
        self.opened += 1
        if self.opened <= self.failures or index >= len(self.names):
            raise RuntimeError("Open /dev/accel/accel0 failed (err=-13): Permission denied")
        return SimpleNamespace(get_info=lambda key: self.names[index])


def test_the_first_npu_is_opened() -> None:
    """Other accelerators are passed over."""
    found = open_device(Machine("xilinx_u250", "NPU Strix"))
    assert (found.name, found.architecture) == ("NPU Strix", "npu2")


def test_only_other_devices() -> None:
    """Their names are told."""
    with pytest.raises(WrongDeviceError, match="xilinx_u250: none is a Ryzen AI NPU"):
        open_device(Machine("xilinx_u250"))


def test_opening_is_tried_a_few_times() -> None:
    """An open that fails at first succeeds; one that goes on failing is told with its reason."""
    assert open_device(Machine("NPU Phoenix", failures=OPEN_ATTEMPTS - 1)).architecture == "npu1"
    with pytest.raises(NoDeviceError, match=r"Permission denied.*group render"):
        open_device(Machine("NPU Phoenix", failures=OPEN_ATTEMPTS))


def test_no_device_at_all() -> None:
    """XRT is there but no driver."""
    with pytest.raises(NoDeviceError, match=r"sees no device.*lsmod"):
        open_device(Machine())


def test_a_device_that_was_away_is_found_again() -> None:
    """A count of zero is not believed before opening was tried: a device comes back that way."""
    assert open_device(Machine("NPU Phoenix", counted=0)).architecture == "npu1"


def test_nodes_of_other_drivers_are_not_ours(places: Places, tmp_path: Path) -> None:
    """An accelerator of another driver does not pass for an NPU."""
    give(places.nodes / "accel0")
    (tmp_path / "drivers" / "habanalabs").mkdir(parents=True)
    (places.drivers / "accel0" / "device").mkdir(parents=True)
    (places.drivers / "accel0" / "device" / "driver").symlink_to(tmp_path / "drivers" / "habanalabs")
    driver = next(look_around(places))
    assert driver.verdict == "problem"
    assert "1 of other drivers" in driver.text


def test_permission_is_checked(places: Places) -> None:
    """A node that this user may use is fine; one that it may not use names the group."""
    node = give(places.nodes / "accel0")
    assert next(look_around(places)).verdict == "ok"
    node.chmod(0)
    if os.access(node, os.R_OK):
        return  # the superuser may use everything
    assert "usermod -aG render" in next(look_around(places)).text


def test_little_locked_memory_is_a_warning(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """A low limit is told with how to raise it; none is fine."""
    for limit, verdict in ((8 << 20, "warning"), (resource.RLIM_INFINITY, "ok")):
        monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: (limit, limit))
        (finding,) = [found for found in look_around(places) if found.name == "locked memory"]
        assert finding.verdict == verdict
        assert ("ulimit -l" in finding.text) == (verdict == "warning")
