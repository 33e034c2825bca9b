"""Sessions spoken to several daemons behind a balancer, while fronts and their store die, hang and are cut off.

One failure at a time: the next one comes when the last one is over. Drawn by a seed.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from amanuensis.daemon.ended_session import EndedSession
from amanuensis.stream.formats import AudioFormat
from tests.helpers.balancer import Balancer, balancer
from tests.helpers.counting_clients import CountingSpeaker, Item, Watcher
from tests.helpers.daemon_client import pcm
from tests.helpers.fronts import QUICK, Depot, RunningFront, Wire, front
from tests.helpers.tone_engine import say, spell

NAMES = ("a", "b", "c")
SESSIONS = 2
WATCHERS = 2  # of each session
N_WORDS = 16
FAULTS = 4
HANG_S = 60.0  # only against hanging
FORMAT = AudioFormat("s16le", 16_000, 1)
KINDS = ("kill_front", "stop_front", "cut_off", "hold_answers", "kill_store", "lose_store", "move_store", "cut_clients")


@dataclass
class Outcome:
    """What became of a schedule.

    Attributes:
        seed: of it.
        struck: faults that did.
        speakers: of the sessions.
        watchers: of all sessions.
        texts: what was spoken.
        ledgers: samples by fate of each session.
        hung: nobody was done in time.

    """

    seed: int
    struck: Counter[str] = field(default_factory=Counter)
    speakers: list[CountingSpeaker] = field(default_factory=list)
    watchers: list[Watcher] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    ledgers: list[dict[str, int]] = field(default_factory=list)
    hung: bool = False

    @property
    def problems(self) -> list[str]:
        """What is wrong, in words."""
        return [f"seed {self.seed}: {problem}" for problem in self._problems()]

    def _problems(self) -> Iterator[str]:
        if self.hung:
            yield "hangs"
            return
        for n, speaker in enumerate(self.speakers):
            watchers = [watcher for watcher in self.watchers if watcher.session == speaker.session]
            for comer in (speaker, *watchers):
                yield from comer.told.broken
                yield from [comer.failure] * bool(comer.failure)
                yield from [f"ended with {comer.told.reason!r}"] * (comer.told.reason != "end")
            if speaker.told.text != self.texts[n]:
                yield f"said {self.texts[n]!r}, committed {speaker.told.text!r}"
            yield from ["a watcher knows other events"] * any(w.told.events != speaker.told.events for w in watchers)
            ledger = self.ledgers[n]
            settled = ledger["transcribed"] + ledger["silence"] + ledger["gap"]
            if not settled == ledger["received"] == speaker.n_samples or ledger["gap"]:
                yield f"{speaker.n_samples} samples were sent: {ledger}"


async def suffer(seed: int, folder: Path, kinds: tuple[str, ...] = KINDS) -> Outcome:
    """Speak to fronts that have the faults of a seed."""
    outcome = Outcome(seed)
    async with AsyncExitStack() as stack, balancer(seed) as network:
        scene = Scene(seed, folder, network, stack, outcome)
        try:
            async with asyncio.timeout(HANG_S):
                await scene.play(kinds)
        except TimeoutError:
            outcome.hung = True
    return outcome


class Scene:
    """Fronts, their store, the network before them and the clients."""

    def __init__(self, seed: int, folder: Path, network: Balancer, stack: AsyncExitStack, outcome: Outcome) -> None:
        self._draw = random.Random(seed)
        self._folder = folder
        self._depot = Depot(folder / "store")
        self._network = network
        self._stack = stack
        self._outcome = outcome
        self._fronts: dict[str, RunningFront] = {}

    async def play(self, kinds: tuple[str, ...]) -> None:
        """Speak and watch until all sessions are over, while the faults strike."""
        for name in NAMES:
            await self._start(name)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(SESSIONS):
                words = [self._draw.randrange(7) for _ in range(N_WORDS)]
                self._outcome.texts.append(spell(words))
                speaker = CountingSpeaker(self._network.port, self._script(words), FORMAT)
                self._outcome.speakers.append(speaker)
                tasks.create_task(speaker.run())
                for _ in range(WATCHERS):
                    tasks.create_task(self._watch(speaker))
            tasks.create_task(self._strike_all(kinds))
        self._outcome.ledgers = [self._ledger(speaker.session) for speaker in self._outcome.speakers]

    def _script(self, words: list[int]) -> list[Item]:
        sound, script = pcm(say(words, pauses_s=(0.0, 0.6, 0.1))), list[Item]()
        while sound:
            n_bytes = 2 * self._draw.randint(320, 8000)
            script.append(sound[:n_bytes])
            sound = sound[n_bytes:]
            if self._draw.random() < 0.1:
                script.append({"type": "mark", "id": len(script)})
        return script

    def _ledger(self, session: str) -> dict[str, int]:
        for running in self._fronts.values():
            found = running.daemon.sessions.find(session)
            if isinstance(found, EndedSession):  # not one that goes on where nobody knows that another front has it
                samples: dict[str, int] = found.ledger()["samples"]
                return samples
        return dict.fromkeys(("transcribed", "silence", "gap", "received"), -1)

    async def _watch(self, speaker: CountingSpeaker) -> None:
        await speaker.known.wait()
        watcher = Watcher(self._network.port, speaker.session)
        self._outcome.watchers.append(watcher)
        await watcher.run()

    async def _start(self, name: str) -> None:
        self._fronts[name] = running = await self._stack.enter_async_context(
            front(name, self._folder, Wire(self._depot), queue_events=256)
        )
        self._network.targets.append(running.address.port)

    async def _strike_all(self, kinds: tuple[str, ...]) -> None:
        speaker = self._outcome.speakers[0]
        for at in sorted(self._draw.random() for _ in range(FAULTS)):
            kind = self._draw.choice(kinds)
            await speaker.reached(round(at * speaker.n_samples))
            if not speaker.over:
                await getattr(self, f"_{kind}")()
                self._outcome.struck[kind] += 1

    def _any(self) -> RunningFront:
        """Return a front, rather one that has a session."""
        busy = [running for running in self._fronts.values() if len(running.daemon.sessions)]
        return self._draw.choice(busy or list(self._fronts.values()))

    async def _pause(self, most_s: float) -> None:
        await asyncio.sleep(self._draw.uniform(0, most_s))

    async def _kill_front(self) -> None:
        running = self._any()
        self._network.targets.remove(running.address.port)
        await running.kill()
        await self._pause(3.0)
        await self._start(running.name)

    async def _stop_front(self) -> None:
        running = self._any()
        self._network.targets.remove(running.address.port)
        await running.stop()
        await self._start(running.name)

    async def _cut_off(self) -> None:
        running = self._any()
        running.wire.is_cut = True
        await self._pause(3.0)
        running.wire.is_cut = False

    async def _hold_answers(self) -> None:
        running = self._any()
        running.wire.loses_answers = True
        await self._pause(1.0)
        running.wire.loses_answers = False

    async def _kill_store(self) -> None:
        self._depot.kill()
        await self._pause(2.0)
        self._depot.start()

    async def _lose_store(self) -> None:
        await self._another_store(self._depot.lose_disk)

    async def _move_store(self) -> None:
        await self._another_store(self._depot.move)

    async def _another_store(self, end: Callable[[], None]) -> None:
        end()
        await self._pause(0.5)
        self._depot.start()
        await asyncio.sleep(2 * QUICK.settle_s)  # until it is filled again: a front may be lost then

    async def _cut_clients(self) -> None:
        self._network.cut()
