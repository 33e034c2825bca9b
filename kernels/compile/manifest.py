"""What a folder of compiled programs holds: `manifest.json`, with the size and the hash of every file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from amanuensis.kernels.compile.cache import file_digest
from amanuensis.kernels.compile.template import Variable
from amanuensis.kernels.program import VERSION, Architecture

Target: TypeAlias = Literal["npu", "sim"]
MANIFEST: Final = "manifest.json"
FORMAT: Final = 2
_AGAIN: Final = "run `amanuensis kernels build` again"


class ManifestError(ValueError):
    """A folder of programs that cannot be used; the message names it, what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A compiled file: its name in the folder, its size and its SHA-256."""

    file: str
    n_bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Stored:
        """Describe a file."""
        return cls(path.name, path.stat().st_size, file_digest(path))


@dataclass(frozen=True, slots=True)
class BuiltLaunch:
    """The instructions of a launch.

    Attributes:
        configuration: on which they run.
        what: its operators and sizes, for people.
        instructions: the file: words without what varies in them.
        patches: the file: which words depend on which variable, and how.
        variables: what varies.

    """

    configuration: str
    what: str
    instructions: Stored
    patches: Stored
    variables: tuple[Variable, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was compiled.

    Attributes:
        architecture: for which it runs.
        target: "npu", or "sim" for the emulator.
        model: whose dispatches it has.
        tools: version of each tool.
        configurations: the xclbin of each.
        launches: by `<configuration>/<key of the template>`.
        lacking: operators that no design computes, in words.
        version: of the operators' encoding and meaning (`kernels.program.VERSION`).
        format: of this description.

    """

    architecture: Architecture
    target: Target
    model: str
    tools: dict[str, str]
    configurations: dict[str, Stored]
    launches: dict[str, BuiltLaunch]
    lacking: tuple[str, ...] = field(default=())
    version: int = VERSION
    format: int = FORMAT

    def files(self) -> list[Stored]:
        """Return every file, each once."""
        built = self.launches.values()
        return list(
            {
                stored.file: stored
                for stored in (
                    *self.configurations.values(),
                    *(file for one in built for file in (one.instructions, one.patches)),
                )
            }.values()
        )

    def to_json(self) -> str:
        """Return the text of the file."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


def load_manifest(folder: Path, architecture: Architecture) -> Manifest:
    """Read and check a folder of programs; every file must be there as it was written.

    Raises:
        ManifestError: it has no manifest or a damaged one, is for another architecture or version, or a file is
            missing, truncated or changed.

    """
    manifest = _read(folder / MANIFEST)
    if manifest.architecture != architecture:
        raise ManifestError(
            f"{folder}: these programs are for {manifest.architecture}, and the device is {architecture}; "
            f"run `amanuensis kernels build --device {architecture}`"
        )
    for stored in manifest.files():
        _check_file(folder / stored.file, stored)
    return manifest


def _read(path: Path) -> Manifest:
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = {name: int(fields[name]) for name in ("format", "version")}
    except FileNotFoundError:
        raise ManifestError(
            f"{path.parent}: no {MANIFEST}, so nobody knows what these programs are; {_AGAIN}"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ManifestError(f"{path}: damaged ({type(error).__name__}: {error}); {_AGAIN}") from None
    for name, wanted in (("format", FORMAT), ("version", VERSION)):
        if found[name] != wanted:
            raise ManifestError(f"{path}: {name} {found[name]}, and this Amanuensis takes {wanted}; {_AGAIN}")
    try:
        return _manifest(fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(f"{path}: damaged ({type(error).__name__}: {error}); {_AGAIN}") from None


def _manifest(fields: dict[str, Any]) -> Manifest:
    launches = {
        name: BuiltLaunch(
            each["configuration"],
            each["what"],
            _stored(each["instructions"]),
            _stored(each["patches"]),
            tuple(Variable(**variable) for variable in each["variables"]),
        )
        for name, each in fields["launches"].items()
    }
    configurations = {name: _stored(each) for name, each in fields["configurations"].items()}
    read = {"configurations": configurations, "launches": launches, "lacking": tuple(fields["lacking"])}
    return Manifest(**(fields | read))


def _stored(fields: dict[str, Any]) -> Stored:
    stored = Stored(str(fields["file"]), int(fields["n_bytes"]), str(fields["sha256"]))
    if Path(stored.file).name != stored.file:
        raise ValueError(f"{stored.file!r} is no name of a file in the folder")
    return stored


def _check_file(path: Path, stored: Stored) -> None:
    try:
        n_bytes = path.stat().st_size
        if n_bytes != stored.n_bytes:
            raise ManifestError(f"{path}: {n_bytes} bytes, and {stored.n_bytes} were compiled: truncated; {_AGAIN}")
        if file_digest(path) != stored.sha256:
            raise ManifestError(f"{path}: changed since it was compiled (another SHA-256); {_AGAIN}")
    except FileNotFoundError:
        raise ManifestError(f"{path}: missing, though {MANIFEST} names it; {_AGAIN}") from None
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}; {_AGAIN}") from None
