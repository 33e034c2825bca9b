"""The store's files equal those of the folder after every look, however the folder has changed."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanuensis.daemon.fronts.messages import Patch
from amanuensis.daemon.fronts.mirror import Look, look, seen_in
from amanuensis.daemon.fronts.vault import Vault, VaultError

NAMES = ("session.log", "audio-00000000.log", "audio-00000001.log", "events-00000000.log", "voices-00000000.log")
OTHERS = ("events-00000000.log.new", "sound-000000000000000.flac", "notes.txt")
STEP = st.tuples(
    st.sampled_from(("append", "cut", "rewrite", "remove")), st.sampled_from(NAMES + OTHERS), st.binary(max_size=40)
)


def change(folder: Path, kind: str, name: str, data: bytes) -> None:
    """Change a file as the logs of a session do."""
    path = folder / name
    if kind == "append":
        with path.open("ab") as file:
            file.write(data)
    elif kind == "rewrite":
        other = folder / "other"
        other.write_bytes(data)
        other.replace(path)
    elif kind == "remove":
        path.unlink(missing_ok=True)
    elif path.exists():
        os.truncate(path, path.stat().st_size // 2)


def sizes(found: Look) -> dict[str, int]:
    """Return what the front says of its files."""
    return {name: size for name, (_, size) in found.seen.items()}


@settings(max_examples=60)
@given(st.lists(st.tuples(STEP, st.booleans()), max_size=20))
def test_the_store_has_what_the_folder_has(steps: list[tuple[tuple[str, str, bytes], bool]]) -> None:
    """A look sends what has changed since the last one that was taken, and nothing else."""
    with TemporaryDirectory() as place:
        folder, vault, found = Path(place) / "folder", Vault(Path(place) / "vault", 2**20), Look()
        folder.mkdir()
        for (kind, name, data), is_taken in [*steps, (("append", NAMES[0], b"end"), True)]:
            change(folder, kind, name, data)
            new = look(folder, found.seen)
            if is_taken or kind != "append":  # a log is rewritten or cut once in its life, and does not go on then
                assert vault.fits("s", new.patches, sizes(new))
                for _ in range(2):  # an answer was lost
                    vault.apply("s", new.patches)
                found = new
                assert vault.read("s") == {
                    path.name: path.read_bytes() for path in folder.glob("*") if path.name in NAMES
                }
                assert vault.used == sum(sizes(new).values())
                assert look(folder, found.seen).patches == ()
        vault.close()


def test_a_store_that_has_less_is_found_out(tmp_path: Path) -> None:
    """What goes on where the store's file does not reach is not taken, nor what leaves out a file it has not."""
    vault = Vault(tmp_path, 2**20)
    vault.apply("s", [Patch(NAMES[0], 0, b"abc")])
    assert vault.fits("s", [Patch(NAMES[0], 3, b"d")], {NAMES[0]: 4})
    assert not vault.fits("s", [Patch(NAMES[0], 4, b"d")], {NAMES[0]: 5})
    assert not vault.fits("s", [Patch(NAMES[0], 3, b"d")], {NAMES[0]: 4, NAMES[1]: 10})


def test_a_vault_goes_on_where_it_was_left(tmp_path: Path) -> None:
    """Files and index are there again, and nobody else may use the folder meanwhile."""
    vault = Vault(tmp_path, 2**20)
    vault.apply("s", [Patch(NAMES[0], 0, b"abc")])
    vault.write_index({"sessions": {}})
    with pytest.raises(VaultError, match="another store"):
        Vault(tmp_path, 2**20)
    vault.close()
    again = Vault(tmp_path, 2**20)
    assert (again.read("s"), again.used, again.read_index()) == ({NAMES[0]: b"abc"}, 3, {"sessions": {}})


@pytest.mark.parametrize(("session", "name"), [("../s", NAMES[0]), ("s", "../session.log"), ("s", "lock")])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, session: str, name: str) -> None:
    """Names that no session and no file of one has are refused."""
    with pytest.raises(VaultError):
        Vault(tmp_path, 2**20).apply(session, [Patch(name, 0, b"x")])


def test_a_vault_is_bounded(tmp_path: Path) -> None:
    """It says when there is no room; what is removed gives room."""
    vault = Vault(tmp_path, 2**10)
    vault.apply("s", [Patch(NAMES[0], 0, bytes(1000))])
    assert not vault.has_room([Patch(NAMES[0], 1000, bytes(100))])
    vault.remove("s")
    assert vault.has_room([Patch(NAMES[0], 0, bytes(100))])


def test_files_that_are_there_are_seen(tmp_path: Path) -> None:
    """What was laid down from the store is not sent back."""
    (tmp_path / NAMES[0]).write_bytes(b"abc")
    assert look(tmp_path, seen_in(tmp_path)).patches == ()
    assert look(None, seen_in(tmp_path)).patches == (Patch(NAMES[0]),)
