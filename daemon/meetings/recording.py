"""What the folder of a recorded session holds, read as it is: a daemon may still write there, nothing is repaired."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from amanuensis.daemon.meetings.model import HeardWord, Hole, Remark, Utterance
from amanuensis.daemon.spool.audio_log import Place
from amanuensis.daemon.spool.event_log import PREFIX, SUFFIX
from amanuensis.daemon.spool.event_maps import read_event
from amanuensis.daemon.spool.header import SessionHeader, read_header
from amanuensis.daemon.spool.log_file import reading
from amanuensis.stream.events import (
    Commit,
    Event,
    Gap,
    Noted,
    SpeakerRevised,
    Warning,  # noqa: A004 - the name on the wire
    Word,
)

SAME_MS = 0.01  # times are rounded to microseconds
RECOVERED = "recovered"  # code of the warning that a session tells which another process has taken up


@dataclass(slots=True)
class Recording:
    """A recorded session; times are its own.

    Attributes:
        header: what it is.
        words: of each utterance.
        ended: why it is over; empty when it is not, or that was lost.
        repaired: it was taken up again by another process.
        position: bytes of its sound, holes included.

    """

    header: SessionHeader
    words: dict[int, list[Word]] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)
    holes: list[Hole] = field(default_factory=list)
    ended: str = ""
    repaired: bool = False
    position: int = 0

    @property
    def duration_ms(self) -> float:
        """Of its sound, as far as its events know."""
        return 1000 * self.position / self.header.audio.bytes_per_s

    def utterances(self) -> Iterator[Utterance]:
        """Yield what was said, cut where the speaker changes."""
        for utt, words in sorted(self.words.items()):
            yield from cut_by_speaker(utt, words)

    def take(self, event: Event) -> None:
        """Take the next event."""
        match event:
            case Commit(utt=utt, words=words):
                self.words.setdefault(utt, []).extend(words)
            case SpeakerRevised(words=changes):
                for utt, index, spk in changes:
                    self._revise(utt, index, spk)
            case Gap(start_ms=start_ms, end_ms=end_ms, why=why):
                before = self.holes.pop() if self.holes and self._goes_on(start_ms, why) else None
                self.holes.append(Hole(before.start_ms if before else start_ms, end_ms, why))
            case Noted(id=label, at_ms=at_ms, text=text):
                self.remarks.append(Remark(str(label), at_ms, text))
            case Warning(code=code):
                self.repaired = self.repaired or code == RECOVERED

    def _goes_on(self, start_ms: float, why: str) -> bool:
        """Whether a gap is the rest of the one before: long ones are told in parts."""
        return self.holes[-1].why == why and abs(self.holes[-1].end_ms - start_ms) < SAME_MS

    def _revise(self, utt: int, index: int, spk: str) -> None:
        words = self.words.get(utt, [])
        if 0 <= index < len(words):
            word = words[index]
            words[index] = Word(word.text, word.start_ms, word.end_ms, word.conf, spk)


def cut_by_speaker(utt: int, words: Iterable[Word]) -> Iterator[Utterance]:
    """Yield the words of an utterance, cut where the speaker changes."""
    for spk, run in groupby(words, lambda word: word.spk):
        heard = tuple(HeardWord(word.text, word.start_ms, word.end_ms, word.conf) for word in run)
        yield Utterance(utt, spk, heard)


def read_recording(folder: Path) -> Recording:
    """Read the events of a recorded session, as far as they are whole.

    Raises:
        amanuensis.daemon.spool.log_file.SpoolError: its header or its events cannot be read.

    """
    recording = Recording(read_header(folder))
    for path in sorted(folder.glob(f"{PREFIX}*{SUFFIX}")):
        with reading(path) as reader:
            for record in reader:
                try:
                    _take_record(recording, record)
                except ValueError as error:
                    reader.reject(str(error))
    return recording


def _take_record(recording: Recording, record: Mapping[str, object]) -> None:
    said = record.get("e")
    if record.get("k") in ("said", "step") and isinstance(said, list):
        for item in said:
            _, event = read_event(item)
            recording.take(event)
    if record.get("k") == "step":
        recording.position = max(recording.position, Place.from_plain(record.get("p")).position)
        ended = record.get("end")
        recording.ended = ended if isinstance(ended, str) else recording.ended
