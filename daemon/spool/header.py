"""What a session is, written once when it opens: its names, its sound, what was asked of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Literal

from amanuensis.daemon.meetings.label import MeetingLabel
from amanuensis.daemon.protocol import Options
from amanuensis.daemon.spool.clock import Stamp
from amanuensis.daemon.spool.event_maps import build
from amanuensis.daemon.spool.log_file import UNFINISHED, LogFile, SpoolError, explained, reading, sync_folder
from amanuensis.stream.formats import AudioFormat

Source = Literal["client", "input"]
NAME: Final = "session.log"
FORMAT_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class SessionHeader:
    """A session as it was opened.

    Attributes:
        id: its public name.
        resume_token: what its speaker alone knows.
        audio: the format of its sound.
        options: what its hello asked for.
        model: the engine's; a checkpoint is of use to the same model only.
        source: a client, or an input of the daemon's own.
        recorded: it lives in the folder for recordings and is kept.
        opened: when.
        meeting: that it is a track of.

    """

    id: str
    resume_token: str = field(repr=False)
    audio: AudioFormat
    options: Options
    model: str
    source: Source
    recorded: bool
    opened: Stamp
    meeting: MeetingLabel | None = None

    def write(self, folder: Path) -> None:
        """Write it to its session's folder, whole or not at all.

        Raises:
            SpoolError: it cannot be written.

        """
        path = folder / (NAME + UNFINISHED)
        file = LogFile(path)
        try:
            file.append({"k": "session", "v": FORMAT_VERSION, "session": asdict(self)})
            file.sync()
        finally:
            file.close()
        try:
            path.replace(folder / NAME)
        except OSError as error:
            raise explained(path, error) from None
        sync_folder(folder)


def read_header(folder: Path) -> SessionHeader:
    """Read the header of a session's folder.

    Raises:
        SpoolError: there is none, or it is not as it should be.

    """
    path = folder / NAME
    with reading(path) as reader:
        record = next(iter(reader), {})
    try:
        if reader.torn or record.get("v") != FORMAT_VERSION:
            raise ValueError(reader.torn or f"version {record.get('v')}; this program knows {FORMAT_VERSION}")
        return build(SessionHeader, record.get("session"), "session")
    except ValueError as error:
        raise SpoolError(f"{path}: {error}; this session cannot be taken up again") from None
