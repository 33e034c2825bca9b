"""An actor of a Ray cluster that hears pieces with an engine of its own."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import platform
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, Final, TypeAlias, TypeVar

from amanuensis.daemon.archive.executors import Failed, Outcome, hear_patiently, said
from amanuensis.daemon.archive.pieces import Piece
from amanuensis.daemon.config import Config
from amanuensis.daemon.pipeline import Pipeline, open_pipeline
from amanuensis.npu.engine.api import EngineError, EngineLostError
from amanuensis.stream.config import StreamConfig, StreamConfigError

ITEM: Final = "item"  # the only column: a pickled pair of the number of a file and what came of it
Batch: TypeAlias = Mapping[str, Sequence[bytes]]
Result = TypeVar("Result")


class NodeError(EngineError):
    """A node of the cluster cannot hear as this machine would; the message names it and says what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class Unheard:
    """A piece on its way, and how it is to be heard."""

    piece: Piece
    config: StreamConfig


@dataclass(frozen=True, slots=True)
class EarsSpec:
    """What a node has to run so that its words are those of every other node.

    Attributes:
        config: of the engine.
        model: content hash.

    """

    config: Config
    model: str

    def packed(self) -> tuple[str, bytes]:
        """Return what `Ears` is made from: a node of another version can read the first of them."""
        return version("amanuensis"), pickle.dumps(self)

    def check_node(self) -> None:
        """Find out whether this node can do it.

        Raises:
            NodeError: it has another model, or none of that name.

        """
        from amanuensis.npu.model_files import ModelFiles
        from amanuensis.npu.store import resolve

        node = platform.node()
        name = self.config.engine.model or "the default model"
        try:
            model = ModelFiles.load(resolve(self.config.engine.model)).content_hash()
        except EngineError as error:
            raise NodeError(f"node {node}: {error}") from None
        if model != self.model:
            raise NodeError(f"node {node} has other files of {name} than this machine: install the same model there")


class Ears:
    """Hears pieces, one at a time.

    Args:
        wanted: version of amanuensis that it has to be.
        packed: `EarsSpec` of what it runs.

    Raises:
        NodeError: this node cannot do it.

    """

    def __init__(self, wanted: str, packed: bytes) -> None:
        if (ours := version("amanuensis")) != wanted:
            node = platform.node()
            raise NodeError(f"node {node} runs amanuensis {ours}, not {wanted}: install the same everywhere")
        spec: EarsSpec = pickle.loads(packed)
        spec.check_node()
        limits, engine = replace(spec.config.limits, sessions=1), replace(spec.config.engine, backend="local", nice=0)
        self._config = replace(spec.config, limits=limits, engine=engine)
        self._stack = contextlib.AsyncExitStack()
        self._pipeline: Pipeline | None = None
        self._loop = asyncio.new_event_loop()  # in a thread: the engine is looked after between two pieces, too
        threading.Thread(target=self._loop.run_forever, name="ears", daemon=True).start()
        self._do(self._open())

    def __call__(self, batch: Batch) -> Iterator[dict[str, list[bytes]]]:
        """Yield a row for each row: pieces are heard, everything else goes on as it is."""
        for packed in batch[ITEM]:
            number, found = pickle.loads(packed)
            heard = pickle.dumps((number, self._do(self._hear(found))), 5) if isinstance(found, Unheard) else packed
            yield {ITEM: [heard]}

    async def _open(self) -> Pipeline:
        if self._pipeline is None:
            self._pipeline = await self._stack.enter_async_context(open_pipeline(self._config, live=False))
        return self._pipeline

    async def _hear(self, found: Unheard) -> Outcome:
        """Hear a piece; where that cannot be, its file has failed, and may be tried again elsewhere."""
        try:
            return await hear_patiently(found.piece, await self._open(), found.config)
        except EngineLostError as error:
            self._pipeline = None
            await self._stack.aclose()
            return Failed(f"node {platform.node()}: {said(error)}")
        except (EngineError, StreamConfigError) as error:
            return Failed(said(error))

    def _do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
