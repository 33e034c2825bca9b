"""Captions for a person at a terminal, for a pipe, and for a program.

Events are maps as in the native protocol, so that the same printers serve `listen`, `watch` and `demo`.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TextIO, TypeAlias

from amanuensis.daemon.commands.common import CONTROL
from amanuensis.stream.timed_text import label
from amanuensis.stream.voice_names import is_letters

if TYPE_CHECKING:
    from rich.text import Text

WireEvent: TypeAlias = Mapping[str, Any]
FLOOR_DBFS: Final = -60.0  # shown as silence
METER_CELLS: Final = 10
REDRAW_S: Final = 0.08  # about 12 pictures a second: enough for reading, little work
STATUS_LINES: Final = 2
MAX_OPEN: Final = 8  # utterances that are not final yet; the session has one, two for a moment
GREY: Final = "bright_black"
SHORT_MS: Final = 100.0


class Printer(Protocol):
    """Shows events."""

    def show(self, event: WireEvent) -> None:
        """Take the next event."""
        ...

    def status(self, level_dbfs: float | None, lag_ms: float | None, source: str = "") -> None:
        """Take how loud the source is, how far behind the captions are, and what is heard, where it is known."""
        ...

    def device(self, encoder: str, decoder: str) -> None:
        """Take where it is computed."""
        ...

    def close(self) -> None:
        """Leave the output tidy."""
        ...


@dataclass(slots=True)
class Run:
    """A word, or words of one speaker in a row; None: nobody is known."""

    spk: str | None
    text: str


class Company:
    """Who has spoken: a letter says something only beside another, a name always.

    Attributes:
        are_named: speakers are told by name.

    """

    def __init__(self) -> None:
        self.are_named = False
        self._only: str | None = None  # who spoke, while there was only one

    def meet(self, spk: str | None) -> None:
        """Take note of who speaks."""
        if spk is not None:
            self.are_named = self.are_named or not is_letters(spk) or self._only not in (None, spk)
            self._only = spk


class Captions:
    """What is to be seen: the words of the utterances that are not over, and the lines of those that are.

    A speaker's name stands before the first words of each turn, where events have speakers; not while all that is known
    of the only one is a letter. Pure: events in, text out.
    """

    def __init__(self) -> None:
        self._committed: dict[int, list[Run]] = {}  # word by word
        self._company = Company()
        self._before: dict[int, int] = {}  # words of the newest utterances that a snapshot told
        self._partial: dict[int, str] = {}
        self._turn: str | None = None  # who speaks now
        self._spk: str | None = None  # of the last line

    @property
    def committed(self) -> str:
        """Words that stay, of the utterances that are not over."""
        text, spk = "", self._spk
        for utt in sorted(self._committed):
            for run in joined(self._committed[utt]):
                named = self._company.are_named and run.spk not in (None, spk)
                text += f" {run.spk}:{run.text}" if named else run.text
                spk = run.spk
        return text.lstrip()

    @property
    def partial(self) -> str:
        """Words that may change."""
        text = "".join(self._partial[utt] for utt in sorted(self._partial))
        return text if self._committed else text.lstrip()

    def apply(self, event: WireEvent) -> str | None:
        """Take an event; returns the line of an utterance that is over, or a line about lost sound."""
        kind = event["type"]
        if kind == "partial":
            self._partial[event["utt"]] = event["text"]
        elif kind == "commit":
            self._commit(self._committed.setdefault(event["utt"], []), event["words"])
            self._partial.pop(event["utt"], None)
        elif kind == "turn":
            self._turn = event["spk"]
        elif kind == "speaker_revised":
            self._revise(event["words"])
        elif kind == "final":
            runs = self._committed.pop(event["utt"], [])
            self._partial.pop(event["utt"], None)
            is_rest = event["utt"] in self._before or any(run.spk for run in runs)
            return (self._lines(runs) if is_rest else one_line(event["text"])) or None
        elif kind == "snapshot":
            return self._join(event) or None
        elif kind == "warning" and event["code"] == "speakers_stopped":
            self._turn = None
        self._bound()
        return notice(event)

    def _commit(self, runs: list[Run], words: Iterable[Mapping[str, Any]]) -> None:
        for word in words:
            spk = word.get("spk", self._turn)
            runs.append(Run(spk, word["text"]))
            self._company.meet(spk)

    def _join(self, snapshot: WireEvent) -> str:
        """Return the lines of a snapshot; of an utterance that goes on only the rest is told after them."""
        runs: list[Run] = []
        self._committed.clear()
        self._commit(runs, snapshot["words"])
        self._before = {place["utt"]: place["i"] + place["n"] for place in snapshot["places"][-2:]}
        return self._lines(runs) if any(run.spk for run in runs) else one_line(snapshot["text"])

    def _revise(self, words: Iterable[Mapping[str, Any]]) -> None:
        """Give words of utterances that are not over to other speakers; lines that are out stay."""
        for word in words:
            runs = self._committed.get(word["utt"], [])
            self._company.meet(word["spk"])
            k = word["i"] - self._before.get(word["utt"], 0)
            if 0 <= k < len(runs):
                runs[k].spk = word["spk"]

    def _lines(self, runs: list[Run]) -> str:
        """Return a line for each turn, while speakers are named, else one."""
        if not self._company.are_named:
            self._spk = runs[-1].spk if runs else self._spk
            return one_line("".join(run.text for run in runs))
        lines = []
        for run in joined(runs):
            named = "" if run.spk in (None, self._spk) else f"{one_line(run.spk or '')}: "
            lines.append(named + one_line(run.text))
            self._spk = run.spk
        return "\n".join(lines)

    def _bound(self) -> None:
        for texts in (self._committed, self._partial):
            while len(texts) > MAX_OPEN:
                del texts[min(texts)]


def joined(words: Iterable[Run]) -> list[Run]:
    """Return words as runs of one speaker each."""
    runs: list[Run] = []
    for word in words:
        if runs and runs[-1].spk == word.spk:
            runs[-1].text += word.text
        else:
            runs.append(Run(word.spk, word.text))
    return runs


class JsonLines:
    """Every event as one JSON line, for programs."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, event: WireEvent) -> None:
        print(json.dumps(event, ensure_ascii=False, separators=(",", ":")), file=self._out, flush=True)

    def status(self, level_dbfs: float | None, lag_ms: float | None, source: str = "") -> None:
        """Not an event."""

    def device(self, encoder: str, decoder: str) -> None:
        """Finals tell it."""

    def close(self) -> None:
        self._out.flush()


