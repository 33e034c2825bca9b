"""Folders of compiled programs: what is damaged, incomplete or foreign is refused before anything is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from amanuensis.kernels.compile.manifest import (
    MANIFEST,
    BuiltLaunch,
    Manifest,
    ManifestError,
    Stored,
    load_manifest,
)
from amanuensis.kernels.compile.template import Variable
from amanuensis.kernels.program import VERSION
from tests.helpers.toolchain_stand_ins import changed

VARIABLES = (Variable("base", 1, 0, 1 << 20, 64), Variable("parameter", 0, 1, 448))


def programs(folder: Path) -> Manifest:
    """Write programs of one configuration with one launch."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.xclbin").write_bytes(b"array")
    (folder / "b.insts").write_bytes(b"instructions")
    (folder / "c.patch").write_bytes(b"patches")
    files = Stored.of(folder / "b.insts"), Stored.of(folder / "c.patch")
    launch = BuiltLaunch("products", "AddRows of 3 rows", *files, VARIABLES)
    made = Manifest(
        architecture="npu1",
        target="npu",
        model="small",
        tools={"peano": "1"},
        configurations={"products": Stored.of(folder / "a.xclbin")},
        launches={"products/abc": launch},
        lacking=("Select of the decoder",),
    )
    (folder / MANIFEST).write_text(made.to_json())
    return made


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """All of it, what varies in the words of a launch too."""
    made = programs(tmp_path)
    found = load_manifest(tmp_path, "npu1")
    assert found == made
    assert found.launches["products/abc"].variables == VARIABLES
    assert [stored.file for stored in found.files()] == ["a.xclbin", "b.insts", "c.patch"]


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent": (
        lambda folder: (folder / MANIFEST).unlink(),
        "no manifest.json, so nobody knows what these programs are",
    ),
    "empty": (lambda folder: (folder / MANIFEST).write_text(""), "damaged"),
    "a list": (lambda folder: (folder / MANIFEST).write_text("[]"), "damaged"),
    "half": (lambda folder: (folder / MANIFEST).write_text((folder / MANIFEST).read_text()[:99]), "damaged"),
    "a field": (lambda folder: changed(folder / MANIFEST, launches=7), "damaged"),
    "more": (lambda folder: changed(folder / MANIFEST, surprise=7), "damaged .*surprise"),
    "outside": (
        lambda folder: changed(folder / MANIFEST, configurations={"a": {"file": "../a", "n_bytes": 1, "sha256": ""}}),
        "'../a' is no name of a file in the folder",
    ),
    "version": (
        lambda folder: changed(folder / MANIFEST, version=VERSION + 1),
        f"version {VERSION + 1}, and this Amanuensis takes {VERSION}",
    ),
    "format": (lambda folder: changed(folder / MANIFEST, format=9), "format 9, and this Amanuensis takes 2"),
    "missing": (lambda folder: (folder / "b.insts").unlink(), "b.insts: missing, though manifest.json names it"),
    "unpatched": (lambda folder: (folder / "c.patch").unlink(), "c.patch: missing, though manifest.json names it"),
    "truncated": (lambda folder: (folder / "a.xclbin").write_bytes(b"arr"), "a.xclbin: 3 bytes, and 5 were compiled"),
    "changed": (lambda folder: (folder / "a.xclbin").write_bytes(b"arraz"), "a.xclbin: changed since it was compiled"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_one_line_that_says_what_to_do(tmp_path: Path, kind: str) -> None:
    """File, what is wrong with it, and the command that makes it again."""
    programs(tmp_path)
    damage, message = DAMAGE[kind]
    damage(tmp_path)
    with pytest.raises(ManifestError, match=message) as error:
        load_manifest(tmp_path, "npu1")
    assert str(tmp_path) in str(error.value)
    assert str(error.value).endswith("; run `amanuensis kernels build` again")
    assert "\n" not in str(error.value)


def test_programs_of_another_architecture(tmp_path: Path) -> None:
    """They are not given to a device that cannot run them."""
    programs(tmp_path)
    with pytest.raises(ManifestError, match="for npu1, and the device is npu2; run `amanuensis kernels build --device"):
        load_manifest(tmp_path, "npu2")


def test_the_manifest_is_plain_json(tmp_path: Path) -> None:
    """Other programs can read it."""
    programs(tmp_path)
    fields = json.loads((tmp_path / MANIFEST).read_text())
    assert (fields["architecture"], fields["model"], fields["lacking"]) == ("npu1", "small", ["Select of the decoder"])
