"""The shim and the kernels use of aie_api only what it publishes, under the same names and with as many parameters."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from amanuensis.kernels.host.build import ARCHITECTURE_FLAGS, INCLUDE, KERNELS, build
from tests.kernels.cores import needs_compiler

pytestmark = needs_compiler

SURFACE: dict[str, Any] = json.loads((Path(__file__).parents[2] / "data" / "aie_api" / "subset.json").read_text())
FUNCTIONS, CLASSES, ENUMS = SURFACE["functions"], SURFACE["classes"], SURFACE["enums"]
NOT_OF_AIE = {"event0", "event1", "shim_set_modes"}  # outside its namespace
FUNCTION = re.compile(r"^(?:__aie_inline|inline) [^\n;=(]*?[ *>](\w+)\(((?:[^()]|\([^()]*\))*)\)", re.MULTILINE)
ONLY_HERE = {"data"}  # lanes of a register by pointer: for the shim's own files
HEADERS = sorted((INCLUDE / "aie_api").glob("*.hpp"))
SOURCES = sorted(path for path in KERNELS.iterdir() if path.suffix in {".cc", ".h"})
MEMBERS = {member for spec in CLASSES.values() for member in spec["members"]} | {"size_A", "size_B", "size_C"}


def code(path: Path) -> str:
    """Return a C++ file without its comments."""
    return re.sub(r"//[^\n]*", "", path.read_text())


def braces(text: str, start: int) -> str:
    """Return what lies between the brace at `start` and the one that closes it."""
    depth = 0
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return text[start + 1 : place]
    raise AssertionError(text[start : start + 60])


def without_details(text: str) -> str:
    """Return C++ without the namespaces `detail` in it, which are the shim's own affair."""
    while (start := text.find("namespace detail {")) >= 0:
        inner = braces(text, text.index("{", start))
        text = text[:start] + text[start:].replace(inner, "", 1).replace("namespace detail {}", "", 1)
    return text


def parameters(text: str) -> list[str]:
    """Return the parameters of a list in parentheses or angles, cut at its outer commas."""
    depth, parts = 0, [""]
    for letter in text:
        depth += {"<": 1, "(": 1, ">": -1, ")": -1}.get(letter, 0)
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def shim_functions() -> list[tuple[str, int]]:
    """Return name and number of parameters of each free function that the shim offers in namespace aie."""
    found: list[tuple[str, int]] = []
    for path in HEADERS:
        text = without_details(code(path))
        found += [(name, len(parameters(given))) for name, given in FUNCTION.findall(text)]
        found += [(name, 2) for name in re.findall(r"^AIE_SHIM_COMPARISON\((\w+),", text, re.M)]
    return [(name, count) for name, count in found if name not in NOT_OF_AIE]


def class_members(name: str) -> set[str]:
    """Return the public names of a class of the shim."""
    opening = re.compile(rf"^class {name} \{{", re.MULTILINE)
    text, match = next((text, found) for path in HEADERS if (found := opening.search(text := code(path))))
    body = braces(text, match.end() - 1).split("public:")[1].split("private:")[0]
    while (flat := re.sub(r"\{[^{}]*\}", ";", body)) != body:
        body = flat
    body = re.sub(r"\)\s*:\s*[^;]*;", ");", body)  # what constructors initialise
    called = re.findall(r"\b(\w+)\((?=[^;]*;)", re.sub(r"<[^<>()]*>", "", body))
    named = re.findall(r"\busing (\w+) =|\bconstexpr unsigned (\w+) =", body)
    return {*called, *(a or b for a, b in named)} - {"static_assert", "alignas", "sizeof", "if", "sums_", "bits_"}


def test_fixture_names_its_source() -> None:
    """The fixture says from which commit of which repository it was taken."""
    assert SURFACE["source"]["upstream"] == "Xilinx/aie_api"
    assert SURFACE["source"]["path"] == "include/aie_api/aie.hpp"
    assert len(SURFACE["source"]["commit"]) == 40


