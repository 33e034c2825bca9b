"""What an archive is made of: files and what is to be written of each, from a manifest or a folder.

A manifest is JSON lines (an object with `file` a line) or plain text (a path a line); paths are relative to its folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from amanuensis.daemon.archive.errors import ArchiveError
from amanuensis.daemon.outputs import OutputError, format_for

MAX_ENTRIES: Final = 200_000
MAX_LINE_BYTES: Final = 64 * 1024
MAX_TITLE_CHARS: Final = 500
KEYS: Final = ("file", "outputs", "language", "title")
COMMENT: Final = "#"
# Endings of sound and film that libsndfile or PyAV read; what else lies in a folder is left out.
SOUND: Final = "aac aif aifc aiff amr ape au caf flac m4a m4b mka mp3 oga ogg opus rf64 snd tta w64 wav wma wv"
FILM: Final = "avi flv m4v mkv mov mp4 mpeg mpg mxf webm wmv"
SOUND_SUFFIXES: Final = frozenset(f".{ending}" for ending in f"{SOUND} {FILM}".split())


class ManifestError(ArchiveError):
    """A manifest or folder cannot be worked on; the message says where and what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file and what is wanted of it.

    Attributes:
        file: absolute.
        name: as the manifest calls it.
        where: its place in the manifest, for messages.
        outputs: files to be written and their formats.
        language: of the speech; None: as the settings say.
        title: of the meeting that it becomes.

    """

    file: Path
    name: str
    where: str
    outputs: tuple[tuple[Path, str], ...] = ()
    language: str | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Where results go of entries that do not say it.

    Attributes:
        folder: below it, the tree of the sound files is made again; None: only entries with `outputs` have any.
        formats: of each file.

    """

    folder: Path | None = None
    formats: Sequence[str] = ("txt",)

    def outputs(self, file: Path, root: Path) -> tuple[tuple[Path, str], ...]:
        """Return the files to be written of a sound file, which lies below `root` or anywhere."""
        if self.folder is None:
            return ()
        inside = file.relative_to(root) if file.is_relative_to(root) else Path(file.name)
        place = self.folder / (file.name if ".." in inside.parts else inside)
        return tuple((place.with_name(f"{file.stem}.{chosen}"), chosen) for chosen in dict.fromkeys(self.formats))


def read_manifest(place: Path, layout: Layout) -> list[Entry]:
    """Return what is to be done, in order.

    Args:
        place: a manifest, or a folder: all sound files below it, by name.
        layout: where results go.

    Raises:
        ManifestError: it cannot be read, a line of it is wrong, a file stands in it twice, or an output would replace
            another one or a sound file.

    """
    place = place.absolute()
    entries = list(_of_folder(place, layout)) if place.is_dir() else list(_of_file(place, layout))
    if not entries:
        what = "no sound files lie below it" if place.is_dir() else "it names no files"
        raise ManifestError(f"{place}: {what}")
    check_distinct(entries, place)
    return entries


def named_entries(names: Sequence[str], layout: Layout) -> list[Entry]:
    """Return what is to be done of files and folders that are named one by one, as `read_manifest` does."""
    entries: list[Entry] = []
    for name in names:
        place = Path(name).absolute()
        if place.is_dir():
            entries += _of_folder(place, layout)
        else:
            entries.append(Entry(place, name, name, layout.outputs(place, place.parent)))
    if not entries:
        raise ManifestError(f"{', '.join(names)}: no sound files lie below")
    check_distinct(entries)
    return entries


def sound_files(folder: Path) -> Iterator[Path]:
    """Yield the sound files below a folder, sorted; hidden ones and links to folders are left out.

    Raises:
        ManifestError: there are more than MAX_ENTRIES, or a folder cannot be read.

    """

    def refuse(error: OSError) -> None:
        raise ManifestError(f"{error.filename}: the folder cannot be read: {error.strerror}")

    n_found = 0
    for here, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in SOUND_SUFFIXES:
                n_found += 1
                _check_count(n_found, folder)
                yield Path(here, name)


