"""How many live streams this machine carries without falling behind: the real daemon, continuous speech, live speed.

The criterion is `keeps_up`; the search doubles the streams until it fails and then halves the distance. The clients
run on the same machine and take their share of it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from amanuensis.benchmarks.common import header, report
from amanuensis.benchmarks.daemon_run import UNLIMITED, DaemonRun, running_daemon
from amanuensis.benchmarks.latency import warm
from amanuensis.benchmarks.live import Speaker, speak_together
from amanuensis.benchmarks.model_choice import add_model_arguments, chosen_model
from amanuensis.benchmarks.sound import SAMPLE_RATE, continuous_speech

PACKET_S = 0.1  # of sound at a time, as clients in a network send it; smaller ones cost the clients more
SPREAD_S = 2.0  # the starts of the streams are spread over so much
SETTLED = 1 / 3  # of a run: until then ticks may still adapt to the load
MAX_LAG_MS = 3_000.0  # at P95: more is behind what people call live
GROWTH_MS = 500.0  # by which the lag of the last third may exceed that of the middle one
MAX_LATE_S = 0.5  # that the sender may be held back
MAX_WAIT_S = 5.0  # beyond speech and spread, for sessions to open and last words to come: else not all spoke at once
DECODES = "amanuensis_engine_decodes_total"
BUSY = "amanuensis_engine_busy_seconds_total"


@dataclass(frozen=True, slots=True)
class Lags:
    """How far all streams of a load were behind once settled, in ms."""

    p50_ms: float
    p95_ms: float
    most_ms: float
    growth_ms: float  # median of the last third less that of the middle one

    @classmethod
    def of(cls, lags_ms: Sequence[tuple[float, float]], seconds: float) -> Lags:
        """Summarise lags with their times, of streams of so many seconds.

        Counted until the sound ends: after that a stream catches up, or waits for its last words.
        """
        third_s = SETTLED * seconds
        middle = [lag for at_s, lag in lags_ms if third_s <= at_s < 2 * third_s]
        last = [lag for at_s, lag in lags_ms if 2 * third_s <= at_s <= seconds]
        if not middle or not last:
            return cls(0.0, 0.0, 0.0, 0.0)
        p50, p95, most = np.percentile(middle + last, (50, 95, 100)).tolist()
        return cls(round(p50, 1), round(p95, 1), round(most, 1), round(float(np.median(last) - np.median(middle)), 1))


@dataclass(frozen=True, slots=True)
class Load:
    """What so many streams did to the daemon; lags are those of its `stats`, once a second for each stream."""

    streams: int
    lag_p50_ms: float  # once settled
    lag_p95_ms: float
    lag_most_ms: float
    growth_ms: float  # median lag of all streams in the last third less that in the middle third
    gaps_ms: float
    late_s: float
    wait_s: float  # that the run took longer than speech and spread
    ticks_per_s: float  # windows decoded, for each second of sound
    window_ms: float  # that the engine worked at one of them
    cpu_s_per_s: float  # of daemon and engine, for each second of sound
    clients_s_per_s: float  # of the clients, for each second of sound
    clients_cpu: float  # of the clients, for each second
    cpu: float  # of daemon and engine, for each second
    load_average: float

    @property
    def keeps_up(self) -> bool:
        """Whether nothing was dropped or held back, and the text neither is far behind nor falls further behind."""
        return (
            self.gaps_ms == 0
            and self.late_s <= MAX_LATE_S
            and self.wait_s <= MAX_WAIT_S
            and self.lag_p95_ms <= MAX_LAG_MS
            and self.growth_ms <= GROWTH_MS
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench density`."""
    add_model_arguments(parser)
    add_search_arguments(parser, most=128)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def add_search_arguments(parser: argparse.ArgumentParser, most: int) -> None:
    """Add the flags of a search for the most streams, which stops at `most`."""
    parser.add_argument("--seconds", type=float, default=24.0, metavar="S", help="speech of each stream (default: 24)")
    parser.add_argument("--first", type=int, default=8, metavar="N", help="streams to begin with (default: 8)")
    parser.add_argument("--most", type=int, default=most, metavar="N", help=f"streams to stop at (default: {most})")
    parser.add_argument("--step", type=int, default=2, metavar="N", help="how exact the answer is (default: 2)")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    folder = chosen_model(args.model)
    head = header(folder.name, args.threads)
    loads = asyncio.run(_measure(str(folder), args))
    carried = max((load.streams for load in loads if load.keeps_up), default=0)
    figures = {
        "streams": carried,
        "modelled_streams": round(modelled_streams(loads, head.cores), 1),
        "at_most_tried": max(load.streams for load in loads),
        "loads": [asdict(load) | {"keeps_up": load.keeps_up} for load in loads],
        "criterion": {
            "lag_p95_ms": MAX_LAG_MS,
            "growth_ms": GROWTH_MS,
            "late_s": MAX_LATE_S,
            "gaps_ms": 0,
            "wait_s": MAX_WAIT_S,
        },
    }
    modelled = f"modelled, from CPU seconds on {head.cores} cores alone: {figures['modelled_streams']} streams"
    report(head, {"density": figures}, [*readable(loads, carried), modelled], as_json=args.json)
    return 0


