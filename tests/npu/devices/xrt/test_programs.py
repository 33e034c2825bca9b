"""Where compiled programs are looked for, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.kernels.compile.manifest import MANIFEST, Manifest, Stored, Target
from amanuensis.kernels.program import Program
from amanuensis.npu.devices.xrt import programs
from amanuensis.npu.devices.xrt.errors import ProgramError
from amanuensis.npu.devices.xrt.programs import (
    FOLDER_VARIABLE,
    PROGRAM,
    find_programs,
    sequence_programs,
    simulated_programs,
    user_programs,
)


def put(folder: Path, model: str, *configurations: str, target: Target = "npu") -> Path:
    """Write programs with these configurations."""
    folder.mkdir(parents=True)
    stored = {}
    for name in configurations:
        path = folder / f"{name}.xclbin"
        path.write_bytes(name.encode())
        stored[name] = Stored.of(path)
    made = Manifest(architecture="npu1", target=target, model=model, tools={}, configurations=stored, launches={})
    (folder / MANIFEST).write_text(made.to_json())
    return folder


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path, Path]:
    """Give the three places folders of the test, in order."""
    named, packaged = tmp_path / "named", tmp_path / "packaged"
    monkeypatch.setenv(FOLDER_VARIABLE, str(named))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(programs, "PACKAGED", packaged)
    return named, user_programs(), packaged


def test_the_first_place_that_has_programs_counts(places: tuple[Path, Path, Path]) -> None:
    """The folder that the variable names, the user's, the package's."""
    for place in reversed(places):
        put(place / "npu1", place.name, "products")
        found = find_programs("npu1", "npu")
        assert (found.folder, found.manifest.model) == (place / "npu1", place.name)


def test_no_programs_is_one_line(places: tuple[Path, Path, Path]) -> None:
    """It names every place and the command that makes them; those of another architecture are none."""
    put(places[1] / "npu1", "small", "products")
    with pytest.raises(ProgramError, match="no compiled programs for npu2") as error:
        find_programs("npu2", "npu")
    assert all(str(place) in str(error.value) for place in places)
    assert "`amanuensis kernels build --device npu2` makes them" in str(error.value)


def test_damaged_programs_are_not_passed_over(places: tuple[Path, Path, Path]) -> None:
    """What the user built and lost in part is told, though the package has others."""
    put(places[2] / "npu1", "packaged", "products")
    mine = put(places[1] / "npu1", "mine", "products")
    (mine / "products.xclbin").unlink()
    with pytest.raises(ProgramError, match=r"products.xclbin: missing"):
        find_programs("npu1", "npu")


def test_a_folder_that_lies_about_its_architecture(places: tuple[Path, Path, Path]) -> None:
    """The manifest counts, not the name of the folder."""
    put(places[0] / "npu2", "small", "products")
    with pytest.raises(ProgramError, match="for npu1, and the device is npu2"):
        find_programs("npu2", "npu")


def test_simulated_programs_are_none_for_an_npu(places: tuple[Path, Path, Path]) -> None:
    """They are refused in one line that says what they are, and the emulator takes no others for its own."""
    put(places[0] / "npu1", "small", "products", target="sim")
    with pytest.raises(ProgramError, match="these programs are simulated, for --device sim, not for an NPU") as error:
        find_programs("npu1", "npu")
    assert "\n" not in str(error.value)
    found = simulated_programs("npu1")
    assert found is not None
    assert found.array("products") == places[0] / "npu1" / "products.xclbin"
    with pytest.raises(ProgramError, match=r"no configuration decoder \(it has products\); build it again"):
        found.array("decoder")
    with pytest.raises(ProgramError, match=r"no configuration whisper .*; operators one by one need a device"):
        found.array(PROGRAM)


def test_the_emulator_runs_without_programs_of_its_own(
    places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """None are there, or the first ones are for an NPU, be they damaged; damaged ones of its own are told."""
    monkeypatch.delenv(FOLDER_VARIABLE)
    assert simulated_programs("npu1") is None
    put(places[2] / "npu1", "small", "products", target="sim")
    put(places[1] / "npu1", "small", "products")
    assert simulated_programs("npu1") is None
    (places[1] / "npu1" / MANIFEST).write_text("{")
    assert simulated_programs("npu1") is None
    monkeypatch.setenv(FOLDER_VARIABLE, str(places[0]))
    put(places[0] / "npu2", "small", "products", target="sim")
    with pytest.raises(ProgramError, match="for npu1, and the device is npu2"):
        simulated_programs("npu2")


@pytest.mark.parametrize("content", [None, "", "{", "{}", "[1]", '{"target": 3}'])
def test_a_named_folder_without_programs_is_told(places: tuple[Path, Path, Path], content: str | None) -> None:
    """Who names a folder is not given something else in silence."""
    if content is not None:
        put(places[0] / "npu1", "small", "products", target="sim")
        (places[0] / "npu1" / MANIFEST).write_text(content)
    with pytest.raises(ProgramError, match=rf"manifest.json: not there, or no manifest, though {FOLDER_VARIABLE}"):
        simulated_programs("npu1")


def test_the_simulated_program_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies in the cache and says for which architecture it is."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = sequence_programs("npu2")
    assert Program.load(folder / f"{PROGRAM}.xclbin").architecture == "npu2"
    before = (folder / f"{PROGRAM}.xclbin").stat()
    assert sequence_programs("npu2") == folder
    assert (folder / f"{PROGRAM}.xclbin").stat() == before
