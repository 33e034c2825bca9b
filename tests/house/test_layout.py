"""The rules of the house that a machine can check: who may import whom, sizes, words that must not appear."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAX_FILE_LINES = 450
MAX_FUNCTION_LINES = 60  # without the docstring

# What each part may import of ours, itself included. `daemon` may reach `benchmarks` in its one command for it, and
# what evaluates a trained model captions with it as the product does.
MAY_IMPORT = {
    "kernels": {"kernels"},
    "npu": {"npu", "kernels"},
    "stream": {"stream", "npu"},
    "daemon": {"daemon", "stream", "npu", "kernels"},
    "client": {"client", "daemon", "stream"},  # what programs of others import
    "benchmarks": {"benchmarks", "daemon", "stream", "npu", "kernels"},
    "systemd": set(),  # units: data
    "training": {"training", "npu"},
}
EXCEPTIONS = {"daemon/commands/bench.py": {"benchmarks"}, "training/evaluation/": {"benchmarks", "stream"}}
# A pure core has no loop, no thread, no clock, no files and no processes of its own.
IMPURE = {
    "asyncio",
    "threading",
    "time",
    "datetime",
    "socket",
    "subprocess",
    "multiprocessing",
    "pathlib",
    "os",
    "queue",
    "selectors",
    "logging",
}
# The seams of `npu` that `stream` knows: never a model, a device or a process.
STREAM_SEES_OF_NPU = {"window", "tokenizer", "log_mel", "engine.api"}


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that git knows or would add."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: the list of files is unknown")
    return tuple(path for name in sorted(set(listing.split("\0"))) if name and (path := ROOT / name).is_file())


def sources(part: str) -> list[Path]:
    """The Python files of a part."""
    return [path for path in tracked() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] == part]


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Every absolute module name that a file imports, wherever in the file; names of `from` are appended."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.relative_to(ROOT)}:{node.lineno}: relative import"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_dependencies_point_one_way(part: str) -> None:
    """A part imports only the parts below it."""
    for path in sources(part):
        name = str(path.relative_to(ROOT))
        allowed = MAY_IMPORT[part].union(*(more for where, more in EXCEPTIONS.items() if name.startswith(where)))
        for module, line in imported(path):
            if module.startswith("amanuensis."):
                assert module.split(".")[1] in allowed, f"{name}:{line} imports {module}"


def test_stream_is_pure() -> None:
    """`stream` imports nothing that waits, sleeps, reads files or tells the time."""
    for path in sources("stream"):
        for module, line in imported(path):
            assert module.split(".")[0] not in IMPURE, f"{path.relative_to(ROOT)}:{line} imports {module}"


def test_stream_sees_only_the_seams_of_npu() -> None:
    """`stream` knows the engine's interface, not an engine."""
    for path in sources("stream"):
        for module, line in imported(path):
            if module.startswith("amanuensis.npu"):
                seam = module.removeprefix("amanuensis.npu.")
                known = any(seam == name or seam.startswith(name + ".") for name in STREAM_SEES_OF_NPU)
                assert known, f"{path.relative_to(ROOT)}:{line} imports {module}"


@pytest.mark.parametrize("part", ["benchmarks", "daemon", "kernels", "npu", "stream"])
def test_torch_stays_out_of_the_product(part: str) -> None:
    """Only training and the comparisons with peers may need torch or transformers."""
    for path in sources(part):
        if path.relative_to(ROOT).parts[:2] == ("benchmarks", "peers"):
            continue
        for module, line in imported(path):
            assert module.split(".")[0] not in {"torch", "transformers"}, (
                f"{path.relative_to(ROOT)}:{line} imports {module}"
            )


def test_files_hold_one_concept() -> None:
    """No Python file is longer than the limit."""
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked()
        if path.suffix == ".py" and (lines := path.read_text().count("\n")) > MAX_FILE_LINES
    }
    assert not long


def test_functions_stay_short() -> None:
    """No function body is longer than the limit."""
    long = {}
    for part in MAY_IMPORT:
        for path in sources(part):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
                    lines = (node.end_lineno or 0) - first.lineno + 1
                    if lines > MAX_FUNCTION_LINES:
                        long[f"{path.relative_to(ROOT)}:{node.name}"] = lines
    assert not long


def test_no_machine_is_named() -> None:
    """No file names a path of the machine it was written on or the host of a package registry."""
    words = [
        "/work/" + "main",
        "/work/" + "shared",
        "/work/" + ".",
        "/tmp/" + "team",
        "/" + "root/",
        "/opt/" + "wheels",
        "pypi." + "org",
        "files.python" + "hosted",
        "py" + "env",
    ]
    found = []
    for path in tracked():
        data = path.read_bytes()
        if b"\0" not in data:
            found += [f"{path.relative_to(ROOT)}: {word}" for word in words if word.encode() in data]
    assert not found


def test_every_part_is_typed() -> None:
    """`py.typed` stands in each part: the namespace above them has no folder of its own."""
    assert [part for part in MAY_IMPORT if not (ROOT / part / "py.typed").is_file()] == []


def test_every_package_is_declared() -> None:
    """A folder with Python files in a part is listed in pyproject.toml, so that the wheel has it."""
    declared = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    folders = {path.parent.relative_to(ROOT) for part in MAY_IMPORT for path in sources(part)}
    assert {".".join(("amanuensis", *folder.parts)) for folder in folders} == declared


def test_tests_mirror_parts() -> None:
    """Tests lie in the folder of the part that they test, and their folders are no packages."""
    assert not [str(path.relative_to(ROOT)) for path in sources("tests") if path.name == "__init__.py"]
    known = {
        *MAY_IMPORT,
        "browser",
        "data",
        "fuzz",
        "helpers",
        "house",
        "long",
        "microphone",
        "packaging",
        "robustness",
        "conftest.py",
    }
    assert {path.relative_to(ROOT).parts[1] for path in sources("tests")} <= known
