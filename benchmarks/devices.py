"""The same window on every device there is: CPU in int8 and float32, NPU or its simulation, with counts of its work."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from amanuensis.benchmarks.common import Spread, Took, header, interleaved, report, timed
from amanuensis.benchmarks.sound import SAMPLE_RATE, conversation
from amanuensis.npu.devices.xrt.errors import DeviceError
from amanuensis.npu.engine.api import Device, EngineConfig
from amanuensis.npu.loading import LoadedModel, load_model
from amanuensis.npu.log_mel import log_mel_spectrogram
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.store import resolve
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import WindowJob, WindowResult

SIMULATED: Final = "CPU time of the simulation; the device's own time is modelled"


@dataclass(frozen=True, slots=True)
class Case:
    """A device and a precision to try."""

    device: Device
    precision: Literal["int8", "float32"]

    def __str__(self) -> str:
        return f"{self.device} {self.precision}" + (" (simulated)" if self.device == "sim" else "")


CASES: Final = (Case("cpu", "int8"), Case("cpu", "float32"), Case("npu", "int8"), Case("sim", "int8"))


@dataclass(frozen=True, slots=True)
class Figures:
    """What a window took on a device, milliseconds, and what the device was given to do."""

    wall_ms: Spread
    cpu_ms: Spread
    encode_ms: Spread
    decode_ms: Spread
    tokens: int
    text: str
    work: dict[str, Any]


def open_cases(folder: Path, threads: int) -> tuple[dict[str, LoadedModel], dict[str, str]]:
    """Return the model on each device, and why it is not on the others."""
    models: dict[str, LoadedModel] = {}
    absent: dict[str, str] = {}
    for case in CASES:
        try:
            models[str(case)] = load_model(
                EngineConfig(folder, device=case.device, precision=case.precision, threads=threads)
            )
        except DeviceError as error:
            absent[str(case)] = str(error)
    return models, absent


def measure(folder: Path, window_s: float, threads: int, rounds: int) -> tuple[dict[str, Figures], dict[str, str]]:
    """Decode the beginning of the bundled conversation on each device in turn; one more round before warms them up."""
    models, absent = open_cases(folder, threads)
    tokenizer = Tokenizer(folder)
    sound = conversation()[: round(window_s * SAMPLE_RATE)]
    features = log_mel_spectrogram(sound, ModelFiles.load(folder).dimensions.n_mels)
    cases = {name: partial(_decode, model, WindowJob(features)) for name, model in models.items()}
    interleaved(cases, 1)
    runs = interleaved(cases, rounds)
    return {name: _figures(some, tokenizer) for name, some in runs.items()}, absent


def _decode(model: LoadedModel, job: WindowJob) -> tuple[Took, WindowResult]:
    results: list[WindowResult] = []
    took = timed(lambda: results.append(model.decode(job)))
    return took, results[0]


def _figures(runs: list[tuple[Took, WindowResult]], tokenizer: Tokenizer) -> Figures:
    last = runs[-1][1]
    return Figures(
        Spread.of([1e3 * took.wall_s for took, _ in runs]),
        Spread.of([1e3 * took.cpu_s for took, _ in runs]),
        Spread.of([result.encode_ms for _, result in runs]),
        Spread.of([result.decode_ms for _, result in runs]),
        len(last.tokens),
        tokenizer.decode(last.tokens),
        asdict(last.work),
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench devices`."""
    parser.add_argument("--model", metavar="NAME|PATH", help="model (default: the best installed, else the built-in)")
    parser.add_argument("--window", type=float, default=5.0, metavar="S", help="seconds of speech (default: 5)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="runs of each device (default: 7)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of the CPU (default: 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    folder = resolve(args.model)
    head = header(ModelFiles.load(folder).manifest.name, args.threads)
    figures, absent = measure(folder, args.window, args.threads, args.rounds)
    told = {name: asdict(each) for name, each in figures.items()}
    lines = [line for name, each in figures.items() for line in _lines(name, each)]
    lines += [f"{name}: not measured: {why}" for name, why in absent.items()]
    report(head, {"window_s": args.window, "devices": told, "absent": absent}, lines, as_json=args.json)
    return 0


def _lines(name: str, figures: Figures) -> list[str]:
    wall, cpu = figures.wall_ms, figures.cpu_ms
    lines = [f"{name:18} wall {wall} ms, CPU {cpu} ms, {figures.tokens} tokens:{figures.text}"]
    work = figures.work
    if work["dispatches"]:
        note = f"; {SIMULATED}" if work["timing"] == "modelled" else ""
        lines.append(
            f"  {work['dispatches']} dispatches, {work['switches']} changes of configuration, "
            f"{work['bytes_to_device']} bytes to and {work['bytes_from_device']} from the device, "
            f"{work['device_us'] / 1e3:.2f} ms on it ({work['timing']}){note}"
        )
    return lines
