"""The simulator has the names of IRON, with their parameters and defaults, and no others."""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amanuensis.kernels.designs import _iron
from amanuensis.kernels.designs.elementwise import elementwise
from amanuensis.kernels.sim import device, fifo, iron, kernel
from amanuensis.kernels.sim.errors import DesignError

SURFACE: dict[str, Any] = json.loads((Path(__file__).parents[2] / "data" / "iron" / "surface.json").read_text())
CLASSES, FUNCTIONS = SURFACE["classes"], SURFACE["functions"]
_KINDS = {
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}


def find(name: str) -> Any:
    """Return the simulator's class of a name."""
    return kernel.BaseKernel if name == "BaseKernel" else getattr(iron, name)


def written(value: object) -> str | None:
    """Return a default as the published source writes it."""
    if value is inspect.Parameter.empty:
        return None
    named = {id(getattr(device, name)): name for name in SURFACE["values"]}
    return named.get(id(value), repr(value))


def parameters(function: Any, skip: int) -> list[list[str | None]]:
    """Return name, kind and default of each parameter."""
    found = list(inspect.signature(function).parameters.values())[skip:]
    return [[p.name, _KINDS[p.kind], written(p.default)] for p in found]


def test_fixture_names_its_source() -> None:
    """The fixture says from which commit it was taken."""
    assert SURFACE["source"]["upstream"] == "Xilinx/mlir-aie"
    assert len(SURFACE["source"]["commit"]) == 40


@pytest.mark.parametrize("name", CLASSES)
def test_methods_take_the_published_parameters(name: str) -> None:
    """Every method has the published parameters, kinds and defaults."""
    ours = find(name)
    for method, published in CLASSES[name]["methods"].items():
        if method in CLASSES[name]["absent"] or (name in {"Device", "ExternalFunction"} and method[:2] == "__"):
            continue
        static = isinstance(inspect.getattr_static(ours, method), staticmethod | classmethod)
        expected = [p for p in published if p[1] != "**" or method != "__call__"]
        assert parameters(getattr(ours, method), 0 if static else 1) == expected, f"{name}.{method}"


def test_external_functions_are_stated_alike() -> None:
    """ExternalFunction takes the published parameters."""
    published = CLASSES["ExternalFunction"]["methods"]["__init__"]
    assert parameters(iron.ExternalFunction.__init__, 1) == published


@pytest.mark.parametrize("name", CLASSES)
def test_classes_have_nothing_of_their_own(name: str) -> None:
    """A class has the published names less those left out, and no others: a call that IRON lacks fails here too."""
    spec = CLASSES[name]
    public = {attribute for attribute in vars(find(name)) if not attribute.startswith("_")}
    inherited = {attribute for base in find(name).__mro__[1:] for attribute in vars(base)}
    published = {method for method in spec["methods"] if method[:2] != "__"} | set(spec["properties"])
    assert public <= published
    assert published - set(spec["absent"]) <= public | inherited


@pytest.mark.parametrize("name", CLASSES)
def test_what_is_left_out_is_published(name: str) -> None:
    """Everything that is said to be left out stands in the published class, and is not here."""
    spec = CLASSES[name]
    for attribute in spec["absent"]:
        assert attribute in {*spec["methods"], *spec["properties"], *spec["attributes"]}
        assert attribute == "__init__" or not hasattr(find(name), attribute)


def test_objects_have_no_public_attributes_of_their_own() -> None:
    """What a design can reach on an object is what the real object has."""
    kind = np.ndarray[(4,), np.dtype[np.int32]]
    held = fifo.ObjectFifo(kind, name="a")
    objects: dict[str, Any] = {
        "ObjectFifo": held,
        "ObjectFifoHandle": held.prod(),
        "Worker": iron.Worker(None),
        "WorkerRuntimeBarrier": iron.WorkerRuntimeBarrier(),
        "Buffer": iron.Buffer(kind),
        "ExternalFunction": iron.ExternalFunction("f", source_string="", arg_types=[kind]),
        "Runtime": iron.Runtime(lambda: None),
        "RuntimeData": iron.RuntimeData(kind),
        "Tile": iron.Tile(0, 2),
        "TensorAccessPattern": iron.TensorAccessPattern((4,), 0, [4], [1]),
    }
    for name, value in objects.items():
        public = {attribute for attribute in vars(value) if not attribute.startswith("_")}
        assert public <= set(CLASSES[name]["attributes"]), name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_take_the_published_parameters(name: str) -> None:
    """Every function has the published parameters, kinds and defaults; `range_` stands for the helper it wraps."""
    assert parameters(getattr(iron, name), 0) == FUNCTIONS[name]["parameters"]


def test_devices_have_their_columns() -> None:
    """Every device of the two families is there, with its columns."""
    for name, columns in SURFACE["devices"].items():
        assert getattr(iron, name)().cols == columns


def test_module_exports_what_designs_import() -> None:
    """The module offers exactly the names that the designs' one import module takes from the real one."""
    tree = ast.parse(Path(_iron.__file__).read_text())
    taken = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("aie.")
        for alias in node.names
    }
    assert taken == set(iron.__all__)


def test_names_are_imported_from_where_they_are_published() -> None:
    """Each real module that designs would import from has the names that they take from it."""
    tree = ast.parse(Path(_iron.__file__).read_text())
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and str(n.module).startswith("aie.")]
    assert {str(node.module) for node in imports} == set(SURFACE["modules"])
    for node in imports:
        assert {alias.name for alias in node.names} <= set(SURFACE["modules"][str(node.module)]), node.module


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("old placer", lambda: iron.Program(iron.NPU1(), iron.Runtime(lambda: None)).resolve_program(placer=None)),  # type: ignore[call-arg]
        ("old placement", lambda: iron.Worker(None, placement=iron.Tile(0, 2))),  # type: ignore[call-arg]
        ("old sequence", lambda: iron.Runtime(lambda: None).sequence()),  # type: ignore[attr-defined]
        ("link by hand", lambda: iron.ObjectFifoLink),  # type: ignore[attr-defined]
    ],
)
def test_calls_that_the_real_api_lacks_fail(name: str, call: Any) -> None:
    """Names and parameters of the older generation do not exist."""
    with pytest.raises((TypeError, AttributeError)):
        call()


def test_designs_need_no_name_but_those() -> None:
    """The proving design is made of the import module alone."""
    kind = np.ndarray[(4,), np.dtype[np.int32]]
    function = _iron.Kernel("f", "f.o", [kind, kind, np.int32])
    assert elementwise(_iron.NPU1Col1(), function, 8, 4, np.int32).resolve_program().workers


def test_devices_are_found_by_name() -> None:
    """`from_name` takes a family and columns, and says what there is."""
    assert type(iron.from_name("npu", n_cols=2)) is iron.NPU1Col2
    assert type(iron.from_name("npu2", n_cols=None)) is iron.NPU2
    with pytest.raises(DesignError, match="npu1 has 1 to 4 columns, not 5"):
        iron.from_name("npu1", n_cols=5)
    with pytest.raises(DesignError, match="no device is called 'npu3'"):
        iron.from_name("npu3")
