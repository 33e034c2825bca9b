"""Counted streams spoken to a real daemon while everything goes wrong, over a network that can be cut."""

from __future__ import annotations

import asyncio
import random
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.helpers.counting_clients import Comer, CountingSpeaker, Item, Watcher
from tests.helpers.many_watchers import opening_of
from tests.helpers.service_faults import Fault, Schedule
from tests.helpers.service_host import Host, host
from tests.helpers.spoken_numbers import FORMAT, HIGHEST, RATE, Counted, counted
from tests.helpers.tcp_proxy import Proxy, proxy
from tests.helpers.torn_log import tear

STREAMS = 48
NUMBERS = 12  # of a stream: some 20 s
PAUSES_S = (0.6, 0.5, 0.9)
HANG_S = 120.0  # a schedule takes a few seconds; who is not done by then hangs
PIECES_S = (0.02, 0.5)  # shortest and longest chunk
P_ORDER = 0.03  # a mark after a chunk
P_NONSENSE = 0.02  # a text message after a chunk that is refused; it counts among those of a speaker
STALLED_WATCHERS = 3
SMALL_BUFFER_BYTES = 2048
NO_FRAMES = (
    b"\xff" * 16,
    b"\x00" * 64,
    b"GET / HTTP/1.1\r\n\r\n",
)  # reserved opcodes, unmasked frames, another protocol
WRONG_MESSAGES = (b"\xc1", b"\x81\xa1t\xa1a", b"\x90", bytes(100))  # no msgpack, and not what it should be
SETTINGS = ("[limits]\nqueue_events = 128\n", "[limits]\nqueue_events = 'many'\n", "[stream]\nmax_pending_s = 90\n")


@dataclass
class Outcome:
    """What became of the sessions of a schedule.

    Attributes:
        struck: faults that did.
        speakers: of the sessions.
        watchers: of each session, one.
        streams: what each of them said.
        ledgers: samples by fate of each session; None: the daemon that is left never knew it.
        settled_s: of audio with a fate, as the metrics of the last daemon have it; None: it was not the only one.
        dead_s: no daemon was there.
        rough_ends: exit statuses other than 0 after SIGTERM.
        log: of the daemons.
        hung: nobody was done in time.
        died: exit status of a daemon that ended by itself.

    """

    schedule: Schedule
    struck: Counter[str] = field(default_factory=Counter)
    speakers: list[CountingSpeaker] = field(default_factory=list)
    watchers: list[Watcher] = field(default_factory=list)
    streams: list[Counted] = field(default_factory=list)
    ledgers: list[dict[str, int] | None] = field(default_factory=list)
    settled_s: float | None = None
    dead_s: float = 0.0
    rough_ends: list[int] = field(default_factory=list)
    log: str = ""
    hung: bool = False
    died: int | None = None


def script_of(stream: Counted, seed: int) -> list[Item]:
    """Return a stream cut into chunks of all lengths, with orders between."""
    draw, pcm, script = random.Random(seed), stream.pcm, list[Item]()
    while pcm:
        n_bytes = round(draw.uniform(*PIECES_S) * RATE) * FORMAT.frame_bytes
        script.append(pcm[:n_bytes])
        pcm = pcm[n_bytes:]
        if draw.random() < P_ORDER:
            script.append({"type": "mark", "id": len(script)})
        if draw.random() < P_NONSENSE:
            script.append({"type": "nonsense"})
    return script


@cache
def counted_stream(number: int) -> Counted:
    """Return one of STREAMS counted streams; the built-in model reads all of them without an error."""
    number %= STREAMS
    first = 1 + 41 * number % (HIGHEST - NUMBERS)
    return counted(range(first, first + NUMBERS), PAUSES_S[number % len(PAUSES_S)], seed=number)


async def suffer(model: Path, schedule: Schedule, streams: Sequence[Counted], folder: Path) -> Outcome:
    """Speak the streams, one a session, to a daemon that has the faults of a schedule."""
    outcome = Outcome(schedule, streams=list(streams[: schedule.sessions]))
    async with host(model, folder) as daemon, proxy() as network:
        network.target = daemon.port
        scene = Scene(daemon, network, outcome)
        try:
            async with asyncio.timeout(HANG_S):
                await scene.play()
        except TimeoutError:
            outcome.died = daemon.died
            outcome.hung = outcome.died is None
        else:
            daemon.set_clock(0.0)
            outcome.ledgers = [await daemon.ledger(speaker.session) for speaker in outcome.speakers]
            outcome.settled_s = await daemon.settled_s() if daemon.starts == 1 else None
            await daemon.stop()
        outcome.dead_s, outcome.rough_ends = daemon.dead_s, daemon.rough_ends
        outcome.log = daemon.log.read_text()
    return outcome


