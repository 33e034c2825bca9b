"""What the nodes of a cluster do with an archive, in this process and with the true engine."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amanuensis.benchmarks.sound import SAMPLE_RATE, conversation
from amanuensis.daemon.archive.ears import ITEM, Ears, EarsSpec, NodeError
from amanuensis.daemon.archive.executors import Executor, Failed, LocalExecutor, Outcome, Task, Tell
from amanuensis.daemon.archive.manifest import Layout, read_manifest
from amanuensis.daemon.archive.pieces import CutRules
from amanuensis.daemon.archive.ray_executor import RayExecutor, read_group
from amanuensis.daemon.archive.run import Run, Tally
from amanuensis.daemon.archive.settings import Wanted, wanted
from amanuensis.daemon.archive.state import open_state
from amanuensis.daemon.cluster.runtime import ClusterError
from amanuensis.daemon.config import Config, load_config
from amanuensis.daemon.pipeline import open_pipeline
from amanuensis.daemon.progress import Bar
from amanuensis.npu.engine.api import EngineLostError
from amanuensis.stream.config import StreamConfig

RULES = CutRules(stages=((4.0, 0.6), (8.0, 0.2)), most_s=20.0)


@pytest.fixture(scope="module")
def config(builtin_model: Path) -> Config:
    """One thread, and speakers are told apart."""
    return load_config({"engine.model": str(builtin_model), "engine.threads": 1, "stream.max_speakers": 3}, {}, [])[0]


@pytest.fixture(scope="module")
def what(config: Config) -> Wanted:
    """How files are heard."""
    return wanted(config, RULES, word_times=False, meetings=False)


@pytest.fixture(scope="module")
def ears(config: Config, what: Wanted) -> Iterator[Ears]:
    """An actor without its cluster."""
    there = Ears(*EarsSpec(config, what.model).packed())
    yield there
    there._do(there._stack.aclose())


class InProcess:
    """An executor that does what Ray would have done on nodes."""

    def __init__(self, ears: Ears) -> None:
        self._ears = ears

    async def run(self, tasks: list[Task], tell: Tell) -> None:
        def all_rows() -> list[tuple[int, Outcome]]:
            rows = read_group({ITEM: [pickle.dumps(tasks)]}, RULES)
            return [pickle.loads(heard[ITEM][0]) for row in rows for heard in self._ears(row)]

        for number, outcome in await asyncio.to_thread(all_rows):
            await tell(number, outcome)


async def run(place: Path, out: Path, what: Wanted, start: Callable[[], Executor]) -> Tally:
    """Run over a folder."""
    with open_state(out.with_suffix(".state")) as state:
        entries = read_manifest(place, Layout(out, ("txt", "json")))
        return await Run(entries, state, what, Bar(None)).work(start, 0)


async def test_a_node_gives_the_bytes_that_this_machine_gives(
    tmp_path: Path, config: Config, what: Wanted, ears: Ears
) -> None:
    """Whatever way the pieces went, and whoever heard them; a file that is none fails with the same words."""
    place = tmp_path / "in"
    place.mkdir()
    sound = conversation()[: 16 * SAMPLE_RATE]
    soundfile.write(place / "a.flac", sound, SAMPLE_RATE)
    soundfile.write(place / "b.wav", np.repeat(sound[: 3 * SAMPLE_RATE], 3), 3 * SAMPLE_RATE)
    (place / "c.wav").write_bytes(b"nothing")
    local = LocalExecutor(partial(open_pipeline, config, live=False), 2, RULES)
    for name, executor in (("here", local), ("there", InProcess(ears))):
        found = await run(place, tmp_path / name, what, lambda: executor)  # noqa: B023 - called at once
        assert (found.done, found.failed) == (2, 1)
    here, there = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("here", "there"))
    assert here == there
    assert len(here["a.txt"].split()) > 20
    assert b'"spk"' in here["a.json"]


def test_a_node_that_would_hear_otherwise_is_refused_by_name(config: Config, what: Wanted, tmp_path: Path) -> None:
    """Another version, another model, none of that name."""
    spec = EarsSpec(config, what.model)
    with pytest.raises(NodeError, match=r"node .* runs amanuensis .*, not 0\.0: install the same everywhere"):
        Ears("0.0", b"what only that version can read")
    with pytest.raises(NodeError, match=r"node .* has other files of .* than this machine"):
        replace(spec, model="another").check_node()
    missing = replace(config, engine=replace(config.engine, model=str(tmp_path / "none")))
    with pytest.raises(NodeError, match=r"node .*: .*none: there is no such folder"):
        replace(spec, config=missing).check_node()


def test_a_node_whose_engine_is_lost_fails_the_file_and_starts_another(
    ears: Ears, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is tried again; its next piece finds a new engine."""
    soundfile.write(tmp_path / "a.wav", conversation()[: 2 * SAMPLE_RATE], SAMPLE_RATE)
    task = Task(5, tmp_path / "a.wav", StreamConfig())
    rows = list(read_group({ITEM: [pickle.dumps([task])]}, RULES))
    lost = ears._pipeline
    assert lost is not None

    async def decode(*_: object) -> None:
        raise EngineLostError("it died nine times")

    monkeypatch.setattr(type(lost.engine), "decode", decode)
    outcomes = [pickle.loads(heard[ITEM][0]) for row in rows for heard in ears(row)]
    failures = [outcome for number, outcome in outcomes if isinstance(outcome, Failed) and number == 5]
    assert len(failures) == 1
    assert "it died nine times" in failures[0].reason
    monkeypatch.undo()
    assert not any(isinstance(pickle.loads(heard[ITEM][0])[1], Failed) for row in rows for heard in ears(row))
    assert ears._pipeline is not lost


def test_enrolled_voices_are_not_on_the_nodes(config: Config, what: Wanted) -> None:
    """It is said what to do; Ray is not imported for that."""
    known = replace(config, stream=replace(config.stream, known_speakers=True))
    with pytest.raises(ClusterError, match="--known-speakers: voices are enrolled on this machine"):
        RayExecutor(known, what)
