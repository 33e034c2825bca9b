"""Counts of what the pipeline does for the sample: the same in every run, however busy the machine is.

Calls hold for one version of Python, arrays for one of NumPy and ONNX Runtime, the others for all.
`python -m amanuensis.benchmarks.guard.counts FOLDER` prints them as JSON; `child` runs it as it is meant.
"""

from __future__ import annotations

import argparse
import gc
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from amanuensis.benchmarks.guard.meter import Meter, Watched
from amanuensis.benchmarks.guard.sample import Sample
from amanuensis.daemon.wire import encode_event
from amanuensis.npu.alignment import AttentionRows
from amanuensis.npu.devices.cpu import Caches, CpuDecoder, CpuModel
from amanuensis.npu.engine import frames
from amanuensis.npu.engine.slots import FeatureSlots
from amanuensis.npu.loading import LoadedModel
from amanuensis.npu.log_mel import HOP_SAMPLES, N_FFT, IncrementalLogMel, log10_mel
from amanuensis.npu.window import NO_WORK
from amanuensis.npu.window_pass import WindowPass
from amanuensis.stream.ring import SampleRing
from amanuensis.stream.session import StreamSession

SAMPLE_S: Final = 50.0  # nearly all of the conversation
SIMULATED_S: Final = 20.0  # of the sample, through the simulated NPU
ONNX_RUNTIME: Final = ("run", "run_with_ort_values", "run_with_iobinding")  # the ways to run a graph

