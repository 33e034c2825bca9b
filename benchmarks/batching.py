"""Whether one forward over windows of several streams is cheaper than a forward for each.

The CPU back end decodes windows side by side, one to a core. Here its graphs get a dimension for windows: the encoder
over windows of one length, and of several lengths with padding and a mask; the decoder over the next token of each,
with keys and values of each window's own length. The figure to read is CPU seconds, those of all threads, against one
window after the other on one thread; on two threads also the time by the clock.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from amanuensis.benchmarks.batched_graphs import LENGTHS, suffix, write_batched_decoder, write_batched_encoder
from amanuensis.benchmarks.common import Spread, Took, header, interleaved, report, timed
from amanuensis.benchmarks.model_choice import chosen_model
from amanuensis.benchmarks.stream_cost import cache_folder, random_base
from amanuensis.npu.devices.cpu import CpuDecoder, CpuEncoding, CpuModel, DecoderInputs
from amanuensis.npu.devices.cpu_session import open_session
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.tuning import Arithmetic

if TYPE_CHECKING:
    from amanuensis.npu.graph_layers import Precision, PrecisionOf

Float32 = NDArray[np.float32]
WINDOWS: Final = (2, 4, 8)
LENGTHS_S: Final[Mapping[str, tuple[float, ...]]] = {"3 s": (3.0,), "5.5 s": (5.5,), "2 to 5.5 s": (5.5, 3.0, 4.0, 2.0)}
TEXT: Final = 24  # tokens before the step
STEPS: Final = 8  # timed as one
CORES: Final = 2
ALONE: Final = "one after the other"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One way of doing several windows, against one after the other.

    Attributes:
        part: "encoder" or "step".
        arithmetic: of the products.
        windows: how many.
        lengths: of their sound.
        way: how they were done.
        cpu_ms, wall_ms: of one window.
        ratio: of CPU seconds, to ALONE in the same round.

    """

    part: str
    arithmetic: str
    windows: int
    lengths: str
    way: str
    cpu_ms: Spread
    wall_ms: Spread
    ratio: Spread


def compare(cases: Mapping[str, Callable[[], Took]], rounds: int, windows: int, **facts: Any) -> Iterator[Comparison]:
    """Run the cases in turn, one round to warm up, and yield the figures of each; the first is ALONE."""
    runs = {way: took[1:] for way, took in interleaved(cases, rounds + 1).items()}
    for way, took in runs.items():
        yield Comparison(
            **facts,
            windows=windows,
            way=way,
            cpu_ms=Spread.of([1e3 * one.cpu_s / windows for one in took]),
            wall_ms=Spread.of([1e3 * one.wall_s / windows for one in took]),
            ratio=Spread.of([one.cpu_s / alone.cpu_s for one, alone in zip(took, runs[ALONE], strict=True)]),
        )


def encoders(files: ModelFiles, arithmetic: Arithmetic, rounds: int, folder: Path) -> Iterator[Comparison]:
    """Compare encodings."""
    model = CpuModel(files, arithmetic, threads=1)
    random = np.random.default_rng(0)
    sessions: dict[tuple[bool, int], ort.InferenceSession] = {}
    for masked in (False, True):
        path = folder / f"encoder-{arithmetic}-{masked}.onnx"
        write_batched_encoder(path, files, model.precision_of, masked=masked)
        sessions |= {(masked, threads): open_session(path, threads) for threads in (1, CORES)}
    with ThreadPoolExecutor(CORES) as threads:
        for lengths, seconds in LENGTHS_S.items():
            for count in WINDOWS:
                frames = [round(100 * seconds[k % len(seconds)]) for k in range(count)]
                sounds = [random.standard_normal((files.dimensions.n_mels, n)).astype(np.float32) for n in frames]
                inputs, masked = padded(sounds), len(set(frames)) > 1
                if not masked:
                    del inputs[LENGTHS]
                cases: dict[str, Callable[[], object]] = {
                    ALONE: partial(_each, map, model.encoder_states, sounds),
                    "one forward": partial(sessions[masked, 1].run, None, inputs),
                    f"side by side on {CORES}": partial(_each, threads.map, model.encoder_states, sounds),
                    f"one forward on {CORES}": partial(sessions[masked, CORES].run, None, inputs),
                }
                took = {way: partial(timed, work) for way, work in cases.items()}
                yield from compare(took, rounds, count, part="encoder", arithmetic=arithmetic, lengths=lengths)


