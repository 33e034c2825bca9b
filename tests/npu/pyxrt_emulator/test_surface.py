"""The emulator has what the published binding has, under the same names and with the same parameters, and no more."""

from __future__ import annotations

import ast
import inspect
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from amanuensis.npu import pyxrt_emulator as pyxrt
from amanuensis.npu.pyxrt_emulator.binding import Overloads

SURFACE: dict[str, Any] = json.loads((Path(__file__).parents[2] / "data" / "pyxrt" / "surface.json").read_text())
MODULE, ENUMS, CLASSES = SURFACE["module"], SURFACE["enums"], SURFACE["classes"]


def find(dotted: str) -> Any:
    """Return the emulator's object of a dotted name."""
    found: Any = pyxrt
    for name in dotted.split("."):
        found = getattr(found, name)
    return found


def overloads_of(method: Any) -> list[list[list[str]]]:
    """Return the overloads of a method as the fixture writes them."""
    if isinstance(method, Overloads):
        return [[[p.name, p.cast.name] for p in overload.parameters] for overload in method.overloads]
    return [[["", ""] for _ in list(inspect.signature(method).parameters)[1:]]]


def test_fixture_names_its_source() -> None:
    """The fixture says from which commit of which file it was taken."""
    assert SURFACE["source"]["repository"] == "Xilinx/XRT"
    assert SURFACE["source"]["path"] == "src/python/pybind11/src/pyxrt.cpp"
    assert len(SURFACE["source"]["commit"]) == 40


@pytest.mark.parametrize("name", CLASSES)
def test_methods_take_the_published_parameters(name: str) -> None:
    """Every method has exactly the published overloads: the same types and names of parameters."""
    for method, published in CLASSES[name]["methods"].items():
        assert sorted(overloads_of(getattr(find(name), method))) == sorted(published), f"{name}.{method}"


@pytest.mark.parametrize("name", CLASSES)
def test_classes_have_nothing_of_their_own(name: str) -> None:
    """A class of the emulator has no public name that the binding's class lacks."""
    enums = {dotted.split(".")[1]: spec for dotted, spec in ENUMS.items() if dotted.startswith(f"{name}.")}
    exported = {member for spec in enums.values() if spec["exported"] for member in spec["members"]}
    nested = {dotted.split(".")[1] for dotted in CLASSES if dotted.startswith(f"{name}.")}
    public = {attribute for attribute in vars(find(name)) if not attribute.startswith("_")}
    assert public == {m for m in CLASSES[name]["methods"] if m[0] != "_"} | set(enums) | exported | nested


@pytest.mark.parametrize("name", CLASSES)
def test_what_is_not_bound_is_not_there(name: str) -> None:
    """What the C++ class has and the binding lacks, or the emulator leaves out, raises AttributeError."""
    for attribute in (*CLASSES[name]["unbound"], *CLASSES[name]["absent"]):
        with pytest.raises(AttributeError):
            getattr(find(name), attribute)


@pytest.mark.parametrize("name", ENUMS)
def test_enumerations_have_the_published_values(name: str) -> None:
    """Every enumeration has the published members and values, exported to its scope only where the binding does so."""
    enum, published = find(name), ENUMS[name]
    assert {member: int(value) for member, value in enum.__members__.items()} == published["members"]
    scope = vars(find(name.rpartition(".")[0]) if "." in name else pyxrt)
    for member in published["members"]:
        assert isinstance(scope.get(member), enum) == published["exported"]


def test_module_has_the_published_names_and_its_controls() -> None:
    """The module's names are the published ones, its own controls and its files, nothing else."""
    names = {name for name, value in vars(pyxrt).items() if name[0] != "_" and not isinstance(value, types.ModuleType)}
    published = {name for name in (*CLASSES, *ENUMS) if "." not in name} | set(ENUMS["xrt_msg_level"]["members"])
    published |= set(MODULE["values"]) | set(MODULE["functions"])
    assert names - {"annotations", "Final", "ABSENT", "CONTROL"} == published | pyxrt.CONTROL


@pytest.mark.parametrize("name", [*MODULE["absent"], *MODULE["unbound"]])
def test_unknown_names_of_the_module_raise(name: str) -> None:
    """A name that the binding lacks, or that the emulator leaves out, raises AttributeError and says so."""
    with pytest.raises(AttributeError, match=name):
        getattr(pyxrt, name)


def test_absent_parts_give_their_reason() -> None:
    """Every part that is left out says why."""
    assert set(pyxrt.ABSENT) == set(MODULE["absent"])
    with pytest.raises(AttributeError, match="one dispatch is a whole layer or more"):
        pyxrt.runlist  # noqa: B018


def test_values_and_functions() -> None:
    """The constant has its value, and the functions take the published number of arguments."""
    assert MODULE["values"]["XCL_BO_FLAGS_NONE"] == pyxrt.XCL_BO_FLAGS_NONE
    for name, parameters in MODULE["functions"].items():
        assert len(inspect.signature(getattr(pyxrt, name)).parameters) == len(parameters)


def test_objects_call_themselves_as_in_the_binding() -> None:
    """Classes and states print under the binding's names."""
    assert pyxrt.bo.__name__ == "bo"
    assert str(pyxrt.ert_cmd_state.ERT_CMD_STATE_TIMEOUT) == "ert_cmd_state.ERT_CMD_STATE_TIMEOUT"


def test_emulator_knows_nothing_but_kernels() -> None:
    """It imports the standard library, NumPy and `amanuensis.kernels`: no model, no other back end."""
    for path in Path(pyxrt.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                ours = name.startswith(("amanuensis.kernels", "amanuensis.npu.pyxrt_emulator"))
                assert ours or name.partition(".")[0] in {*sys.stdlib_module_names, "numpy"}, f"{path.name}: {name}"
