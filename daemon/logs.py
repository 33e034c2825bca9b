"""Log messages of the parts, as lines for a person on stderr."""

from __future__ import annotations

import logging
from typing import Final

from amanuensis.daemon.commands.common import complain

DEBUG_FORMAT: Final = "%(asctime)s %(name)s %(levelname)s %(message)s"


class StderrHandler(logging.Handler):
    """Prints to what is stderr at the time: live captions put such lines above themselves."""

    def emit(self, record: logging.LogRecord) -> None:
        complain(self.format(record))


def set_up(*, debug: bool) -> None:
    """Show warnings and errors; with `debug` everything, with time and origin."""
    if debug:
        logging.basicConfig(level=logging.DEBUG, format=DEBUG_FORMAT)
    else:
        logging.basicConfig(level=logging.WARNING, handlers=[StderrHandler()], format="%(message)s")