class PlainLines:
    """One line of clean text for every utterance, for pipes and files; notices go elsewhere."""

    def __init__(self, out: TextIO, say: Callable[[str], None]) -> None:
        self._out = out
        self._say = say
        self._captions = Captions()

    def show(self, event: WireEvent) -> None:
        line = self._captions.apply(event)
        if line is None:
            return
        if event["type"] in ("final", "snapshot"):
            print(line, file=self._out, flush=True)
        else:
            self._say(line)

    def status(self, level_dbfs: float | None, lag_ms: float | None, source: str = "") -> None:
        """Nobody looks."""

    def device(self, encoder: str, decoder: str) -> None:
        """Nobody looks."""

    def close(self) -> None:
        self._out.flush()


class WordLines:
    """One line for every committed word with its times (`amanuensis.stream.timed_text.label`); notices go elsewhere.

    A speaker's name stands before the first word of each turn, once more than one letter is known.
    """

    def __init__(self, out: TextIO, say: Callable[[str], None]) -> None:
        self._out = out
        self._say = say
        self._company = Company()
        self._spk: str | None = None

    def show(self, event: WireEvent) -> None:
        if line := notice(event):
            self._say(line)
        if event["type"] not in ("commit", "snapshot"):
            return
        for word in event["words"]:
            spk = word.get("spk")
            self._company.meet(spk)
            is_turn = self._company.are_named and spk not in (None, self._spk)
            named = f"{spk}:{word['text']}" if is_turn else word["text"]
            print(label(word["from"], word["to"], printable(named)), file=self._out, flush=True)
            self._spk = spk

    def status(self, level_dbfs: float | None, lag_ms: float | None, source: str = "") -> None:
        """Nobody looks."""

    def device(self, encoder: str, decoder: str) -> None:
        """Nobody looks."""

    def close(self) -> None:
        self._out.flush()


