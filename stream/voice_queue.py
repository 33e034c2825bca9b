"""Windows and pauses of a stream that wait until there is time for voices: bounded, whatever becomes of that."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from amanuensis.stream.voice_windows import StretchEnd, VoiceItem, VoiceWindow

__all__ = ["MAX_PAUSES", "MAX_WAITING", "VoiceQueue"]

MAX_WAITING: Final = 48  # windows, 3 MB
MAX_PAUSES: Final = 2 * MAX_WAITING  # at least one after each window, where there is one


class VoiceQueue:
    """What waits, in order.

    When `MAX_WAITING` windows wait, more are left out. When `MAX_PAUSES` pauses wait, the next one takes the place of
    the newest, unless a window came in between: the speech before it goes to whom the speech before that goes to.
    """

    def __init__(self) -> None:
        self._items: deque[VoiceItem] = deque()
        self._n_pauses = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def n_windows(self) -> int:
        """Windows that wait for their vectors."""
        return len(self._items) - self._n_pauses

    @property
    def next(self) -> VoiceItem | None:
        """The oldest item; None: nothing waits."""
        return self._items[0] if self._items else None

    def windows(self, most: int) -> list[VoiceWindow]:
        """Return the oldest windows."""
        found: list[VoiceWindow] = []
        for item in self._items:
            if len(found) == most:
                break
            if isinstance(item, VoiceWindow):
                found.append(item)
        return found

    def put(self, items: Iterable[VoiceItem]) -> None:
        """Take items."""
        for item in items:
            if isinstance(item, StretchEnd):
                self._put_pause(item)
            elif self.n_windows < MAX_WAITING:
                self._items.append(item)

    def pop(self) -> None:
        """Forget the oldest item."""
        self._n_pauses -= isinstance(self._items.popleft(), StretchEnd)

    def clear(self) -> None:
        """Forget all."""
        self._items.clear()
        self._n_pauses = 0

    def _put_pause(self, pause: StretchEnd) -> None:
        newest = self._items[-1] if self._items else None
        if self._n_pauses >= MAX_PAUSES and isinstance(newest, StretchEnd):
            self._items[-1] = StretchEnd(newest.start, pause.stop)
            return
        self._items.append(pause)
        self._n_pauses += 1
