"""What is compiled ahead of a model is all that the engine dispatches, at every size of a window and of a draft."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

import pytest

from amanuensis.kernels.compile.build import laid_out
from amanuensis.kernels.compile.lowering import Segment, rooms_up_to
from amanuensis.kernels.compile.template import sizes_of
from amanuensis.kernels.compile.work import Work, covers_of, load_designs, wanted
from amanuensis.kernels.operands import Buffer, Region
from amanuensis.kernels.operators import Operator
from amanuensis.kernels.program import Architecture
from amanuensis.npu.devices.xrt import parameters as par
from amanuensis.npu.devices.xrt import runner
from amanuensis.npu.devices.xrt.chains import room_for
from amanuensis.npu.devices.xrt.decoder_streams import DecoderStreams, Vocabulary
from amanuensis.npu.devices.xrt.encoder_streams import EncoderStreams
from amanuensis.npu.devices.xrt.launches import BEAMS, work_of, work_on
from amanuensis.npu.devices.xrt.memory import BLOCK_ROWS, Memory, aligned
from amanuensis.npu.devices.xrt.model import XrtModel
from amanuensis.npu.devices.xrt.opening import open_runtime
from amanuensis.npu.devices.xrt.planned_weights import planned_weights
from amanuensis.npu.devices.xrt.voices import VoiceSession
from amanuensis.npu.model_config import Dimensions
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.row_rules import N_MASKS
from amanuensis.npu.rules import make_selection
from amanuensis.npu.speaker_graph import BUILTIN_NETWORK, read_weights
from amanuensis.npu.store import resolve
from amanuensis.npu.tokenizer import Tokenizer

COVERS = covers_of(load_designs())
BASE = Dimensions(51864, 80, 512, 6, 8, 2048, 6, 8, 2048, 1500, 448, True)
TURBO = Dimensions(51866, 128, 1280, 32, 20, 5120, 4, 20, 5120, 1500, 448, True)
MOST_LAUNCHES = 400  # of a model: each is compiled a few times over


@pytest.fixture(scope="module")
def files() -> ModelFiles:
    """Return the built-in model."""
    return ModelFiles.load(resolve("builtin"))


@pytest.fixture(scope="module")
def work(files: ModelFiles) -> Work:
    """Return what would be compiled for it."""
    return work_of("builtin", files)


def compiled(work: Work) -> set[str]:
    """Return the names of all launches."""
    parts, lacking = wanted(work, COVERS)
    made, refused = laid_out(work, "npu1", load_designs(), parts)
    assert (lacking, refused) == ([], [])
    return {each.template.name for each in made}


def test_every_window_and_every_draft_has_its_launches(files: ModelFiles, work: Work) -> None:
    """Of 1 to 30 s, 1 to 32 tokens anywhere in a cache, alone, together and in beams: none is missing or refused."""
    names = compiled(work)
    memory = Memory.plan(files.dimensions, len(files.generation.alignment_heads))
    parts, _ = wanted(work, COVERS)
    for segment in parts:
        for rooms in asked(segment, work):
            launches = segment.bound(rooms)
            assert not launches or any(launch.template.name in names for launch in launches)
    assert {memory.bucket(frames) for frames in range(50, 1501)} == set(memory.buckets)
    assert work.rooms[par.ROWS][-1] == BLOCK_ROWS
    assert len(names) <= MOST_LAUNCHES


def asked(segment: Segment, work: Work) -> Iterator[dict[int, int]]:
    """Yield the rooms that the engine asks for: those of each size that there may be, with those of each other."""
    limits = {size.index: size.limit for operator in segment.operators for size in sizes_of(operator)}
    each = []
    for index, limit in limits.items():
        rooms = rooms_up_to(work.rooms.get(index, ()), limit)
        each.append({(index, room_for(size, rooms)) for size in range(1, limit + 1)})
    yield from (dict(chosen) for chosen in product(*each))


def test_launches_are_few(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    """Layers, caches, windows and positions share them."""
    names = compiled(work)
    counts = Counter(name.partition("/")[0] for name in names)
    assert sum(len(sequence.operators) for sequence in work.sequences) > 5 * len(names)
    with capsys.disabled():
        print(f" [{len(names)} launches of the built-in model: {dict(counts)}]", end="")


def test_the_engine_dispatches_nothing_else(files: ModelFiles, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each stream that a model and voices open with, and a step of any number of beams, is among those compiled."""
    put: list[tuple[Operator, ...]] = []
    encode = runner.encode

    def recorded(operators: Iterable[Operator]) -> Any:
        put.append(tuple(operators))
        return encode(put[-1])

    monkeypatch.setattr(runner, "encode", recorded)
    runtime = open_runtime("sim")
    model = XrtModel.open(files, runtime)
    model.load_selection(make_selection(files.generation, Tokenizer(files.folder), files.dimensions.vocabulary))
    VoiceSession(runtime, model.dispatcher, read_weights(BUILTIN_NETWORK))
    runtime.close()
    assert len(put) > 10
    assert set(put) <= {sequence.operators for sequence in work.sequences}
    assert BEAMS >= 5


@pytest.mark.parametrize(
    ("dimensions", "architecture", "most"),
    [
        (BASE, "npu1", 540),
        pytest.param(BASE, "npu2", 540, marks=pytest.mark.long),
        pytest.param(TURBO, "npu1", 470, marks=pytest.mark.long),
        pytest.param(TURBO, "npu2", 470, marks=pytest.mark.long),
    ],
    ids=["base npu1", "base npu2", "turbo npu1", "turbo npu2"],
)
def test_real_models_have_all_their_launches(dimensions: Dimensions, architecture: Architecture, most: int) -> None:
    """No design refuses an operator of Whisper base or turbo at any size, the shortlist of the vocabulary included."""
    weights = planned_weights(dimensions, "int8")
    assert weights.short_vocabulary is not None
    heads = ((1, 0), (dimensions.decoder_layers - 1, 3))
    memory = Memory.plan(dimensions, len(heads))
    masks = Region(Buffer.WEIGHTS, aligned(weights.n_bytes))
    words = Vocabulary(masks, N_MASKS, weights.short_vocabulary.eot, dimensions.vocabulary - 1501, 0)
    streams = EncoderStreams(memory, weights), DecoderStreams(memory, weights, words, heads)
    work = work_on("real", memory, *streams)
    parts, lacking = wanted(work, COVERS)
    made, refused = laid_out(work, architecture, load_designs(), parts)
    assert (lacking, refused) == ([], [])
    assert len({each.template.name for each in made}) == len(made) <= most