class TerminalCaptions:
    """Live captions in a terminal: committed words plain, partial words grey, below them level and lag.

    Finished utterances scroll up and stay.

    Args:
        out: the terminal.
        hint: what stands at the end of the status line, such as how to stop.
        clock: seconds, for the rate of redrawing.

    """

    def __init__(self, out: TextIO, hint: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=out, highlight=False, soft_wrap=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._captions = Captions()
        self._hint = hint
        self._clock = clock
        self._drawn_s = -math.inf
        self._level_dbfs: float | None = None
        self._lag_ms: float | None = None
        self._source = ""
        self._device = ""
        self._live.start()

    def show(self, event: WireEvent) -> None:
        from rich.text import Text

        line = self._captions.apply(event)
        if event["type"] == "stats":
            self._lag_ms = event["lag_ms"]
        if engine := event.get("engine"):  # of a final: where it was really computed
            self.device(engine["encoder"], engine["decoder"])
        if line is not None:
            self._live.update(self._picture())  # the line must not be seen twice
            self._console.print(Text(line, style="" if event["type"] in ("final", "snapshot") else "yellow"))
        self._draw(at_once=event["type"] in ("final", "partial"))

    def device(self, encoder: str, decoder: str) -> None:
        self._device = encoder if encoder == decoder else f"{encoder}/{decoder}"

    def status(self, level_dbfs: float | None, lag_ms: float | None, source: str = "") -> None:
        self._level_dbfs = level_dbfs
        self._source = source
        self._lag_ms = self._lag_ms if lag_ms is None else lag_ms
        self._draw(at_once=False)

    def close(self) -> None:
        self._live.stop()

    def _draw(self, *, at_once: bool) -> None:
        now = self._clock()
        if at_once or now - self._drawn_s >= REDRAW_S:
            self._drawn_s = now
            self._live.update(self._picture(), refresh=True)

    def _picture(self) -> Text:
        from rich.text import Text

        words = Text(one_line(self._captions.committed))
        words.append(printable(self._captions.partial), style=GREY)
        names = (one_line(self._source), one_line(self._device), self._hint)
        status = Text(status_line(self._level_dbfs, self._lag_ms, *names), style=GREY)
        room = max(1, self._console.height - STATUS_LINES - 1)
        return Text("\n").join([*self._lines(words)[-room:], *self._lines(status)[:STATUS_LINES]])

    def _lines(self, text: Text) -> list[Text]:
        """Return what the terminal would make of a text."""
        return list(text.wrap(self._console, self._console.width)) if text else []


def make_printer(
    out: TextIO, say: Callable[[str], None], *, as_json: bool, word_times: bool = False, hint: str = ""
) -> Printer:
    """Return the printer for where the output goes.

    Args:
        out: standard output.
        say: prints one line for a person elsewhere.
        as_json: a program reads it.
        word_times: each word is a line of its own, with its times.
        hint: for the status line of a terminal.

    """
    if as_json:
        return JsonLines(out)
    if word_times:
        return WordLines(out, say)
    if out.isatty():
        return TerminalCaptions(out, hint)
    return PlainLines(out, say)


def notice(event: WireEvent) -> str | None:
    """Return a line for events that tell of trouble."""
    if event["type"] == "gap":
        return f"[{length(event['to'] - event['from'])} were not transcribed: {one_line(event['why'])}]"
    if event["type"] in ("warning", "error"):
        return f"[{event['type']}: {one_line(event['message'])}]"
    return None


def length(ms: float) -> str:
    """Return a time in words, such as `2.5 s`; the shortest ones in milliseconds, so that none is 0."""
    return f"{ms / 1000:.1f} s" if ms >= SHORT_MS else f"{math.ceil(ms)} ms"


def status_line(level_dbfs: float | None, lag_ms: float | None, *names: str) -> str:
    """Return the line of level, lag, and names such as the source's and the device's; what is not known is left out."""
    parts = [] if level_dbfs is None else [meter(level_dbfs)]
    if lag_ms is not None:
        parts.append(f"{lag_ms / 1000:.1f} s behind")
    return "  ".join([*parts, *filter(None, names)])


def meter(level_dbfs: float) -> str:
    """Return a bar for a level in dB below full scale."""
    cells = round(METER_CELLS * (1 - max(FLOOR_DBFS, min(0.0, level_dbfs)) / FLOOR_DBFS))
    return "▮" * cells + "▯" * (METER_CELLS - cells)


def one_line(text: str) -> str:
    """Return printable text with single spaces."""
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """Return text without control characters, which could steer a terminal."""
    return CONTROL.sub("", text)
