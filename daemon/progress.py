"""A progress bar on stderr where that is a terminal, and nothing where it is not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from amanuensis.daemon.commands.common import say

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar:
    """Shows how far a file is.

    Args:
        progress: draws it; None: nobody looks.

    """

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    @contextlib.contextmanager
    def task(self, name: str, total_s: float | None) -> Iterator[None]:
        """Show a file while inside; `total_s` None: its length is not known."""
        if self._progress is None:
            yield
            return
        self._task = self._progress.add_task(name, total=total_s or None)
        try:
            yield
        finally:
            self._progress.remove_task(self._task)
            self._task = None

    def advance(self, done_s: float, name: str | None = None) -> None:
        """So much of the file is done; it may have another name by now."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done_s, description=name)

    def message(self, line: str) -> None:
        """Print a line for a person, which does not disturb the bar."""
        if self._progress is None:
            say(line)
        else:
            self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def progress_bar(out: TextIO) -> Iterator[Bar]:
    """Show a bar on `out` while inside, if it is a terminal."""
    if not out.isatty():
        yield Bar(None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=out), transient=True) as progress:
        yield Bar(progress)
