"""Transcripts into files: text, Markdown, SRT, WebVTT, JSON, CSV."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Final

from amanuensis.daemon.documents import WORD, Row, paragraphs, table
from amanuensis.npu.atomic import whole_or_nothing
from amanuensis.stream.events import Commit, Event, SpeakerRevised, Word
from amanuensis.stream.subtitles import named_where_several, to_json, to_srt, to_text, to_vtt
from amanuensis.stream.timed_text import to_labels, to_timed_vtt, to_word_srt

MAX_WORDS: Final = 1_000_000  # about 100 hours of speech
MAX_NAME_BYTES: Final = 240  # of 255: while it is written its name is longer


class OutputError(Exception):
    """A transcript cannot be written; the message says why and what to do."""


def to_md(utterances: Iterable[Sequence[Word]]) -> str:
    """Return a document with a paragraph for each turn, or for each utterance where no speakers are known."""
    return "\n\n".join(["# Transcript", *paragraphs(_rows(named_where_several(utterances)))]) + "\n"


def to_csv(utterances: Iterable[Sequence[Word]]) -> str:
    """Return a table with the columns of a meeting's: one row for each utterance and speaker."""
    return table(_rows(utterances))


def to_word_csv(utterances: Iterable[Sequence[Word]]) -> str:
    """Return the same table with one row a word."""
    return table(
        Row(word.start_ms, word.end_ms, word.text.strip(), word.spk or "", kind=WORD)
        for words in utterances
        for word in words
        if word.text.strip()
    )


FORMATS: Final[Mapping[str, Callable[[Iterable[Sequence[Word]]], str]]] = {
    "txt": to_text,
    "md": to_md,
    "srt": to_srt,
    "vtt": to_vtt,
    "json": to_json,
    "csv": to_csv,
}
TIMED_FORMATS: Final[Mapping[str, Callable[[Iterable[Sequence[Word]]], str]]] = {  # with times of words; md has none
    "txt": to_labels,
    "srt": to_word_srt,
    "vtt": to_timed_vtt,
    "json": to_json,
    "csv": to_word_csv,
}


class Transcript:
    """The committed words of a session, by utterance, in order.

    Attributes:
        dropped: words beyond MAX_WORDS, which are not kept.

    """

    def __init__(self) -> None:
        self.dropped = 0
        self._utterances: dict[int, list[Word]] = {}
        self._n_words = 0

    def add(self, event: Event) -> None:
        """Take any event; commits carry words, and who spoke them may be put right later."""
        if isinstance(event, SpeakerRevised):
            self._revise(event)
        if not isinstance(event, Commit):
            return
        room = MAX_WORDS - self._n_words
        kept = event.words[:room]
        self.dropped += len(event.words) - len(kept)
        self._n_words += len(kept)
        self._utterances.setdefault(event.utt, []).extend(kept)

    def _revise(self, event: SpeakerRevised) -> None:
        for utt, index, spk in event.words:
            words = self._utterances.get(utt, [])
            if index < len(words):
                words[index] = replace(words[index], spk=spk)

    @property
    def shortfall(self) -> str | None:
        """What a person should know if not all words were kept."""
        return f"the last {self.dropped} words are not in the file: it holds {MAX_WORDS}" if self.dropped else None

    @property
    def utterances(self) -> list[tuple[Word, ...]]:
        """The words of each utterance."""
        return [tuple(words) for _, words in sorted(self._utterances.items())]

    @property
    def words(self) -> list[Word]:
        """All words in order."""
        return [word for words in self.utterances for word in words]

    @property
    def text(self) -> str:
        """Everything as one line."""
        return " ".join("".join(word.text for word in self.words).split())


def format_for(path: Path, wanted: str | None) -> str:
    """Return the format of an output file: what is asked for, else what its name ends in.

    Raises:
        OutputError: neither says a format that we write.

    """
    chosen = wanted or path.suffix.removeprefix(".").lower()
    if chosen not in FORMATS:
        raise OutputError(f"{path}: its name says no format: end it in .{', .'.join(FORMATS)}, or add -f FORMAT")
    return chosen


def written(chosen: str, utterances: Iterable[Sequence[Word]], *, word_times: bool = False) -> str:
    """Return a transcript in a format, with the times of its words if wanted."""
    return (TIMED_FORMATS if word_times else FORMATS)[chosen](utterances)


def _rows(utterances: Iterable[Sequence[Word]]) -> Iterator[Row]:
    for utterance in utterances:
        for spk, turn in groupby(utterance, lambda word: word.spk):
            words = list(turn)
            if text := " ".join("".join(word.text for word in words).split()):
                yield Row(words[0].start_ms, words[-1].end_ms, text, spk or "")


def check_place(path: Path) -> None:
    """Find out, before an hour is listened to, whether a file could be written.

    Raises:
        OutputError: there is a folder of that name, the name is too long, or nobody may write there.

    """
    if len(os.fsencode(path.name)) > MAX_NAME_BYTES:
        raise OutputError(f"{path.name[:40]}...: the name is too long: {MAX_NAME_BYTES} bytes are allowed")
    _refuse_folder(path)
    whole = path.absolute()
    place = next(each for each in (whole, *whole.parents) if os.access(each, os.F_OK))
    if place != whole and not place.is_dir():
        raise OutputError(f"{path}: {place} is not a folder; name another place")
    if not os.access(place, os.W_OK):
        raise OutputError(f"{path}: cannot be written (no right to write {place}); name another place")


def write_transcript(
    path: Path, chosen: str, utterances: Iterable[Sequence[Word]], *, word_times: bool = False
) -> None:
    """Write a transcript; the file appears whole or not at all.

    Raises:
        OutputError: the place is not there or may not be written.
        amanuensis.npu.atomic.WriteError: the disk is full or the folder is read-only.

    """
    text = written(chosen, utterances, word_times=word_times)
    _refuse_folder(path)
    if path.exists() and not path.is_file():
        _write_device(path, text)
        return
    with whole_or_nothing(path) as part:
        part.write_text(text, encoding="utf-8")


def _refuse_folder(path: Path) -> None:
    if path.is_dir():
        raise OutputError(f"{path}: a folder of that name exists; name a file in it, such as {path / path.name}")


def _write_device(path: Path, text: str) -> None:
    """Write into a pipe or a device, which cannot be replaced by a file."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from None