def padded(sounds: Sequence[Float32]) -> dict[str, NDArray[Any]]:
    """Return the inputs of a batched encoder: features padded with their lowest value, and the encoder's frames."""
    longest = max(sound.shape[1] for sound in sounds)
    features = [np.pad(s, ((0, 0), (0, longest - s.shape[1])), constant_values=s.min()) for s in sounds]
    frames = np.array([(sound.shape[1] + 1) // 2 for sound in sounds], np.int32)
    return {"features": np.stack(features), LENGTHS: frames}


def steps(files: ModelFiles, arithmetic: Arithmetic, rounds: int, folder: Path) -> Iterator[Comparison]:
    """Compare the next token of each window; in int8 with one scale for all rows, and in blocks, where none counts."""
    model = CpuModel(files, arithmetic, threads=1)
    lengths, seconds = "2 to 5.5 s", LENGTHS_S["2 to 5.5 s"]
    random = np.random.default_rng(0)
    ways: dict[str, PrecisionOf] = {"one forward": model.precision_of}
    if arithmetic == "int8":
        ways["one forward, each row with its scales"] = _in_blocks
    for count in WINDOWS:
        frames = [round(100 * seconds[k % len(seconds)]) for k in range(count)]
        shape = files.dimensions.n_mels
        windows = [model.encode(random.standard_normal((shape, n)).astype(np.float32)) for n in frames]
        single = [model.twin().decoder(window) for window in windows]
        for decoder in single:
            decoder.forward_logits([0] * TEXT, [TEXT - 1])
        cases = {ALONE: partial(_timed_steps, partial(_each, map, _again, single))}
        for way, precision_of in ways.items():
            path = folder / f"decoder-{count}.onnx"
            write_batched_decoder(path, files, precision_of, count)
            together = BatchedSteps(path, files, windows, TEXT)
            cases[way] = partial(_timed_steps, together.run)
        yield from compare(cases, rounds, count, part="step", arithmetic=arithmetic, lengths=lengths)


def _in_blocks(_: str) -> Precision:
    return "int8_blocks"


def _each(spread: Callable[..., Iterable[object]], work: Callable[[Any], object], items: Sequence[object]) -> None:
    """Do the work with each item, as `map` or that of threads spreads it."""
    list(spread(work, items))


def _again(decoder: CpuDecoder) -> None:
    decoder.truncate(TEXT)
    decoder.step_logits([0])


def _timed_steps(work: Callable[[], object]) -> Took:
    took = timed(lambda: [work() for _ in range(STEPS)])
    return Took(took.wall_s / STEPS, took.cpu_s / STEPS)


class BatchedSteps:
    """The next token of several windows in one forward.

    Args:
        path: of a graph that `write_batched_decoder` wrote.
        files: the model.
        windows: their encodings.
        text: tokens before the next one; their keys and values are those in `caches`, float32
            [windows, heads, text_positions, size] each by name, zeros at first.

    """

    def __init__(self, path: Path, files: ModelFiles, windows: Sequence[CpuEncoding], text: int) -> None:
        dimensions, count = files.dimensions, len(windows)
        heads = dimensions.decoder_heads
        shape = (count, heads, dimensions.text_positions, dimensions.width // heads)
        self._session = open_session(path, 1)
        path.unlink()  # what the session maps stays until it ends
        names = [each.name for each in self._session.get_inputs() if each.name.startswith("cache_")]
        self.caches = {name: np.zeros(shape, np.float32) for name in names}
        self.inputs = DecoderInputs(np.zeros((count, 1), np.int64), text, np.zeros(1, np.int64))
        self._binding = self._session.io_binding()
        caches = {name: ort.OrtValue.ortvalue_from_numpy(array) for name, array in self.caches.items()}
        cross = {
            f"{name}{suffix(k)}": value for k, window in enumerate(windows) for name, value in window.cross.items()
        }
        for name, value in (self.inputs.values() | caches | cross).items():
            self._binding.bind_ortvalue_input(name, value)
        for output in (each.name for each in self._session.get_outputs()):
            if output.removesuffix("_out") in caches:
                self._binding.bind_ortvalue_output(output, caches[output.removesuffix("_out")])
            else:
                self._binding.bind_output(output)

    def run(self) -> Float32:
        """Return the logits of all windows, float32 [windows, 1, vocabulary]."""
        self._session.run_with_iobinding(self._binding)
        names = [each.name for each in self._session.get_outputs()]
        logits: Float32 = self._binding.get_outputs()[names.index("logits")].numpy()
        return logits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench batching`."""
    parser.add_argument(
        "--model", metavar="NAME|PATH", help="model, or widened-base (default: random weights of Whisper base's shape)"
    )
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="runs of each way (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    files = ModelFiles.load(chosen_model(args.model) if args.model else random_base(cache_folder() / "random-base"))
    head = header(files.manifest.name, threads=1)
    found: list[Comparison] = []
    with tempfile.TemporaryDirectory() as folder:
        for arithmetic in ("int8", "float32"):
            for part in (steps, encoders):
                found += part(files, arithmetic, args.rounds, Path(folder))
    report(head, {"comparisons": [asdict(one) for one in found]}, list(map(_line, found)), as_json=args.json)
    return 0


def _line(one: Comparison) -> str:
    return (
        f"{one.part:7} {one.arithmetic:7} {one.windows} windows of {one.lengths:10} {one.way:38} "
        f"CPU {one.cpu_ms} ms each, {one.ratio.median:.2f} ({one.ratio.low:.2f} to {one.ratio.high:.2f}) of alone; "
        f"wall {one.wall_ms.median:.4g} ms"
    )