def test_functions_of_the_shim_are_published() -> None:
    """Every function of the shim has the name of a published one and as many parameters as one of its overloads."""
    functions = shim_functions()
    assert len(functions) > 50
    for name, count in functions:
        assert name in FUNCTIONS, f"aie::{name} is not published"
        published = [len(overload["parameters"]) for overload in FUNCTIONS[name]]
        optional = [sum(" = " not in p for p in overload["parameters"]) for overload in FUNCTIONS[name]]
        fits = any(least <= count <= most for least, most in zip(optional, published, strict=True))
        variadic = any("..." in parameter for overload in FUNCTIONS[name] for parameter in overload["parameters"])
        assert fits or variadic, f"aie::{name} takes {published} parameters; the shim has {count}"


@pytest.mark.parametrize("name", CLASSES)
def test_members_of_the_shim_are_published(name: str) -> None:
    """Every public member of a class of the shim is one of the published class."""
    members = class_members(name)
    assert {"vector": "extract", "accum": "to_vector", "mask": "from_uint32", "mmul": "mac"}[name] in members
    assert members - ONLY_HERE <= {*CLASSES[name]["members"]}


@pytest.mark.parametrize("name", ENUMS)
def test_modes_of_the_shim_are_published(name: str) -> None:
    """Rounding and saturation have the published enumerators; deprecated ones are left out."""
    text = code(INCLUDE / "aie_api" / "modes.hpp")
    body = braces(text, text.index("{", text.index(f"enum class {name}")))
    assert {part.split("=")[0].strip() for part in body.split(",") if part.strip()} == {*ENUMS[name]} - {"truncate"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_kernels_use_what_is_published(path: Path) -> None:
    """Every `aie::` name of a kernel is published for both architectures, and so is every member that it calls."""
    text = code(path)
    known = {*FUNCTIONS, *CLASSES, *ENUMS, *SURFACE["constants"]} - {*SURFACE["only"]["21"]}
    assert {*re.findall(r"aie::(\w+)", text)} <= known
    for kind, member in re.findall(r"aie::(\w+_mode)::(\w+)", text):
        assert member in ENUMS[kind]
    assert {*re.findall(r"\.(?:template )?([a-z_]\w*)(?:<[^;()]*>)?\(", text)} <= MEMBERS
    assert {*re.findall(r"\bUnit::(?:accum_type::)?(\w+)", text)} <= MEMBERS


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_kernels_use_no_library(path: Path) -> None:
    """A kernel includes aie_api, stdint and files beside it, and nothing that is not there for a core."""
    included = {*re.findall(r'#include [<"](.+)[>"]', path.read_text())}
    assert included <= {"bit", "stdint.h", "type_traits", "aie_api/aie.hpp", *(other.name for other in SOURCES)}
    assert not {*re.findall(r"std::\w+", code(path))} - {"std::bit_cast", "std::conditional_t"}


@pytest.mark.parametrize("architecture", ["npu1", "npu2"])
def test_matrix_shapes_are_the_published_ones(architecture: str, tmp_path: Path) -> None:
    """Of all shapes up to 16 the shim has exactly those of the architecture, for int8 and for bfloat16."""
    published = SURFACE["mmul_shapes"]["20" if architecture == "npu1" else "21"]
    sizes = (1, 2, 4, 8, 16)
    lines = ["#include <aie_api/aie.hpp>", 'extern "C" int f() { return 0; }']
    for element, shapes in published.items():
        for shape in itertools.product(sizes, repeat=3):
            wanted = "true" if [*shape] in shapes else "false"
            given = ", ".join(map(str, shape))
            lines.append(f"static_assert(aie::detail::is_mmul_shape<{given}, {element}, {element}>() == {wanted});")
    source = tmp_path / "shapes.cc"
    source.write_text("\n".join(lines))
    assert build(source, ARCHITECTURE_FLAGS[architecture]).is_file()


@pytest.mark.parametrize("architecture", ["npu1", "npu2"])
def test_alignment_is_the_published_one(architecture: str, tmp_path: Path) -> None:
    """Each width of a register must be aligned as the architecture says."""
    published = SURFACE["alignment_bytes"]["20" if architecture == "npu1" else "21"]
    lines = ["#include <aie_api/aie.hpp>", 'extern "C" int f() { return 0; }']
    lines += [f"static_assert(aie::vector_ldst_align_v<int8, {bits} / 8> == {n});" for bits, n in published.items()]
    source = tmp_path / "alignment.cc"
    source.write_text("\n".join(lines))
    assert build(source, ARCHITECTURE_FLAGS[architecture]).is_file()