def modelled_streams(loads: Sequence[Load], cores: int) -> float:
    """Return how many streams the cores would carry if only CPU seconds counted, at the cost of the best load.

    A load that falls behind decodes less often and costs less than it should, so one that keeps up is taken.
    """
    best = max(loads, key=lambda load: (load.keeps_up, load.streams))
    return cores / (best.cpu_s_per_s + best.clients_s_per_s)


async def _measure(model: str, args: argparse.Namespace) -> list[Load]:
    async with running_daemon(model, args.threads, UNLIMITED) as daemon:
        await warm(daemon)
        return await search(lambda n: one_load(daemon, n, args.seconds), args.first, args.most, args.step)


async def search(try_: Callable[[int], Awaitable[Load]], first: int, most: int, step: int) -> list[Load]:
    """Return the loads that were tried to find the most streams that keep up, within `step` of it."""
    loads: list[Load] = []
    good, bad = 0, most + 1
    streams = min(first, most)
    while not loads or bad - good > step:
        load = await try_(streams)
        loads.append(load)
        good, bad = (streams, bad) if load.keeps_up else (good, streams)
        doubled = min(2 * good, most)
        streams = doubled if good and bad > most and doubled > good else (good + bad) // 2
        if streams in (good, bad):
            break
    return loads


async def one_load(daemon: DaemonRun, streams: int, seconds: float) -> Load:
    """Let so many clients speak without a pause, each from another place of the same speech."""
    speech = continuous_speech(seconds)
    places = [np.roll(speech, k * len(speech) // streams) for k in range(streams)]
    cpu_s, own_s, wall_s = daemon.cpu_s(), time.process_time(), time.perf_counter()
    decodes, busy_s = daemon.metric(DECODES), daemon.metric(BUSY)
    runs = await speak_together(daemon.url, [Speaker(place, PACKET_S) for place in places], SPREAD_S)
    wall_s = time.perf_counter() - wall_s
    sound_s = streams * len(speech) / SAMPLE_RATE
    cpu_s, own_s = daemon.cpu_s() - cpu_s, time.process_time() - own_s
    decodes, busy_s = daemon.metric(DECODES) - decodes, daemon.metric(BUSY) - busy_s
    behind = Lags.of([lag for one in runs for lag in one.lags_ms], seconds)
    return Load(
        streams=streams,
        lag_p50_ms=behind.p50_ms,
        lag_p95_ms=behind.p95_ms,
        lag_most_ms=behind.most_ms,
        growth_ms=behind.growth_ms,
        gaps_ms=sum(one.gaps_ms for one in runs),
        late_s=round(max(one.late_s for one in runs), 3),
        wait_s=round(max(0.0, wall_s - seconds - SPREAD_S), 3),
        ticks_per_s=round(decodes / sound_s, 3),
        window_ms=round(1000 * busy_s / max(1.0, decodes), 2),
        cpu_s_per_s=round(cpu_s / sound_s, 4),
        clients_s_per_s=round(own_s / sound_s, 4),
        clients_cpu=round(own_s / wall_s, 3),
        cpu=round(cpu_s / wall_s, 3),
        load_average=round(os.getloadavg()[0], 2),
    )


def readable(loads: Sequence[Load], carried: int) -> list[str]:
    """Return the figures as lines."""
    lines = [
        f"{load.streams:4} streams  lag {load.lag_p50_ms:6.0f} / {load.lag_p95_ms:6.0f} ms (P50 / P95), grew "
        f"{load.growth_ms:5.0f} ms  {load.ticks_per_s:.2f} windows and {load.cpu_s_per_s:.4f} CPU s per s of sound  "
        f"CPU {load.cpu:.2f} and clients {load.clients_cpu:.2f} of a core  gaps {load.gaps_ms:.0f} ms  "
        f"{'keeps up' if load.keeps_up else 'FALLS BEHIND'}"
        for load in loads
    ]
    return [*lines, f"{carried} streams of continuous speech without falling behind"]
