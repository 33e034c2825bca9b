"""Steps with a shortlist of the vocabulary answer what steps without one do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from amanuensis.benchmarks.random_model import make_random_model
from amanuensis.kernels.cost.parameters import MODELS
from amanuensis.kernels.operands import Buffer, Region
from amanuensis.kernels.records import RULES, SCORES
from amanuensis.npu import calibration
from amanuensis.npu import device_weights as preparing
from amanuensis.npu.calibration import Choice, Precision
from amanuensis.npu.device_layers import UNEMBEDDING
from amanuensis.npu.device_weights import device_weights
from amanuensis.npu.devices.xrt import parameters as par
from amanuensis.npu.devices.xrt.decoder_streams import Vocabulary
from amanuensis.npu.devices.xrt.model import XrtModel
from amanuensis.npu.devices.xrt.opening import open_runtime
from amanuensis.npu.devices.xrt.plan import Planner
from amanuensis.npu.devices.xrt.planned_weights import planned_weights
from amanuensis.npu.devices.xrt.short_vocabulary import N_EXTRAS, SHORT_TEXT
from amanuensis.npu.devices.xrt.shortlist import FAILURES, LONGEST_REST, SHORTEST_REST, Rest, Shortlist
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.pyxrt_emulator import control
from amanuensis.npu.row_rules import N_MASKS, Row, RowRules, RowScores, Selection
from amanuensis.npu.rules import make_selection
from amanuensis.npu.tokenizer import Tokenizer
from tests.helpers.machine_runtime import MachineRuntime
from tests.helpers.parity_fixture import MODEL
from tests.npu.devices.xrt.test_memory import BASE

Float32 = NDArray[np.float32]
LARGE = replace(MODEL, fillers=13_000, dtype="float32")
SURE = 40.0  # gain of the embedding: logits far enough apart for the sum of 8,000 small ones not to matter
FAINT = 0.01  # of the rows that are left out, so that the bound holds
LSE_ERROR = 1e-3 + 1e-5  # what the shortlist allows, and what float32 adds
ASK = RowRules(candidates=5)
ENGLISH = RowRules(mask=1, candidates=1)

EMBEDDING = "model.decoder.embed_tokens.weight"
Change = Callable[[Float32, int], None]


def make_files(folder: Path, gain: float, change: Change = lambda _rows, _eot: None) -> ModelFiles:
    """Make a model whose vocabulary is large; `change` is given the rows of its embedding and <|endoftext|>."""
    make_random_model(folder, replace(LARGE, embedding_gain=gain))
    tensors = load_file(folder / "model.safetensors")
    change(tensors[EMBEDDING], Tokenizer(folder).eot)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return ModelFiles.load(folder)


def make_faint(rows: Float32, eot: int) -> None:
    """Make the rows that are left out small."""
    rows[SHORT_TEXT:eot] *= FAINT


def with_smoothing(files: ModelFiles, *given: object) -> dict[str, Choice]:
    """Choose as without sound, but smooth the projection to the vocabulary."""
    choices = calibration.calibrate(files, [], "int8", lambda _what, _share: None)
    factors = np.random.default_rng(1).uniform(0.5, 2, files.dimensions.width).astype(np.float32)
    return choices | {UNEMBEDDING: Choice("int8", factors, 0.0)}


@dataclass(frozen=True)
class Pair:
    """The same model with and without a shortlist, on the arithmetic of the device, and an encoding of each."""

    short: XrtModel
    whole: XrtModel
    runtime: MachineRuntime
    selection: Selection

    @classmethod
    def of(cls, files: ModelFiles, precision: Precision) -> Pair:
        """Prepare and load a model."""
        weights, runtime = device_weights(files, precision, list), MachineRuntime()
        without = replace(weights, map=replace(weights.map, short=None))
        short = XrtModel(files, weights, runtime, precision)  # type: ignore[arg-type]
        whole = XrtModel(files, without, MachineRuntime(), precision)  # type: ignore[arg-type]
        selection = make_selection(files.generation, Tokenizer(files.folder), files.dimensions.vocabulary)
        for model in (short, whole):
            model.load_selection(selection)
        return cls(short, whole, runtime, selection)

    @property
    def shortlist(self) -> Shortlist:
        """The shortlist of the model that has one."""
        shortlist = self.short._decoder.shortlist
        assert shortlist is not None
        return shortlist

    def step(self, prompt: Sequence[int], token: int, rules: RowRules) -> tuple[RowScores, RowScores]:
        """Return the scores of a step after a prompt, with and without the shortlist, which is rested."""
        self.shortlist._rest = Rest()
        scores = []
        for model in (self.short, self.whole):
            decoder = model.decoder(model.encode(sound()))
            decoder.forward(prompt, [])
            scores.append(decoder.step([token], [rules]).scores[0])
        return scores[0], scores[1]

    def cost(self, act: Callable[[], object]) -> tuple[int, int, int]:
        """Return the dispatches and the bytes each way of an act on the model with a shortlist."""
        runtime = self.runtime
        before = (runtime.dispatches, runtime.bytes_to_device, runtime.bytes_from_device)
        act()
        now = (runtime.dispatches, runtime.bytes_to_device, runtime.bytes_from_device)
        return now[0] - before[0], now[1] - before[1], now[2] - before[2]


def sound() -> Float32:
    """Return the features of a short window."""
    return np.random.default_rng(5).normal(size=(80, 40)).astype(np.float32)


@pytest.fixture(scope="module")
def faint(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    """A model whose rare ids never win."""
    return make_files(tmp_path_factory.mktemp("faint") / "model", SURE, make_faint)


@pytest.fixture(scope="module", params=["int8", "bf16", "smoothed"])
def pair(faint: ModelFiles, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Pair:
    """That model in each precision."""
    if request.param != "smoothed":
        return Pair.of(faint, request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparing, "calibrate", with_smoothing)
        files = make_files(tmp_path_factory.mktemp("smoothed") / "model", SURE, make_faint)
        return Pair.of(files, "int8")


@pytest.fixture(scope="module")
def int8(faint: ModelFiles) -> Pair:
    """That model in int8."""
    return Pair.of(faint, "int8")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A model whose rare ids are like all others."""
    return Pair.of(make_files(tmp_path_factory.mktemp("plain") / "model", 1.0), "int8")


