"""What it costs to keep a session: CPU of the daemon and bytes written, with the spool and with a recording."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from amanuensis.benchmarks.common import Spread, header, report
from amanuensis.benchmarks.sound import SAMPLE_RATE, conversation
from amanuensis.daemon.config import load_config
from amanuensis.daemon.cursor import Chunk
from amanuensis.daemon.keeper import Keeper
from amanuensis.daemon.live_session import END, LiveSession
from amanuensis.daemon.metrics import Metrics
from amanuensis.daemon.pipeline import Pipeline, open_pipeline
from amanuensis.daemon.protocol import Hello
from amanuensis.daemon.sessions import Sessions
from amanuensis.daemon.spool.spool_folder import SpoolFolder
from amanuensis.stream.formats import AudioFormat

Mode = Literal["memory", "spool", "recording"]
MODES: tuple[Mode, ...] = ("memory", "spool", "recording")
FORMAT = AudioFormat("s16le", SAMPLE_RATE, 1)
CHUNK_BYTES = 640  # 20 ms, as a microphone sends it
SYNC_CHUNKS = 25  # twice a second
ROOM_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class KeepingCost:
    """One way to keep a session, per second of its sound."""

    cpu_ms: Spread  # of the daemon's process; the engine is another one
    written_bytes: float
    kept_bytes: float  # on the disk, when the session ends


async def measure(pipeline: Pipeline, rounds: int) -> dict[Mode, KeepingCost]:
    """Caption the bundled conversation in each way in turn."""
    data = (conversation() * np.iinfo(np.int16).max).astype("<i2").tobytes()
    seconds = len(data) / FORMAT.bytes_per_s
    runs = [{mode: await _run(pipeline, mode, data) for mode in MODES} for _ in range(rounds)]
    return {
        mode: KeepingCost(
            Spread.of([1000 * run[mode][0] / seconds for run in runs]),
            runs[-1][mode][1] / seconds,
            runs[-1][mode][2] / seconds,
        )
        for mode in MODES
    }


async def _run(pipeline: Pipeline, mode: Mode, data: bytes) -> tuple[float, int, int]:
    """Return the seconds of CPU, the bytes written and the bytes on the disk of one session."""
    with tempfile.TemporaryDirectory() as name:
        folder = SpoolFolder(Path(name), "spool.max_bytes", ROOM_BYTES)
        keeper = Keeper(
            folder if mode == "spool" else None,
            folder if mode == "recording" else None,
            "all" if mode == "recording" else "off",
        )
        sessions = Sessions(pipeline.engine, pipeline.tokenizer, pipeline.config, Metrics(), keeper=keeper)
        written, started_s = _written_bytes(), time.process_time()
        session = sessions.open(Hello("speak", FORMAT))
        await _speak(sessions, session, data)
        session.finish(END)
        assert session.task is not None
        await session.task
        await sessions.sync()
        cost = time.process_time() - started_s, _written_bytes() - written, folder.budget.used
        await sessions.close(0)
        keeper.close()
    return cost


async def _speak(sessions: Sessions, session: LiveSession, data: bytes) -> None:
    """Send sound as fast as it is decoded, so that ticks fall as they would in real time."""
    for n in range(-(-len(data) // CHUNK_BYTES)):
        piece = data[n * CHUNK_BYTES : (n + 1) * CHUNK_BYTES]
        session.cursor.next_chunk = n + 1
        session.cursor.position_bytes += len(piece)
        session.hear(Chunk(n, 0, piece))
        await session.room()
        await session.pump.settled()
        if n % SYNC_CHUNKS == 0:
            await sessions.sync()


def _written_bytes() -> int:
    """Return what this process has written to files so far."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["wchar"])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench spool`."""
    parser.add_argument("--model", metavar="NAME|PATH", help="model (default: the best installed)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of each way (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""

    async def measured() -> tuple[str, dict[Mode, KeepingCost]]:
        config, _ = load_config({"engine.model": args.model})
        async with open_pipeline(replace(config, engine=replace(config.engine, threads=1))) as pipeline:
            return pipeline.engine.info.model, await measure(pipeline, args.rounds)

    model, costs = asyncio.run(measured())
    lines = [
        f"{mode:9}  {cost.cpu_ms} ms of CPU and {cost.written_bytes:.0f} bytes written for each second of sound; "
        f"{cost.kept_bytes:.0f} bytes of it left at the end"
        for mode, cost in costs.items()
    ]
    report(header(model, threads=1), {mode: asdict(cost) for mode, cost in costs.items()}, lines, as_json=args.json)
    return 0
