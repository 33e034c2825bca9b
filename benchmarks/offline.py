"""Throughput on a long recording: ours against systems for whole recordings, with the same weights and text.

The built-in model, widened to base, reads at most 12 s well, so everyone gets the recording in clips of at most that:
ours cuts them itself, the others are told where the speakers pause (and encode 30 s for each, as they do for any clip).
faster-whisper's pipeline also runs as it cuts itself, 30 s at a time, which costs it least and is misread.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from amanuensis.benchmarks.common import Spread, header, interleaved, report
from amanuensis.benchmarks.peers import offline_driver
from amanuensis.benchmarks.sound import FRAME, SAMPLE_RATE, read_sound
from amanuensis.benchmarks.timed_speech import timed_speech
from amanuensis.benchmarks.widened import SIZES
from amanuensis.benchmarks.widened_forms import ConversionError, widened_form
from amanuensis.benchmarks.worker import Worker, WorkerError
from amanuensis.daemon.commands.common import UsageError
from amanuensis.stream.english import normalise_english
from amanuensis.stream.vad import VoiceDetector
from amanuensis.stream.wer import word_errors

Samples = NDArray[np.float32]

OURS: Final = "amanuensis"
LONGEST_CLIP_S: Final = 12.0  # what the built-in model reads well
ROOT: Final = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class System:
    """Another system: how the table calls its cases, and where it runs.

    Attributes:
        driver: name in `offline_driver.SYSTEMS`.
        environment: made by `script/peers`.
        form: of the weights, `widened_forms.ENDINGS`.
        cases: the driver's cases by their names in the table.

    """

    driver: str
    environment: str
    form: str
    cases: Mapping[str, str]


SYSTEMS: Final = (
    System(
        "faster-whisper",
        "whisper-streaming",
        "ctranslate2",
        {
            "faster-whisper batched": "batched clips",
            "faster-whisper batched, its own 30 s": "batched",
            "faster-whisper": "clips",
        },
    ),
    System("openai", "whisperlive", "openai", {"OpenAI's reference": "clips"}),
    System("openvino", "openvino", "openvino", {"OpenVINO GenAI": "clips"}),
)


@dataclass(frozen=True, slots=True)
class OfflineRun:
    """One transcript of the recording and what it took; `cpu_s` is of all threads."""

    wall_s: float
    cpu_s: float
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench offline`."""
    parser.add_argument("--minutes", type=float, default=5.0, metavar="N", help="of speech (default: 5)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of each system (default: 3)")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="threads of each system (default: 2)")
    parser.add_argument("--size", choices=SIZES, default="base", help="of the widened built-in model (default: base)")
    parser.add_argument("--file", type=Path, help="a recording to measure with instead; word errors need --text")
    parser.add_argument("--text", type=Path, metavar="FILE", help="what is said in --file")
    parser.add_argument("--no-peers", action="store_true", help="measure only ours")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    if args.text is not None and args.file is None:
        raise UsageError("--text says what is said in --file: name that too")
    samples, text = recording(args)
    model = widened_form("hugging_face", args.size)
    head = header(f"{model.name} (the built-in model's weights)", args.threads)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sound = folder / "recording.wav"
        soundfile.write(sound, samples, SAMPLE_RATE, subtype="PCM_16")
        cases: dict[str, Callable[[], OfflineRun]] = {OURS: lambda: ours(model, sound, args.threads)}
        missing: dict[str, str] = {}
        for system in () if args.no_peers else SYSTEMS:
            try:
                worker = stack.enter_context(opened(system, args, samples, folder))
            except (UsageError, ConversionError, WorkerError) as error:
                missing |= dict.fromkeys(system.cases, str(error))
                continue
            head.versions.update(worker.versions)
            cases |= {name: worker.case(case) for name, case in system.cases.items()}
        runs = interleaved(cases, args.rounds)
    figures = compare(runs, len(samples) / SAMPLE_RATE, text) | {"missing": missing}
    report(head, figures, readable(figures), as_json=args.json)
    return 0


def recording(args: argparse.Namespace) -> tuple[Samples, str | None]:
    """Return the speech to transcribe, and its text where that is known."""
    if args.file is None:
        speech = timed_speech(60 * args.minutes)
        return speech.samples, speech.text
    return read_sound(args.file), None if args.text is None else args.text.read_text(encoding="utf-8")


def clips_of(samples: Samples, longest_s: float = LONGEST_CLIP_S) -> list[tuple[float, float]]:
    """Return start and end in seconds of pieces that are cut in the longest pause of each's last third."""
    voiced = np.array(VoiceDetector().push(samples), bool)
    longest = round(longest_s * SAMPLE_RATE / FRAME)
    edges = [0]
    while len(voiced) - edges[-1] > longest:
        first = edges[-1] + 2 * longest // 3
        edges.append(first + _middle_of_pause(voiced[first : edges[-1] + longest]))
    seconds = [edge * FRAME / SAMPLE_RATE for edge in edges] + [len(samples) / SAMPLE_RATE]
    return list(pairwise(seconds))


