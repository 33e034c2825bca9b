"""Finding the tools: with stand-ins in their places, and as this machine is."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from amanuensis.kernels.compile.errors import CompileError, ToolchainError
from amanuensis.kernels.compile.toolchain import INSTALL_AIE, INSTALL_PEANO, find_toolchain, run_tool
from tests.helpers.toolchain_stand_ins import install


@pytest.mark.skipif(importlib.util.find_spec("aie") is not None, reason="mlir-aie is installed here")
def test_a_machine_without_mlir_aie() -> None:
    """One line names what is missing and the command that installs it."""
    with pytest.raises(ToolchainError, match=r"mlir-aie is not installed \(no Python package `aie.iron`\)") as error:
        find_toolchain()
    assert INSTALL_AIE in str(error.value)


def test_the_tools_are_found_with_their_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver on PATH, Peano in the folder that its variable names, headers beside the package."""
    install(tmp_path, monkeypatch)
    found = find_toolchain()
    assert found.aiecc == tmp_path / "bin" / "aiecc"
    assert found.clang == tmp_path / "peano" / "bin" / "clang++"
    assert found.include == tmp_path / "mlir_aie" / "include"
    assert (found.versions["aiecc"], found.versions["peano"]) == ("stand-in aiecc 1", "stand-in clang 1")


def test_mlir_aie_s_own_aiecc_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel brings its aiecc along; another one on PATH may be of another version."""
    install(tmp_path, monkeypatch)
    own = tmp_path / "mlir_aie" / "bin" / "aiecc"
    own.parent.mkdir()
    own.write_text("#!/bin/sh\necho own\n")
    own.chmod(0o755)
    found = find_toolchain()
    assert (found.aiecc, found.versions["aiecc"]) == (own, "own")


def test_aiecc_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package alone is not enough."""
    install(tmp_path, monkeypatch, aiecc=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(ToolchainError, match="has no aiecc, and there is none on PATH"):
        find_toolchain()


@pytest.mark.parametrize("named", [True, False])
def test_peano_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool) -> None:
    """The message says where it was looked for, and how to install it."""
    install(tmp_path, monkeypatch)
    if named:
        monkeypatch.setenv("PEANO_INSTALL_DIR", str(tmp_path / "nowhere"))
        expected = f"PEANO_INSTALL_DIR={tmp_path / 'nowhere'} has no bin/clang"
    else:
        monkeypatch.delenv("PEANO_INSTALL_DIR")
        expected = f"not in {tmp_path / 'mlir_aie' / 'peano'} or"
    with pytest.raises(ToolchainError, match="Peano, the compiler of kernels, is not installed") as error:
        find_toolchain()
    assert expected in str(error.value)
    assert INSTALL_PEANO in str(error.value)


def test_a_tool_that_fails_is_told_whole() -> None:
    """The message is one line; what the tool printed is kept, with its command."""
    program = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"
    with pytest.raises(CompileError, match=r"^trying failed: python[0-9.]* left with status 7$") as error:
        run_tool([sys.executable, "-c", program], "trying")
    assert error.value.output.endswith("out\nerr\n")
    assert error.value.output.startswith(f"{sys.executable} -c import sys")


def test_a_tool_that_cannot_be_run(tmp_path: Path) -> None:
    """A file that is no program is one line, too."""
    path = tmp_path / "aiecc"
    path.write_text("nothing")
    with pytest.raises(CompileError, match=r"trying: .*aiecc cannot be run: Permission denied"):
        run_tool([str(path)], "trying")