def any_rules(selection: Selection) -> st.SearchStrategy[RowRules]:
    """Return rules of all kinds, with special, frequent and rare ids, mostly such that the shortlist is tried."""
    begin, size, eot = selection.timestamp_begin, selection.vocabulary, selection.eot
    ids = st.one_of(st.integers(0, SHORT_TEXT - 1), st.integers(eot, size - 1), st.integers(eot - 6, eot - 1))
    ends = st.sampled_from([0, begin, begin + 7, begin + 100, size])
    bonuses = st.lists(st.tuples(ids, st.floats(-20, 20, width=32)), max_size=3, unique_by=lambda bonus: bonus[0])
    return st.builds(
        RowRules,
        mask=st.integers(0, N_MASKS - 1),
        text=st.booleans(),
        eot=st.booleans(),
        time_from=ends,
        time_to=ends,
        bonuses=bonuses.map(tuple),
        candidates=st.integers(1, 5),
        wanted=st.one_of(st.just(-1), ids),
        temperature=st.sampled_from([0.0] * 5 + [0.7]),
        no_speech=st.sampled_from([False] * 5 + [True]),
    )


def check_alike(ours: RowScores, theirs: RowScores, *, exact: bool) -> None:
    """Assert that scores agree: ids and logits, and sums within what the shortlist allows."""
    tolerance = 0.0 if exact else 1e-4  # a CPU sums columns of float32 in an order of its own at the edge of a matrix
    for kind in ("text", "time"):
        one, other = getattr(ours, kind), getattr(theirs, kind)
        assert one.ids == other.ids
        assert one.logits == pytest.approx(other.logits, abs=tolerance)
        assert one.lse == pytest.approx(other.lse, abs=LSE_ERROR)
        assert (one.drawn_id, one.drawn_logit) == (other.drawn_id, pytest.approx(other.drawn_logit, abs=tolerance))
    assert ours.wanted_logit == pytest.approx(theirs.wanted_logit, abs=tolerance)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_scores_are_those_of_the_whole_vocabulary(pair: Pair, data: st.DataObject) -> None:
    """Under any rules and after prompts with rare ids, tried or not."""
    eot = pair.selection.eot
    ids = st.one_of(st.integers(0, eot - 1), st.integers(eot - 6, eot - 1))
    prompt = data.draw(st.lists(ids, min_size=1, max_size=6))
    rules = data.draw(any_rules(pair.selection))
    ours, theirs = pair.step(prompt, data.draw(ids), rules)
    check_alike(ours, theirs, exact=pair.short.precision == "int8")
    if rules.no_speech:
        assert ours.no_speech_prob == pytest.approx(theirs.no_speech_prob, rel=1e-4)