def check_distinct(entries: Iterable[Entry], *others: Path) -> None:
    """Refuse files that stand twice, and outputs that would replace each other, a sound file or another one.

    Raises:
        ManifestError: there are some.

    """
    sounds: dict[Path, Entry] = {}
    for entry in entries:
        if (other := sounds.setdefault(entry.file.resolve(), entry)) is not entry:
            raise ManifestError(f"{entry.where}: {entry.name} stands there twice, first at {other.where}; leave one")
    taken = {path.resolve(): str(path) for path in others}
    taken |= {file: entry.name for file, entry in sounds.items()}
    for entry in sounds.values():
        for path, _ in entry.outputs:
            whole = path.resolve()
            if whole in taken:
                raise ManifestError(
                    f"{entry.where}: {path} would replace {taken[whole]} or its result; give `outputs` in a manifest"
                )
            taken[whole] = entry.name


def _of_folder(folder: Path, layout: Layout) -> Iterator[Entry]:
    for file in sound_files(folder):
        name = str(file.relative_to(folder))
        yield Entry(file, name, str(file), layout.outputs(file, folder))


def _of_file(manifest: Path, layout: Layout) -> Iterator[Entry]:
    is_json: bool | None = None
    n_found = 0
    for number, line in _lines(manifest):
        where = f"{manifest}, line {number}"
        if is_json is None:
            is_json = line.startswith("{")
        if not is_json and line.startswith(COMMENT):
            continue
        n_found += 1
        _check_count(n_found, manifest)
        try:
            fields = _object(line) if is_json else {"file": line}
            yield _entry(fields, where, manifest.parent, layout)
        except ValueError as error:
            raise ManifestError(f"{where}: {error}") from None


def _check_count(n_found: int, place: Path) -> None:
    if n_found > MAX_ENTRIES:
        raise ManifestError(f"{place}: more than {MAX_ENTRIES} files; make several archives of it")


def _lines(manifest: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines that are not empty."""
    try:
        with manifest.open("rb") as file:
            number = 0
            while line := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(line) > MAX_LINE_BYTES:
                    raise ManifestError(f"{manifest}, line {number}: longer than {MAX_LINE_BYTES} bytes: no manifest")
                if b"\0" in line:
                    raise ManifestError(f"{manifest}, line {number}: not text: a manifest names a file a line")
                if text := os.fsdecode(line).strip():
                    yield number, text
    except OSError as error:
        raise ManifestError(f"{manifest}: cannot be read: {error.strerror}") from None


def _object(line: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ValueError('not a JSON object such as {"file": "talk.wav"}')
    if unknown := sorted(fields.keys() - set(KEYS)):
        raise ValueError(f"unknown key {unknown[0]!r}; there is {', '.join(KEYS)}")
    return fields


def _entry(fields: dict[str, Any], where: str, root: Path, layout: Layout) -> Entry:
    name = _text(fields, "file")
    if name is None:
        raise ValueError('"file" is missing')
    file = (root / name).absolute()
    outputs = _outputs(fields, layout.folder or root) if "outputs" in fields else layout.outputs(file, root)
    return Entry(file, name, where, outputs, _text(fields, "language"), _text(fields, "title"))


def _outputs(fields: dict[str, Any], folder: Path) -> tuple[tuple[Path, str], ...]:
    names = fields["outputs"]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError('"outputs" must be a list of file names such as ["talk.txt", "talk.srt"]')
    try:
        return tuple((path := _place(folder, name), format_for(path, None)) for name in names)
    except OutputError as error:
        raise ValueError(str(error).replace(", or add -f FORMAT", "")) from None


def _place(folder: Path, name: str) -> Path:
    _check_name(name)
    return (folder / name).absolute()


def _text(fields: dict[str, Any], key: str) -> str | None:
    value = fields.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f'"{key}" must be text, not {json.dumps(value)[:40]}')
    if key == "title" and len(value) > MAX_TITLE_CHARS:
        raise ValueError(f'"title" is longer than {MAX_TITLE_CHARS} characters')
    _check_name(value)
    return value


def _check_name(value: str) -> None:
    """Refuse what no file system and no terminal takes; what is not UTF-8 must stand as it is, not as half a letter."""
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        raise ValueError("a name holds half a surrogate pair") from None
    if "\0" in value:
        raise ValueError("a name holds a NUL character")
