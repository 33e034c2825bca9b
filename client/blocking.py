"""The client without asyncio: the same, in a thread of its own."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from amanuensis.client.asynchronous import Client, Task, TranscriptFormat
from amanuensis.client.audio import Audio
from amanuensis.client.events import Event
from amanuensis.daemon.client import Patience, Want
from amanuensis.stream.formats import AudioFormat

MAX_WAITING: Final = 256  # events that were not taken yet; then nothing is read from the server


class BlockingClient:
    """A daemon: speak to it, watch its sessions, fetch its transcripts.

    Args:
        address, token, ca, patience: as of `Client`.

    """

    def __init__(
        self,
        address: str | None = None,
        *,
        token: str | None = None,
        ca: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._client = Client(address, token=token, ca=ca, patience=patience)

    def listen(
        self,
        audio: Audio,
        fmt: AudioFormat | None = None,
        *,
        lang: str | None = None,
        task: Task | None = None,
        prompt: str | None = None,
        hotwords: Sequence[str] = (),
        want: Sequence[Want] | None = None,
        record: bool = False,
        meeting: Mapping[str, Any] | None = None,
        speakers: int | None = None,
        max_speakers: int | None = None,
    ) -> Iterator[Event]:
        """Speak, and yield the events of the session; see `Client.listen`.

        An iterable is read in another thread. Leaving the loop early ends the session as it is.
        """
        return blocked(
            lambda: self._client.listen(
                audio,
                fmt,
                lang=lang,
                task=task,
                prompt=prompt,
                hotwords=hotwords,
                want=want,
                record=record,
                meeting=meeting,
                speakers=speakers,
                max_speakers=max_speakers,
            )
        )

    def watch(
        self, session: str = "latest", *, after_seq: int | None = None, want: Sequence[Want] | None = None
    ) -> Iterator[Event]:
        """Yield the events of a session that somebody else speaks in; see `Client.watch`."""
        return blocked(lambda: self._client.watch(session, after_seq=after_seq, want=want))

    def transcript(self, session: str = "latest", fmt: TranscriptFormat = "txt") -> str:
        """Return the committed words of a session; see `Client.transcript`."""
        return asyncio.run(self._client.transcript(session, fmt))


def blocked(make: Callable[[], AsyncIterator[Event]]) -> Iterator[Event]:
    """Yield what an asynchronous iterator does, which runs in a thread meanwhile and ends with this one."""
    told: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()
    reader = Reader(make, told)
    thread = threading.Thread(target=reader.run, name="amanuensis client", daemon=True)
    thread.start()
    try:
        while (item := told.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            reader.taken()
            yield item
    finally:
        reader.leave()
        thread.join()


class Reader:
    """Reads an asynchronous iterator into a queue that another thread empties."""

    def __init__(
        self, make: Callable[[], AsyncIterator[Event]], told: queue.SimpleQueue[Event | BaseException | None]
    ) -> None:
        self._make = make
        self._told = told
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._started = threading.Event()

    def run(self) -> None:
        """Read until it ends or `leave` is called; the last item is None or what went wrong."""
        try:
            asyncio.run(self._read())
        except asyncio.CancelledError:
            pass
        except Exception as error:
            self._told.put(error)
        finally:
            self._started.set()
        self._told.put(None)

    def taken(self) -> None:
        """Make room for one more event."""
        self._call(self._room.release)

    def leave(self) -> None:
        """Read no more."""
        self._started.wait()
        self._call(lambda: self._task.cancel() if self._task else None)

    def _call(self, act: Callable[[], object]) -> None:
        try:
            assert self._loop is not None
            self._loop.call_soon_threadsafe(act)
        except RuntimeError:
            pass  # it has ended: its loop is closed

    async def _read(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._room = asyncio.Semaphore(MAX_WAITING)
        self._started.set()
        async for event in self._make():
            await self._room.acquire()
            self._told.put(event)
