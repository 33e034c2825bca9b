"""Where compiled programs are looked for, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.kernels.compile.manifest import MANIFEST, Manifest, Stored
from amanuensis.kernels.program import Program
from amanuensis.npu.devices.xrt import programs
from amanuensis.npu.devices.xrt.errors import ProgramError
from amanuensis.npu.devices.xrt.programs import FOLDER_VARIABLE, PROGRAM, find_programs, program_folder, user_programs


def put(folder: Path, model: str, *configurations: str) -> Path:
    """Write programs with these configurations."""
    folder.mkdir(parents=True)
    stored = {}
    for name in configurations:
        path = folder / f"{name}.xclbin"
        path.write_bytes(name.encode())
        stored[name] = Stored.of(path)
    made = Manifest(architecture="npu1", model=model, tools={}, configurations=stored, launches={})
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
        found = find_programs("npu1")
        assert (found.folder, found.manifest.model) == (place / "npu1", place.name)


def test_no_programs_is_one_line(places: tuple[Path, Path, Path]) -> None:
    """It names every place and the command that makes them; those of another architecture are none."""
    put(places[1] / "npu1", "small", "products")
    with pytest.raises(ProgramError, match="no compiled programs for npu2") as error:
        find_programs("npu2")
    assert all(str(place) in str(error.value) for place in places)
    assert "`amanuensis kernels build --device npu2` makes them" in str(error.value)


def test_damaged_programs_are_not_passed_over(places: tuple[Path, Path, Path]) -> None:
    """What the user built and lost in part is told, though the package has others."""
    put(places[2] / "npu1", "packaged", "products")
    mine = put(places[1] / "npu1", "mine", "products")
    (mine / "products.xclbin").unlink()
    with pytest.raises(ProgramError, match=r"products.xclbin: missing"):
        find_programs("npu1")


def test_a_folder_that_lies_about_its_architecture(places: tuple[Path, Path, Path]) -> None:
    """The manifest counts, not the name of the folder."""
    put(places[0] / "npu2", "small", "products")
    with pytest.raises(ProgramError, match="for npu1, and the device is npu2"):
        find_programs("npu2")


def test_the_engine_says_that_it_has_no_use_for_launches_yet(places: tuple[Path, Path, Path]) -> None:
    """Sound programs of the three configurations are found, and it is told why they are not run."""
    put(places[1] / "npu1", "base", "products", "attention", "decoder")
    with pytest.raises(ProgramError, match=r"sound programs \(attention, decoder, products; 0 launches of base\), but"):
        program_folder("npu1", simulated=False)


def test_the_one_program_of_the_engine_is_taken(places: tuple[Path, Path, Path]) -> None:
    """A folder whose manifest has it is what the runtime loads from."""
    folder = put(places[0] / "npu1", "base", PROGRAM)
    assert program_folder("npu1", simulated=False) == folder


def test_the_simulated_program_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies in the cache and says for which architecture it is."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = program_folder("npu2", simulated=True)
    assert Program.load(folder / f"{PROGRAM}.xclbin").architecture == "npu2"
    before = (folder / f"{PROGRAM}.xclbin").stat()
    assert program_folder("npu2", simulated=True) == folder
    assert (folder / f"{PROGRAM}.xclbin").stat() == before
