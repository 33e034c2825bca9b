"""The choice of tokens on the array gives what the machine gives, and nothing else is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from amanuensis.kernels.designs._iron import NPU1, NPU2, Device
from amanuensis.kernels.designs.choice import launch
from amanuensis.kernels.designs.launch import LaunchError, run_launch
from amanuensis.kernels.layout import padded
from amanuensis.kernels.machine import run_operator
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operands import ALIGNMENT_BYTES, Buffer, Parameter, Region
from amanuensis.kernels.operators import Select
from amanuensis.kernels.records import SCORES, empty_rules
from amanuensis.kernels.reference.select import Vocabulary
from amanuensis.kernels.sim.engine import Speed
from amanuensis.kernels.sim.run import Simulation
from amanuensis.kernels.sim.trace import Trace
from tests.kernels.cores import exact_too, needs_compiler
from tests.kernels.device import Device as DeviceMemory
from tests.kernels.scores import N_MASKS, agree, bitmaps_of

pytestmark = needs_compiler
NPUS = pytest.mark.parametrize("device", [NPU1(), NPU2()], ids=str)
SMALL = Vocabulary(200, 150, 120, 130)
BASE = Vocabulary(51865, 50364, 50257, 50362)  # of the multilingual Whisper base
ENGLISH = Vocabulary(51864, 50363, 50256, 50361)  # of its English one, whose bitmaps are 6483 bytes: not whole words
TURBO = Vocabulary(51866, 50365, 50257, 50363)


def made(words: Vocabulary, rows: int, pitch: int = 0, n_masks: int = N_MASKS) -> tuple[Select, DeviceMemory]:
    """Return a Select over memory in which all other floats of the logits' buffer are no numbers."""
    random, pitch = np.random.default_rng(words.size + rows), pitch or words.size + 7
    memory = DeviceMemory(padded(4 * rows * pitch, ALIGNMENT_BYTES) + (1 << 18))
    memory.buffers[Buffer.SCRATCH].view(np.float32)[:] = np.nan
    logits = np.full((rows, pitch), np.nan, np.float32)
    logits[:, : words.size] = 4 * random.standard_normal((rows, words.size))
    rules = empty_rules(rows)
    rules["mask"], rules["tag"] = np.arange(rows) % n_masks, np.arange(rows) + 1
    rules["time_from"], rules["time_to"] = words.timestamp_begin + 2, words.size
    rules["wanted"] = random.integers(-1, words.size, rows)
    rules["temperature"], rules["seed"] = np.arange(rows) % 2 * 0.7, 5
    rules["position"] = np.arange(rows)
    rules["n_bonuses"] = np.arange(rows) % 3
    rules["bonus_ids"][:, :2] = random.integers(0, words.size, (rows, 2))
    rules["bonus_logits"][:, :2] = 2.5
    masks = np.concatenate([bitmaps_of(words, seed) for seed in range(-(-n_masks // N_MASKS))])[:n_masks]
    memory.set_parameters({5: rows})
    operator = Select(
        logits=memory.put(logits, Buffer.SCRATCH),
        masks=memory.put(masks, Buffer.WEIGHTS),
        rules=memory.put(rules, Buffer.INPUT),
        answers=memory.room(Buffer.OUTPUT, rows * SCORES.itemsize),
        rows=Parameter(5, 32),
        vocabulary=words.size,
        pitch=pitch,
        n_masks=n_masks,
        timestamp_begin=words.timestamp_begin,
        eot=words.eot,
        no_speech=words.no_speech,
    )
    return operator, memory


def answers(operator: Select, buffers: list[np.ndarray], rows: int) -> np.ndarray:
    """Return the answers, as a view."""
    start = operator.answers.offset
    return buffers[operator.answers.buffer][start : start + rows * SCORES.itemsize].view(SCORES)


def compare(case: tuple[Select, DeviceMemory], rows: int, device: Device, speed: Speed = "object") -> Trace:
    """Choose on the machine and on the array, hold one to the other, and return the trace."""
    operator, memory = case
    wanted, buffers = ([buffer.copy() for buffer in memory.buffers] for _ in range(2))
    run_operator(operator, Memory(wanted))
    trace = run_launch(launch(operator, Memory(buffers), device), buffers, speed)
    expected, given = answers(operator, wanted, rows), answers(operator, buffers, rows)
    for row in range(rows):
        agree(given[row], expected[row])
    given[:] = expected[:] = np.zeros((), SCORES)
    assert all(np.array_equal(one, other) for one, other in zip(wanted, buffers, strict=True))
    return trace


@NPUS
@pytest.mark.parametrize("rows", [1, 3, 9, 31, 32])
def test_rows_are_spread_over_columns(rows: int, device: Device) -> None:
    """Fewer rows than columns, and rows that columns do not divide."""
    compare(made(SMALL, rows), rows, device)


@pytest.mark.parametrize(
    "words",
    [
        Vocabulary(2, 1, 0, 1),
        Vocabulary(31, 31, 30, -1),
        Vocabulary(1025, 1024, 1000, 1),
        Vocabulary(4096, 3073, 3071, 1024),
        Vocabulary(4097, 4097, 17, 4096),
        Vocabulary(7001, 1500, 1499, 6000),
        Vocabulary(65536, 60000, 100, 65535),
    ],
    ids=lambda words: str(words.size),
)
def test_vocabularies_of_any_size(words: Vocabulary) -> None:
    """Cores without a tile, tiles that are cut short, whole ones, and halves that begin anywhere."""
    compare(made(words, 3), 3, NPU1())


@exact_too
@NPUS
@pytest.mark.parametrize("words", [BASE, ENGLISH, TURBO], ids=lambda words: str(words.size))
def test_the_vocabularies_of_whisper(words: Vocabulary, device: Device, speed: Speed) -> None:
    """Six bitmaps, as the engine has, whose rows begin within words or not; each logit is read once."""
    rows = 5
    trace = compare(made(words, rows, n_masks=6), rows, device, speed)
    columns = min(rows, device.cols - 1)
    logits, filler = rows * 13 * 4 * 4096, columns * 6 * 4 * 2112
    assert trace.bytes_read == logits + filler + rows * 2112
    assert trace.bytes_written == rows * SCORES.itemsize


@NPUS
def test_beat_by_beat(device: Device) -> None:
    """Two rows at exact speed move what they move object by object."""
    assert compare(made(SMALL, 2), 2, device, "exact") == compare(made(SMALL, 2), 2, device, "object")


@pytest.mark.parametrize("n_masks", [1, 2, 16])
def test_as_many_bitmaps_as_a_core_keeps(n_masks: int) -> None:
    """One, and the most, each named by a row; bitmaps of 13 bytes begin anywhere in a word."""
    compare(made(Vocabulary(100, 90, 80, 85), 16, n_masks=n_masks), 16, NPU1())


def test_equal_logits_are_told_apart_by_their_ids() -> None:
    """Ties go to the lower id, also where another core has it."""
    operator, memory = made(Vocabulary(6000, 5000, 4999, 1), 2)
    start = operator.logits.offset
    memory.buffers[Buffer.SCRATCH][start : start + 2 * operator.pitch * 4].view(np.float32)[:] = 1.5
    compare((operator, memory), 2, NPU1())


def test_a_launch_may_be_dispatched_again() -> None:
    """The second dispatch on the same array gives the same bits."""
    operator, memory = made(SMALL, 7)
    results = []
    with Simulation(launch(operator, Memory(memory.buffers), NPU1()).program) as array:
        for _ in range(2):
            answers(operator, memory.buffers, 7)[:] = np.zeros((), SCORES)
            array.run(*(buffer.view(np.int32) for buffer in memory.buffers))
            results.append(answers(operator, memory.buffers, 7).tobytes())
    assert results[0] == results[1] != bytes(7 * SCORES.itemsize)


def test_no_rows_are_no_work() -> None:
    """Nothing is transferred when the parameter says that there are no rows."""
    operator, memory = made(SMALL, 2)
    memory.set_parameters({})
    before = [buffer.copy() for buffer in memory.buffers]
    trace = run_launch(launch(operator, Memory(memory.buffers), NPU1()), memory.buffers)
    assert not trace.tasks
    assert all(np.array_equal(one, other) for one, other in zip(before, memory.buffers, strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vocabulary": 65537, "pitch": 65537}, "Select.vocabulary is 65537; choice takes up to 65536"),
        ({"n_masks": 17}, "Select.n_masks is 17; choice takes up to 16"),
        ({"rows": Parameter(7, 32)}, "Select: rows is parameter 7 = 33; allowed are 0 to 32"),
        ({"masks": Region(0, 4)}, "Select: masks starts at byte 4; tensors start at multiples of 64"),
        ({"logits": Region(1, 1 << 20)}, "Select: logits takes bytes 1048576 to 1050200 of SCRATCH, which has 1048576"),
        ({"answers": Region(1, 64)}, "Select.answers overlaps logits; choice writes a row while it reads others"),
        ({"answers": Region(3, 1024)}, "Select.answers overlaps rules"),
    ],
)
def test_what_cannot_be_launched_is_named(change: dict[str, Any], message: str) -> None:
    """Operator, value and limit are named."""
    memory = DeviceMemory(1 << 20)
    memory.set_parameters({7: 33})
    places = {"logits": Region(1, 0), "masks": Region(0, 0), "rules": Region(3, 1024), "answers": Region(4, 0)}
    sizes = {"rows": 2, "vocabulary": 200, "pitch": 206, "n_masks": 2}
    kinds = {"timestamp_begin": 150, "eot": 120, "no_speech": 130}
    with pytest.raises(LaunchError, match=message):
        launch(Select(**{**places, **sizes, **kinds, **change}), Memory(memory.buffers), NPU1())