Basis = Literal["nothing", "python", "libraries"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a count says.

    Attributes:
        text: in words.
        depends_on: what other than this project it depends on: nothing, the version of Python, or those of Python,
            NumPy and ONNX Runtime.

    """

    text: str
    depends_on: Basis = "nothing"


@dataclass(frozen=True, slots=True)
class Section:
    """A piece of the way from sound to captions.

    Attributes:
        text: what it does.
        functions: that do it, with what they call.
        by: what its work is divided by: how often it was entered, or ticks, which are decoded windows.

    """

    text: str
    functions: tuple[Callable[..., Any], ...]
    by: Literal["entered", "ticks"]


SECTIONS: Final[Mapping[str, Section]] = {
    "packet": Section("take 20 ms of sound", (StreamSession.receive,), "entered"),
    "window": Section("make the job of a tick, and find none due before", (StreamSession.next_job,), "ticks"),
    "crossing": Section(
        "bring a window to the engine process and its answer back",
        (
            FeatureSlots.write,
            FeatureSlots.view,
            frames.job_message,
            frames.encode_frame,
            frames.FrameDecoder.feed,
            frames.job_of,
            frames.result_message,
            frames.result_of,
        ),
        "ticks",
    ),
    "encode": Section("encode a window alone", (CpuModel.encode,), "ticks"),
    "decode": Section("encode and decode a window", (LoadedModel.decode,), "ticks"),
    "token": Section("append one token", (WindowPass.extend,), "entered"),
    "events": Section("make events of an answer", (StreamSession.deliver,), "ticks"),
    "frame": Section("make the frame of an event for a client", (encode_event,), "entered"),
}
WATCHED: Final[Mapping[str, tuple[Callable[..., Any], Watched]]] = {
    "mel_frames": (log10_mel, lambda given: (len(given["padded"]) - N_FFT) // HOP_SAMPLES + 1),
    "encoder_frames": (CpuModel.encoder_states, lambda given: given["features"].shape[1] // 2),
    "forward_tokens": (CpuDecoder.forward_logits, lambda given: len(given["tokens"])),
    "steps": (CpuDecoder.step_logits, lambda _: 1),
    "cache_copies": (Caches.reorder, lambda _: 1),
    "sound": (SampleRing.append, lambda given: given["samples"].nbytes),
    "log_mel": (IncrementalLogMel._append, lambda given: given["frames"].nbytes),
    "features": (FeatureSlots.write, lambda given: given["features"].nbytes),
    "attention": (AttentionRows.append, lambda given: given["attention"].nbytes),
}
WRITTEN: Final[Mapping[str, str]] = {  # of these, bytes that are copied into memory that is there
    "sound": "sound kept in the ring",
    "log_mel": "log-mel kept for the next windows",
    "features": "features put into the memory shared with the engine process",
    "attention": "attention kept to tell when words were said",
}
TICK: Final = ("window", "crossing", "decode", "events")  # all that a tick is
WORK: Final[Mapping[str, Meaning]] = {
    "python_calls": Meaning("Python calls", "python"),
    "c_calls": Meaning("calls of C functions", "python"),
    "arrays": Meaning("arrays made", "libraries"),
    "array_bytes": Meaning("bytes of arrays made", "libraries"),
}
MEANINGS: Final[Mapping[str, Meaning]] = {
    "windows_per_s": Meaning("windows decoded in a second of audio"),
    "mel_frames_per_s": Meaning("log-mel frames computed in a second of audio"),
    "encoder_frames_per_s": Meaning("encoder frames computed in a second of audio"),
    "decoder_tokens_per_s": Meaning("tokens that went through the decoder in a second of audio"),
    "steps_per_s": Meaning("forwards of a single token in a second of audio"),
    "launches_per_tick": Meaning("runs of a graph of ONNX Runtime in a tick"),
    **{f"{name}_bytes_per_tick": Meaning(f"bytes of {text} in a tick") for name, text in WRITTEN.items()},
    "cache_copies_per_tick": Meaning("copies of the decoder's keys and values in a tick"),
    "engine_bytes_per_tick": Meaning("bytes of features and messages between daemon and engine in a tick"),
    **{
        f"{what}_per_{name}": Meaning(f"{work.text} to {section.text}", work.depends_on)
        for name, section in SECTIONS.items()
        for what, work in WORK.items()
    },
    **{
        f"{what}_per_tick": Meaning(f"{work.text} from a due window to its events", work.depends_on)
        for what, work in WORK.items()
    },
    "sim_dispatches_per_tick": Meaning("command streams of the simulated NPU in a tick"),
    "sim_switches_per_tick": Meaning("changes of its array configuration in a tick"),
    "sim_bytes_to_device_per_tick": Meaning("bytes over the bus to it in a tick"),
    "sim_bytes_from_device_per_tick": Meaning("bytes over the bus from it in a tick"),
}


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted, by the names of `MEANINGS`, and the text that was committed meanwhile."""

    text: str
    counts: dict[str, float]


def take_counts(folder: Path, seconds: float = SAMPLE_S, simulated_s: float = SIMULATED_S) -> Counted:
    """Stream so many seconds of the sample and count.

    Args:
        folder: of the model.
        seconds: of the sample, on the CPU.
        simulated_s: of the sample, through the simulated NPU; 0: not at all.

    """
    sample = Sample(folder, seconds)
    text, _ = sample.stream()  # fills what is kept for ever: modules, tables, buffers
    with _no_collection():
        counts = _calls_and_arrays(sample)
    if simulated_s:
        counts |= _device(Sample(folder, simulated_s, "sim"))
    return Counted(text, {name: round(value, 4) for name, value in counts.items()})


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the collector of garbage, which runs when it likes, from calling anything meanwhile."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _calls_and_arrays(sample: Sample) -> dict[str, float]:
    with Meter({name: section.functions for name, section in SECTIONS.items()}, WATCHED, ONNX_RUNTIME) as meter:
        _, crossing = sample.stream()
    ticks, amounts = len(crossing.jobs), meter.amounts
    counts = {
        "windows_per_s": ticks / sample.seconds,
        "mel_frames_per_s": amounts["mel_frames"] / sample.seconds,
        "encoder_frames_per_s": amounts["encoder_frames"] / sample.seconds,
        "decoder_tokens_per_s": (amounts["forward_tokens"] + amounts["steps"]) / sample.seconds,
        "steps_per_s": amounts["steps"] / sample.seconds,
        "launches_per_tick": sum(amounts[name] for name in ONNX_RUNTIME) / ticks,
        **{f"{name}_bytes_per_tick": amounts[name] / ticks for name in WRITTEN},
        "cache_copies_per_tick": amounts["cache_copies"] / ticks,
        "engine_bytes_per_tick": crossing.bytes / ticks,
    }
    for name, work in meter.sections.items():
        times = ticks if SECTIONS[name].by == "ticks" else work.entered
        counts |= {f"{what}_per_{name}": getattr(work, what) / times for what in WORK}
    return counts | {f"{what}_per_tick": sum(counts[f"{what}_per_{name}"] for name in TICK) for what in WORK}


def _device(sample: Sample) -> dict[str, float]:
    _, crossing = sample.stream()
    work = sum((result.work for result in crossing.results), NO_WORK)
    names = ("dispatches", "switches", "bytes_to_device", "bytes_from_device")
    return {f"sim_{name}_per_tick": getattr(work, name) / len(crossing.results) for name in names}


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    print(json.dumps(asdict(take_counts(parser.parse_args().folder))))


if __name__ == "__main__":
    main()