def test_the_shortlist_is_used(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    """Where what is left out is small nearly every step holds, so that the comparison is one of the shortlist."""
    decoder = pair.short.decoder(pair.short.encode(sound()))
    decoder.forward([1, 2], [])
    pair.shortlist._rest = Rest()
    before = pair.short.shortlist_use
    for token in range(40):
        decoder.step([token], [ENGLISH])
    use = pair.short.shortlist_use
    tried, held = use.tried - before.tried, use.held - before.held
    assert tried == 40
    assert held >= 30
    with capsys.disabled():
        print(f" [faint rows, {pair.short.precision}: {held} of {tried} held]", end="")


def test_rare_ids_of_the_prompt_are_ranked(int8: Pair) -> None:
    """One that was said, and that a hotword raises, is answered by the shortlist itself; another one is not."""
    rare, other = SHORT_TEXT + 11, SHORT_TEXT + 12
    for token, tried in ((rare, 1), (other, 0)):
        before = int8.short.shortlist_use
        rules = RowRules(mask=1, candidates=3, bonuses=((token, 200.0),), wanted=token)
        ours, theirs = int8.step([1, rare, 2], 3, rules)
        assert ours.text.ids[0] == token
        check_alike(ours, theirs, exact=True)
        assert int8.short.shortlist_use.tried - before.tried == tried


def test_equal_logits_are_ranked_by_id(tmp_path: Path) -> None:
    """A rare id, which lies before all others in the shortlist, comes after a frequent one with the same row."""
    rare, frequent = SHORT_TEXT + 31, 17

    def repeat(rows: Float32, eot: int) -> None:
        make_faint(rows, eot)
        rows[rare] = rows[frequent]

    pair = Pair.of(make_files(tmp_path / "repeated", SURE, repeat), "int8")
    raised = replace(ENGLISH, candidates=2, bonuses=((rare, 900.0), (frequent, 900.0)))
    ours, theirs = pair.step([1, rare], 3, raised)
    check_alike(ours, theirs, exact=True)
    assert ours.text.ids == (frequent, rare)
    assert pair.short.shortlist_use.held == 1


def test_more_rare_ids_than_there_is_room_for(int8: Pair) -> None:
    """The first of the newest text stay, the others are left out, and answers are the same."""
    first = list(range(SHORT_TEXT, SHORT_TEXT + 2 * N_EXTRAS))
    int8.step(first, 3, ENGLISH)
    assert int8.shortlist._extras == tuple(first[:N_EXTRAS])
    ours, theirs = int8.step([first[-1], *first[:3]], 3, ENGLISH)
    assert int8.shortlist._extras[:4] == (first[-1], *first[:3])
    assert len(int8.shortlist._extras) == N_EXTRAS
    check_alike(ours, theirs, exact=True)


def test_known_rare_ids_are_written_once(int8: Pair) -> None:
    """A prompt whose rare ids are there already costs no more than one without any."""
    costs = []
    for prompt in ([SHORT_TEXT + 500, 1], [1, 2], [1, SHORT_TEXT + 500]):
        decoder = int8.short.decoder(int8.short.encode(sound()))
        costs.append(int8.cost(lambda decoder=decoder, prompt=prompt: decoder.forward(prompt, [])))  # type: ignore[misc]
    assert costs[1] == costs[2]
    assert costs[0][1] > costs[1][1] + 64 * N_EXTRAS


def test_a_rare_id_that_would_win_is_never_missed(tmp_path: Path, int8: Pair) -> None:
    """A row made so that it beats all others is found, though the prompt did not have it."""
    winner, crafted = int8.step([1, 2], 3, ENGLISH)[1].text.ids[0], SHORT_TEXT + 777

    def craft(rows: Float32, eot: int) -> None:
        make_faint(rows, eot)
        rows[crafted] = 1.1 * rows[winner]

    pair = Pair.of(make_files(tmp_path / "crafted", SURE, craft), "int8")
    ours, theirs = pair.step([1, 2], 3, ASK)
    assert ours == theirs
    assert ours.text.ids[:2] == (crafted, winner)
    assert (pair.short.shortlist_use.tried, pair.short.shortlist_use.held) == (1, 0)


@settings(max_examples=40, deadline=None)
@given(tokens=st.lists(st.integers(0, 13_000), min_size=2, max_size=8))
def test_no_logit_that_is_left_out_exceeds_the_bound(plain: Pair, tokens: list[int]) -> None:
    """The logits of a whole projection that the device leaves in its memory, against the bound from its hidden row."""
    *prompt, token = tokens
    plain.shortlist._rest = Rest()
    decoder = plain.short.decoder(plain.short.encode(sound()))
    decoder.forward(prompt, [])
    dispatches, *_ = plain.cost(lambda: decoder.step([token], [ENGLISH]))
    assert dispatches == 2
    memory = plain.short._decoder.memory
    scratch, output = (
        next(b.device for b in plain.runtime.buffers if b.kind == kind) for kind in ("scratch", "output")
    )
    output = plain.short._decoder._output.device  # type: ignore[attr-defined]
    start = memory.scratch().offset("logits")
    logits = scratch[start:][: 4 * memory.dimensions.vocabulary].view(np.float32)
    place = memory.decoder_output().offset("hidden")
    hidden = output[place : place + 2 * memory.dimensions.width].view(ml_dtypes.bfloat16).astype(np.float32)
    bound = plain.shortlist._bound
    assert bound is not None
    assert logits[SHORT_TEXT : plain.selection.eot].max() <= bound.of(hidden)


def test_resting_grows_and_ends() -> None:
    """Rests double up to the longest, and start over once a try has held."""
    rest, rests = Rest(), []
    for _ in range(7):
        for _ in range(FAILURES):
            assert rest.may_try()
            rest.tell(held=False)
        length = 0
        while not rest.may_try():
            length += 1
        rests.append(length)
    assert rests == [256, 512, 1024, 2048, 4096, 4096, 4096]
    assert (rests[0], rests[-1]) == (SHORTEST_REST, LONGEST_REST)
    rest.tell(held=True)
    for _ in range(FAILURES - 1):
        rest.tell(held=False)
    assert rest.may_try()
    rest.tell(held=False)
    assert [rest.may_try() for _ in range(SHORTEST_REST + 1)] == [False] * SHORTEST_REST + [True]


def test_dispatches_and_bytes_of_a_step(int8: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    """One dispatch where the shortlist holds, with the same bytes at the start and the end of the longest text."""
    encoding = int8.short.encode(sound())
    decoder, costs = int8.short.decoder(encoding), set()
    for length in (1, 64, 447):
        decoder.forward([9] * (length - decoder.length), [])
        int8.shortlist._rest = Rest()
        before = int8.short.shortlist_use
        costs.add(int8.cost(lambda: decoder.step([4], [ENGLISH])))
        assert int8.short.shortlist_use.held == before.held + 1
        decoder.truncate(length)
    attention, hidden = 4 * len(LARGE.alignment_heads or ()) * encoding.bucket, 2 * int8.short.dimensions.width
    assert costs == {(1, 1024 + 128 + RULES.itemsize, 64 + SCORES.itemsize + hidden + attention)}
    with capsys.disabled():
        print(f" [a token with the shortlist: {costs}]", end="")


def test_it_costs_little_where_it_never_holds(plain: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    """Sixteen steps take two dispatches, then each takes one, as without a shortlist."""
    decoder = plain.short.decoder(plain.short.encode(sound()))
    decoder.forward([1], [])
    plain.shortlist._rest = Rest()
    before = plain.short.shortlist_use
    dispatches = [plain.cost(lambda token=token: decoder.step([token], [ENGLISH]))[0] for token in range(100)]  # type: ignore[misc]
    assert dispatches == [2] * FAILURES + [1] * (100 - FAILURES)
    use = plain.short.shortlist_use
    assert (use.tried - before.tried, use.held - before.held) == (FAILURES, 0)
    with capsys.disabled():
        print(f" [plain random weights: {use.held} of {use.tried} held]", end="")


def test_rules_that_ask_for_more_take_the_whole_vocabulary(int8: Pair) -> None:
    """A draw, the no-speech probability, and an id that is left out are not tried."""
    rare = SHORT_TEXT + 4001
    decoder = int8.short.decoder(int8.short.encode(sound()))
    decoder.forward([1], [])
    int8.shortlist._rest = Rest()
    before = int8.short.shortlist_use
    for changes in ({"temperature": 0.5}, {"no_speech": True}, {"wanted": rare}, {"bonuses": ((rare, 1.0),)}):
        dispatches, *_ = int8.cost(lambda changes=changes: decoder.step([4], [replace(ENGLISH, **changes)]))  # type: ignore[misc]
        assert dispatches == 1
    assert int8.short.shortlist_use == before


def test_forwards_and_beams_do_not_try(int8: Pair) -> None:
    """A forward, a step of several beams and one of several streams score the whole vocabulary."""
    before = int8.short.shortlist_use
    decoder = int8.short.decoder(int8.short.encode(sound()))
    decoder.forward([1, 2], [Row(1, ENGLISH)])
    decoder.reorder([0, 0])
    decoder.step([3, 4], [ENGLISH, ENGLISH])
    streams = int8.short.decoders([int8.short.encode(sound()), int8.short.encode(sound())])
    for stream in streams:
        stream.forward([1], [])
    int8.short.step_together(streams, [2, 3], [ENGLISH, ENGLISH])
    assert int8.short.shortlist_use == before


def test_a_vocabulary_with_other_ids_is_not_cut(int8: Pair, faint: ModelFiles) -> None:
    """Where <|endoftext|> lies elsewhere than in the prepared weights nothing is tried."""
    model = Pair.of(faint, "int8").short
    model.load_selection(replace(int8.selection, eot=int8.selection.eot - 1))
    decoder = model.decoder(model.encode(sound()))
    decoder.forward([1, SHORT_TEXT + 1], [])
    decoder.step([2], [ENGLISH])
    assert model.shortlist_use.tried == 0


@pytest.fixture
def emulated() -> Iterator[None]:
    """Leave the emulator as it was."""
    yield
    control.reset()


@pytest.mark.usefixtures("emulated")
def test_rare_ids_are_written_when_no_dispatch_runs(faint: ModelFiles, int8: Pair) -> None:
    """While the next window is being encoded the weights are in use: the strict emulation would refuse to write."""
    weights = device_weights(faint, "int8", list)
    model = XrtModel(faint, weights, open_runtime("sim"), "int8")
    model.load_selection(int8.selection)
    encoding = model.encode(sound())
    decoder = model.decoder(encoding)
    following = model.start(sound())
    decoder.forward([1, SHORT_TEXT + 1], [])
    scores = decoder.step([3], [ASK]).scores[0]
    model.finish(following)
    assert (model.shortlist_use.tried, model.shortlist_use.held) == (1, 1)
    check_alike(scores, int8.step([1, SHORT_TEXT + 1], 3, ASK)[1], exact=True)


@pytest.mark.parametrize("architecture", ["npu1", "npu2"])
def test_a_held_step_is_modelled_to_take_less(
    architecture: Literal["npu1", "npu2"], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of Whisper base; a try that does not hold costs its own projection and one more dispatch."""
    heads = ((3, 1), (4, 2))
    planner = Planner(BASE, heads, MODELS[architecture])
    short = planned_weights(BASE, "int8").short_vocabulary
    assert short is not None
    words = Vocabulary(Region(Buffer.WEIGHTS, 0), N_MASKS, short.local_eot, short.local_size - 1, -1)
    counts = {par.ROWS: 1, par.FIRST: 16, par.KEYS: 17, par.FRAMES: 250, par.WANTED: 1}
    streams = planner._decoder
    whole, held, again = (
        planner._priced("step", "decoder", operators, counts).time.middle
        for operators in (streams.forward(256), streams.short_step(256, words), streams.score_again())
    )
    assert held < whole < held + again < whole + held
    with capsys.disabled():
        print(
            f" [{architecture}, modelled us: held {held:.0f}, whole {whole:.0f}, not held {held + again:.0f}]", end=""
        )
