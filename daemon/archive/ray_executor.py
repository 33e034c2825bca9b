"""Hears pieces on all nodes of a Ray cluster: a dataset of pieces, streamed through actors that each hold an engine.

This machine reads and cuts the files, and the sound travels with its piece: nodes need no file system in common. How
much is on its way is bounded by Ray, which also gives the pieces of a node that has died to another one.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import logging
import os
import pickle
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from amanuensis.daemon.archive.ears import ITEM, Batch, Ears, EarsSpec, Unheard
from amanuensis.daemon.archive.executors import Failed, Outcome, Task, Tell, said
from amanuensis.daemon.archive.pieces import CutRules, Piece
from amanuensis.daemon.archive.reading import read_pieces
from amanuensis.daemon.archive.settings import Wanted
from amanuensis.daemon.cluster.runtime import ClusterError, connect, load_ray
from amanuensis.daemon.config import Config
from amanuensis.daemon.sources.base import SourceError
from amanuensis.npu.engine.api import EngineError

BLOCK_BYTES: Final = 2**20  # a longer piece travels alone
READERS: Final = 2  # files that are read at once: reading is some 50 times as fast as hearing
MAX_GROUPS: Final = 1000  # of files: Ray holds a task for each
Item: TypeAlias = tuple[int, Outcome]  # number of a file, and what came of it


class RayExecutor:
    """Hears pieces on a cluster.

    Args:
        config: of the engines.
        wanted: how files are heard.
        address: of the cluster.
        actors: engines at most; None: as many as the cluster has room for.

    """

    def __init__(self, config: Config, wanted: Wanted, address: str = "auto", actors: int | None = None) -> None:
        if config.stream.known_speakers:
            raise ClusterError(
                "--known-speakers: voices are enrolled on this machine; leave it out or use --engine local"
            )
        threads = config.engine.threads or 1  # engines of one thread each do most in all
        engine = replace(config.engine, threads=threads)
        self._spec = EarsSpec(replace(config, engine=engine), wanted.model)
        self._rules = wanted.rules
        self._address = address
        self._actors = actors

    async def run(self, tasks: Sequence[Task], tell: Tell) -> None:
        if not tasks:
            return
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # of Ray's own restarts; what matters is told here
        os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # else threads of Ray Data start a cluster when this one is left
        with _muted():
            connect(self._address)
        items: asyncio.Queue[Item | Exception | None] = asyncio.Queue(1)
        drain = _Drain(lambda: self._dataset(tasks), items, asyncio.get_running_loop())
        drain.start()
        failed: set[int] = set()
        try:
            while (item := await items.get()) is not None:
                if isinstance(item, Exception):
                    await asyncio.to_thread(drain.join)
                    raise item
                number, outcome = item
                if number not in failed:
                    failed |= {number} if isinstance(outcome, Failed) else set()
                    await tell(number, outcome)
            await asyncio.to_thread(drain.join)
        finally:
            drain.stopped = True

    def _dataset(self, tasks: Sequence[Task]) -> Any:
        """Return the dataset of what comes of files."""
        ray, data = load_ray(), _load_data()
        engine = self._spec.config.engine
        size = -(-len(tasks) // MAX_GROUPS)
        groups = [{ITEM: pickle.dumps(tasks[at : at + size])} for at in range(0, len(tasks), size)]
        pieces = data.from_items(groups, override_num_blocks=len(groups)).map_batches(
            read_group,
            batch_size=1,
            fn_kwargs={"rules": self._rules},
            num_cpus=0,
            concurrency=min(READERS, len(groups)),  # Ray warns of more
            **_pinned(ray, data),  # the files are here
        )
        return pieces.map_batches(
            Ears,  # in a process of its own each
            batch_size=1,
            fn_constructor_args=self._spec.packed(),
            num_cpus=engine.threads,
            resources={"npu": 1} if engine.device == "npu" else None,
            concurrency=(1, self._actors or max(1, int(ray.cluster_resources().get("CPU", 1)) // engine.threads)),
        )


def _pinned(ray: Any, data: Any) -> dict[str, Any]:
    """Return what keeps tasks on this node: by its label, or as it was said before Ray Data knew labels."""
    here = ray.get_runtime_context().get_node_id()
    if "label_selector" in inspect.signature(data.Dataset.map_batches).parameters:
        return {"label_selector": {"ray.io/node-id": here}}
    strategies = importlib.import_module("ray.util.scheduling_strategies")
    return {"scheduling_strategy": strategies.NodeAffinitySchedulingStrategy(here, soft=False)}


@contextlib.contextmanager
def _muted() -> Iterator[None]:
    """Drop what is written to stderr while inside: Ray's core says there that it will say nothing."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _load_data() -> Any:
    """Return the module `ray.data`, set up to show nothing and to cut its blocks where pieces end.

    Raises:
        ClusterError: it is not installed.

    """
    try:
        data = importlib.import_module("ray.data")
    except ImportError as error:
        raise ClusterError(f"Ray Data cannot be loaded ({error}): pip install 'amanuensis[cluster]'") from error
    context = data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.target_max_block_size = context.target_min_block_size = BLOCK_BYTES
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    return data


class _Drain(threading.Thread):
    """Hands the rows of a dataset to an event loop, one by one; Ray Data blocks whoever reads it.

    Once it is `stopped` the dataset is given up with the next row, or with the end of the process.

    Args:
        dataset: makes it.
        items: gets the rows; then what went wrong, or None.
        loop: of the queue.

    """

    def __init__(
        self,
        dataset: Callable[[], Any],
        items: asyncio.Queue[Item | Exception | None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(name="pieces", daemon=True)
        self.stopped = False
        self._dataset = dataset
        self._items = items
        self._loop = loop

    def run(self) -> None:
        last: Exception | None = None
        try:
            for row in self._dataset().iter_rows():
                if self.stopped:
                    return
                self._put(pickle.loads(row[ITEM]))
        except Exception as error:
            last = error if isinstance(error, EngineError) else ClusterError(f"the cluster failed: {_cause(error)}")
        if not self.stopped:
            self._put(last)

    def _put(self, item: Item | Exception | None) -> None:
        asyncio.run_coroutine_threadsafe(self._items.put(item), self._loop).result()


def _cause(error: BaseException) -> str:
    """Return the last line that an error of Ray ends with: that of what was raised on the node."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[-1] if lines else type(error).__name__
    return text.partition("Error: ")[2] or text


def read_group(batch: Batch, rules: CutRules) -> Iterator[dict[str, list[bytes]]]:
    """Read files, on the machine that has them; yield a row for each thing that comes of them."""
    with asyncio.Runner() as runner:
        for packed in batch[ITEM]:
            for task in pickle.loads(packed):
                found = _read(task, rules)
                while (outcome := runner.run(_next(found))) is not None:
                    yield _row(task.number, outcome)


async def _read(task: Task, rules: CutRules) -> AsyncIterator[Outcome | Unheard]:
    try:
        async for found in read_pieces(task.file, rules, task.config.vad):
            yield Unheard(found, task.config) if isinstance(found, Piece) else found
    except (SourceError, OSError) as error:
        yield Failed(said(error))


async def _next(found: AsyncIterator[Outcome | Unheard]) -> Outcome | Unheard | None:
    return await anext(found, None)


def _row(number: int, outcome: Outcome | Unheard) -> dict[str, list[bytes]]:
    return {ITEM: [pickle.dumps((number, outcome), protocol=5)]}