class Scene:
    """One daemon, its clients and the network between.

    Args:
        daemon: that suffers.
        network: in front of it.
        outcome: where what happens is noted.

    """

    def __init__(self, daemon: Host, network: Proxy, outcome: Outcome) -> None:
        self._daemon = daemon
        self._network = network
        self._outcome = outcome
        self._others = AsyncExitStack()  # clients that only get in the way

    async def play(self) -> None:
        """Speak and watch until all sessions are over, while the faults strike."""
        schedule, outcome = self._outcome.schedule, self._outcome
        events = {"events": "msgpack"} if schedule.msgpack else {}
        hello = events | ({"record": True} if schedule.recorded else {})
        ahead_s = 3.0 if schedule.recorded else 1.0  # a recording is acknowledged when it is on the disk
        async with self._others, asyncio.TaskGroup() as tasks:
            for n, stream in enumerate(outcome.streams):
                script, port = script_of(stream, schedule.seed + n), self._network.port
                speaker = CountingSpeaker(port, script, FORMAT, ahead_s=ahead_s, **hello)
                outcome.speakers.append(speaker)
                tasks.create_task(speaker.run())
                tasks.create_task(self._watch(speaker))
            tasks.create_task(self._strike_all(outcome.speakers[0], schedule.faults))

    async def _watch(self, speaker: CountingSpeaker) -> None:
        await speaker.known.wait()
        if not speaker.failure:
            watcher = Watcher(self._network.port, speaker.session)
            self._outcome.watchers.append(watcher)
            await watcher.run()

    async def _strike_all(self, speaker: CountingSpeaker, faults: Sequence[Fault]) -> None:
        for fault in faults:
            await speaker.reached(round(fault.at * speaker.n_samples))
            if not speaker.over:
                strike: Callable[[random.Random], object] = getattr(self, f"_{fault.kind}")
                struck = strike(random.Random(fault.draw))
                if asyncio.iscoroutine(struck):
                    await struck
                self._outcome.struck[fault.kind] += 1

    def _kill_engine(self, draw: random.Random) -> None:
        self._daemon.kill_engine()

    async def _kill_daemon(self, draw: random.Random) -> None:
        await self._daemon.kill()
        await self._start()

    async def _torn_log(self, draw: random.Random) -> None:
        await self._daemon.kill()
        self._network.cut()  # what is still on its way may be lost with the daemon
        for speaker in self._outcome.speakers:
            await speaker.gone.wait()
            for folder in (self._daemon.spool, self._daemon.recordings):
                tear(folder / "open" / speaker.session, speaker.acked, draw)
        await self._start()

    async def _terminate(self, draw: random.Random) -> None:
        await self._daemon.stop()
        await self._start()

    async def _start(self) -> None:
        await self._daemon.start()
        self._network.target = self._daemon.port

    def _cut(self, draw: random.Random) -> None:
        if draw.random() < 0.5:
            self._network.cut()
        else:
            self._outcome.speakers[0].drop()

    def _half_open(self, draw: random.Random) -> None:
        self._network.freeze()

    async def _stalled_watcher(self, draw: random.Random) -> None:
        """Have others watch that never read a word."""
        for speaker in self._outcome.speakers * STALLED_WATCHERS:
            sleeper = socket.socket()
            self._others.callback(sleeper.close)
            sleeper.setblocking(False)
            sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
            await _watch_asleep(sleeper, self._daemon.port, speaker.session)

    def _clock_jump(self, draw: random.Random) -> None:
        self._daemon.set_clock(draw.choice((-1, 1)) * 10 ** draw.uniform(0, 8.5))  # a second to ten years

    def _disk_full(self, draw: random.Random) -> None:
        sizes = [path.stat().st_size for path in self._daemon.spool.rglob("*.log")]
        self._daemon.fill_disk(draw.randint(0, max(sizes, default=0) + 4096))

    async def _corrupt_frames(self, draw: random.Random) -> None:
        speaker: Comer = draw.choice([*self._outcome.speakers, *self._outcome.watchers])
        match draw.randrange(4):
            case 0:
                speaker.send_junk(draw.choice(NO_FRAMES))
            case 1:
                self._network.spoil(b"\xff" * draw.randint(1, 40))  # is neither a frame nor text anywhere
            case 2:
                for message in draw.choices(WRONG_MESSAGES, k=draw.randint(1, 20)):
                    await speaker.send_wrong(message)
            case 3:
                await _knock(self._daemon.port, draw.randbytes(draw.randint(1, 4000)))

    def _hangup(self, draw: random.Random) -> None:
        if draw.random() < 0.7:
            self._daemon.config.write_text(draw.choice(SETTINGS))
        self._daemon.hang_up()


async def _watch_asleep(sleeper: socket.socket, port: int, session: str) -> None:
    """Upgrade by hand, say hello, and leave the socket unread."""
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sleeper, ("127.0.0.1", port))
    await loop.sock_sendall(sleeper, opening_of(port, session))


async def _knock(port: int, noise: bytes) -> None:
    """Connect, send noise and go."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(noise)
    writer.close()
