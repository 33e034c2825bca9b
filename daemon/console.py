"""Captions for a person at a terminal, for a pipe, and for a program.

Events are maps as in the native protocol, so that the same printers serve `listen`, `watch` and `demo`.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, TextIO, TypeAlias

from amanuensis.daemon.commands.common import CONTROL

if TYPE_CHECKING:
    from rich.text import Text

WireEvent: TypeAlias = Mapping[str, Any]
FLOOR_DBFS: Final = -60.0  # shown as silence
METER_CELLS: Final = 10
REDRAW_S: Final = 0.08  # about 12 pictures a second: enough for reading, little work
STATUS_LINES: Final = 2
MAX_OPEN: Final = 8  # utterances that are not final yet; the session has one, two for a moment
ELLIPSIS: Final = "... "


class Printer(Protocol):
    """Shows events."""

    def show(self, event: WireEvent) -> None:
        """Take the next event."""
        ...

    def status(self, level_dbfs: float | None, lag_ms: float | None) -> None:
        """Take how loud the source is and how far behind the captions are, where it is known."""
        ...

    def close(self) -> None:
        """Leave the output tidy."""
        ...


class Captions:
    """What is to be seen: the words of the utterances that are not over, and the lines of those that are.

    Pure: events in, text out.
    """

    def __init__(self) -> None:
        self._committed: dict[int, str] = {}
        self._partial: dict[int, str] = {}

    @property
    def committed(self) -> str:
        """Words that stay, of the utterances that are not over."""
        return "".join(self._committed[utt] for utt in sorted(self._committed)).lstrip()

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
            text = "".join(word["text"] for word in event["words"])
            self._committed[event["utt"]] = self._committed.get(event["utt"], "") + text
            self._partial.pop(event["utt"], None)
        elif kind == "final":
            self._committed.pop(event["utt"], None)
            self._partial.pop(event["utt"], None)
            return one_line(event["text"]) or None
        elif kind == "snapshot":
            return one_line(event["text"]) or None
        self._bound()
        return notice(event)

    def _bound(self) -> None:
        for texts in (self._committed, self._partial):
            while len(texts) > MAX_OPEN:
                del texts[min(texts)]


class JsonLines:
    """Every event as one JSON line, for programs."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, event: WireEvent) -> None:
        print(json.dumps(event, ensure_ascii=False, separators=(",", ":")), file=self._out, flush=True)

    def status(self, level_dbfs: float | None, lag_ms: float | None) -> None:
        """Not an event."""

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

    def status(self, level_dbfs: float | None, lag_ms: float | None) -> None:
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
        self._live.start()

    def show(self, event: WireEvent) -> None:
        line = self._captions.apply(event)
        if event["type"] == "stats":
            self._lag_ms = event["lag_ms"]
        if line is not None:
            self._live.update(self._picture())  # the line must not be seen twice
            style = "" if event["type"] in ("final", "snapshot") else "yellow"
            self._console.print(line, style=style, markup=False)
        self._draw(at_once=event["type"] in ("final", "partial"))

    def status(self, level_dbfs: float | None, lag_ms: float | None) -> None:
        self._level_dbfs = level_dbfs
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

        room = max(1, (self._console.height - STATUS_LINES - 1)) * self._console.width
        committed, partial = newest(one_line(self._captions.committed), printable(self._captions.partial), room)
        picture = Text(committed)
        picture.append(partial, style="bright_black")
        picture.append("\n" if committed or partial else "")
        picture.append(status_line(self._level_dbfs, self._lag_ms, self._hint), style="bright_black")
        return picture


def make_printer(out: TextIO, say: Callable[[str], None], *, as_json: bool, hint: str = "") -> Printer:
    """Return the printer for where the output goes.

    Args:
        out: standard output.
        say: prints one line for a person elsewhere.
        as_json: a program reads it.
        hint: for the status line of a terminal.

    """
    if as_json:
        return JsonLines(out)
    if out.isatty():
        return TerminalCaptions(out, hint)
    return PlainLines(out, say)


def notice(event: WireEvent) -> str | None:
    """Return a line for events that tell of trouble."""
    if event["type"] == "gap":
        return f"[{(event['to'] - event['from']) / 1000:.1f} s were not transcribed: {one_line(event['why'])}]"
    if event["type"] in ("warning", "error"):
        return f"[{event['type']}: {one_line(event['message'])}]"
    return None


def status_line(level_dbfs: float | None, lag_ms: float | None, hint: str) -> str:
    """Return the line of level, lag and hint; what is not known is left out."""
    parts = [] if level_dbfs is None else [meter(level_dbfs)]
    if lag_ms is not None:
        parts.append(f"{lag_ms / 1000:.1f} s behind")
    return "  ".join([*parts, hint] if hint else parts)


def meter(level_dbfs: float) -> str:
    """Return a bar for a level in dB below full scale."""
    cells = round(METER_CELLS * (1 - max(FLOOR_DBFS, min(0.0, level_dbfs)) / FLOOR_DBFS))
    return "▮" * cells + "▯" * (METER_CELLS - cells)


def newest(committed: str, partial: str, room: int) -> tuple[str, str]:
    """Cut the oldest words so that both texts fit in `room` characters."""
    too_long = len(committed) + len(partial) - room
    if too_long <= 0:
        return committed, partial
    cut = min(len(committed), too_long + len(ELLIPSIS))
    return ELLIPSIS + committed[cut:], partial[max(0, too_long + len(ELLIPSIS) - cut) :]


def one_line(text: str) -> str:
    """Return printable text with single spaces."""
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """Return text without control characters, which could steer a terminal."""
    return CONTROL.sub("", text)