def _middle_of_pause(voiced: NDArray[np.bool_]) -> int:
    """Return the frame in the middle of the longest run of frames without voice; the last one where all have it."""
    runs = np.flatnonzero(np.diff(np.concatenate([[True], voiced, [True]]).astype(np.int8)))
    if not len(runs):
        return len(voiced)
    starts, ends = runs[::2], runs[1::2]
    k = int(np.argmax(ends - starts))
    return int(starts[k] + ends[k]) // 2


def ours(model: Path, sound: Path, threads: int) -> OfflineRun:
    """Run the whole command `amanuensis transcribe`, from the start of its process: loading the model counts."""
    command = [sys.executable, "-m", "amanuensis.daemon.main", "transcribe", "--json", str(sound)]
    before, started_s = os.times(), time.perf_counter()
    done = subprocess.run(
        [*command, "--model", str(model), "--device", "cpu", "--threads", str(threads)],
        check=False,
        capture_output=True,
        text=True,
    )
    wall_s, after = time.perf_counter() - started_s, os.times()
    if done.returncode:
        raise WorkerError(f"amanuensis transcribe ended with status {done.returncode}: {done.stderr.strip()}")
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return OfflineRun(wall_s, cpu_s, json.loads(done.stdout)["text"])


class Driver(Worker):
    """Another system, loaded and waiting."""

    def case(self, name: str) -> Callable[[], OfflineRun]:
        """Return what runs a case once."""
        return lambda: OfflineRun(**self.ask(name))


def opened(system: System, args: argparse.Namespace, samples: Samples, folder: Path) -> Driver:
    """Start a system.

    Raises:
        UsageError: its environment is not there.
        ConversionError: the weights cannot be brought into its form.
        WorkerError: it does not start.

    """
    python = ROOT / f".venv-peer-{system.environment}" / "bin" / "python"
    if not python.is_file():
        raise UsageError(f"not installed: script/peers {system.environment} makes its environment")
    weights = widened_form(system.form, args.size, python)
    audio, clips = folder / "recording.npy", folder / "clips.json"
    np.save(audio, samples)
    clips.write_text(json.dumps(clips_of(samples)))
    paths = (weights, widened_form("hugging_face", args.size), audio, clips)
    command = [offline_driver.__file__, system.driver, *map(str, paths), str(args.threads)]
    return Driver(python, command, args.threads)


def compare(runs: Mapping[str, Sequence[OfflineRun]], seconds: float, text: str | None) -> dict[str, Any]:
    """Return the figures of each system; ratios say how many times as much as ours it needs."""
    figures = {name: system_figures(some, seconds, text) for name, some in runs.items()}
    mine = figures.pop(OURS)
    for each in figures.values():
        each["ratio"] = each["cpu_s_per_s"]["median"] / mine["cpu_s_per_s"]["median"]
        each["wall_ratio"] = each["wall_s_per_s"]["median"] / mine["wall_s_per_s"]["median"]
    return {"seconds": seconds, "ours": mine, "peers": figures}


def system_figures(runs: Sequence[OfflineRun], seconds: float, text: str | None) -> dict[str, Any]:
    """Return CPU and wall seconds per second of sound, and the errors of the last transcript."""
    words = normalise_english(runs[-1].text).split()
    figures: dict[str, Any] = {
        "cpu_s_per_s": asdict(Spread.of([one.cpu_s / seconds for one in runs])),
        "wall_s_per_s": asdict(Spread.of([one.wall_s / seconds for one in runs])),
        "words": len(words),
        "wer": None if text is None else word_errors(normalise_english(text).split(), words).rate,
    }
    return figures


def readable(figures: Mapping[str, Any]) -> list[str]:
    """Return the figures as lines."""
    lines = [f"{figures['seconds']:.0f} s of speech; CPU and wall seconds per second of it, median (range)"]
    for name, each in {OURS: figures["ours"], **figures["peers"]}.items():
        cpu, wall = Spread(**each["cpu_s_per_s"]), Spread(**each["wall_s_per_s"])
        wer = "" if each["wer"] is None else f", WER {100 * each['wer']:.1f} %"
        ratio = "" if name == OURS else f": {each['ratio']:.1f} times our CPU, {each['wall_ratio']:.1f} times our time"
        lines.append(f"{name}: CPU {cpu}, wall {wall}, {each['words']} words{wer}{ratio}")
    return lines + [f"{name}: not measured, {why}" for name, why in figures["missing"].items()]
