"""`amanuensis kernels build`, with stand-ins for the tools: nobody has run it with the real ones yet."""

from __future__ import annotations

import argparse
import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from amanuensis.daemon.commands import kernels_build
from amanuensis.kernels.compile.manifest import load_manifest
from amanuensis.kernels.compile.work import Work, load_designs
from amanuensis.npu.devices.xrt import launches
from amanuensis.npu.devices.xrt.errors import NoDeviceError
from amanuensis.npu.devices.xrt.launches import work_of
from amanuensis.npu.devices.xrt.probe import Places, find_pyxrt
from amanuensis.npu.devices.xrt.programs import find_programs
from tests.helpers.programs import amanuensis
from tests.helpers.toolchain_stand_ins import install
from tests.kernels.cores import needs_compiler


def test_a_machine_without_the_tools_says_what_to_install() -> None:
    """One line with the command, status 1, and nothing is written."""
    done = amanuensis("kernels", "build", "--device", "npu1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "mlir-aie is not installed" in done.stderr
    assert "python3 -m pip install mlir_aie -f" in done.stderr
    assert done.stderr.count("\n") == 1


def few(*arguments: Any) -> Work:
    """Return the dispatches of the self-test alone."""
    work = work_of(*arguments)
    return replace(work, sequences=tuple(each for each in work.sequences if each.part == "any"))


def build(*words: str) -> int:
    """Run the command in this process."""
    parser = argparse.ArgumentParser()
    kernels_build.add_flags(parser)
    return kernels_build.run(parser.parse_args(words))


@needs_compiler
def test_programs_are_built_where_the_engine_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With stand-ins for the tools, of a few dispatches: a line for each configuration."""
    install(tmp_path / "tools", monkeypatch)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    monkeypatch.setattr(launches, "work_of", few)
    assert build("--device", "npu1", "--model", "builtin") == 0
    folder = tmp_path / "data" / "amanuensis" / "programs" / "npu1"
    told = capsys.readouterr()
    assert told.out.startswith(f"{folder}: programs of builtin for npu1\n")
    manifest = find_programs("npu1", "npu").manifest
    assert set(manifest.configurations) == set(load_designs()) - {"attention"}
    assert all(f"  {name} " in told.out for name in manifest.configurations)
    assert (told.err, manifest.lacking) == ("", ())


def test_simulated_programs_need_no_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They say what they are wherever they are told of."""
    monkeypatch.setattr(launches, "work_of", few)
    assert build("--target", "sim", "--device", "npu2", "--model", "builtin", "--out", str(tmp_path)) == 0
    told = capsys.readouterr()
    assert told.out.startswith(f"{tmp_path / 'npu2'}: simulated programs of builtin for npu2\n")
    assert told.out.endswith("no NPU can load these; `--device sim` uses them\n")
    manifest = load_manifest(tmp_path / "npu2", "npu2")
    assert (manifest.target, manifest.lacking, told.err) == ("sim", (), "")
    assert b"no NPU can load it" in (tmp_path / "npu2" / manifest.configurations["products"].file).read_bytes()


@needs_compiler
def test_a_compiler_s_error_is_shown_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line says what failed; all that the compiler said follows."""
    install(tmp_path / "tools", monkeypatch)
    monkeypatch.setenv("CLANG_FAILS", "no such instruction")
    done = amanuensis("kernels", "build", "--device", "npu2", "--model", "builtin", "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stdout) == (1, "")
    first, *others = done.stderr.splitlines()
    assert first.startswith("amanuensis: compiling ")
    assert "clang++ left with status 1" in first
    assert "kernel.cc:7: error: no such instruction" in others
    assert not (tmp_path / "out" / "npu2").exists()


def test_steps_are_a_bar_where_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal sees how far the build is; anything else sees nothing."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, expected in ((Terminal(), "compiling"), (io.StringIO(), "")):
        monkeypatch.setattr(sys, "stderr", stream)
        with kernels_build.shown() as step:
            step("products: array", 1, 2)
        assert expected in stream.getvalue()
        assert bool(stream.getvalue()) == bool(expected)


def test_the_architecture_is_that_of_the_machine() -> None:
    """Without an NPU it is the older one."""
    try:
        find_pyxrt(Places.of_machine())
    except NoDeviceError:
        assert kernels_build.architecture_here() == "npu1"
    else:
        pytest.skip("there is pyxrt here")
