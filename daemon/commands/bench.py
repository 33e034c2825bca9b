"""`amanuensis bench WHAT`: the measurements of amanuensis.benchmarks, one module each.

The one place where a lower part reaches up: the command line is the front door of the measurements.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import Final, Protocol, cast

from amanuensis.daemon.commands.common import SubParsers

MEASUREMENTS: Final = {
    "stream": (
        "stream_cost",
        "CPU seconds per second of audio, against other systems where script/peers installed them",
    ),
    "peers": ("peers_live", "live captions of other systems beside ours: delay, CPU seconds, memory, start"),
    "latency": ("latency", "how long a reader waits for words, at one stream and at many, through the real daemon"),
    "endpoint": ("endpoint", "what a shorter endpoint gains in time to final and costs in sentences cut"),
    "density": ("density", "how many live streams this machine carries without falling behind"),
    "cluster": ("cluster_overhead", "what a window costs more through Ray than through the engine of this machine"),
    "cluster-scaling": ("cluster_scaling", "live streams on one Ray node and on two, each with a core of its own"),
    "scale": ("scale", "clusters of many nodes, simulated from how long windows take here"),
    "memory": ("memory", "memory of daemon and engine after start and after an hour of speech, and time to ready"),
    "table": ("table", "all of these against targets and other systems, from their JSON"),
    "offline": ("offline", "throughput on a long recording, against other systems where script/peers installed them"),
    "startup": ("startup", "time from start to captions, and memory"),
    "wer": ("streaming_wer", "word errors of live captions against those of whole recordings"),
    "word-times": ("word_times", "how exact the times of words are, against synthetic speech whose times are known"),
    "devices": ("devices", "the same window on each device there is: CPU in int8 and float32, NPU, simulation"),
    "engine": ("engine", "where an encoding's and a token's time goes, and how far products are from this CPU's peak"),
    "batching": ("batching", "whether one forward over windows of several streams would be cheaper"),
    "device": ("device", "dispatches, transfers and operators of an NPU, for the calibration of the cost model"),
    "npu-text": ("device_text", "text and arithmetic of the NPU, or of its simulation, against the CPU in float32"),
    "log-mel": ("log_mel", "cost of the log-mel front end"),
    "guard": ("guard.command", "counts of work and ratios of times for a fixed sample, against those accepted"),
    "spool": ("spool_cost", "cost of keeping a session, in the spool and as a recording"),
    "speakers": ("speakers", "who speaks: voices told apart, on recordings with known speakers"),
    "meetings": ("meeting_search", "time to find a phrase in 1,000 hours of meetings"),
}
EXAMPLES: Final = """\
examples:
  amanuensis bench startup
  amanuensis bench stream --json
  amanuensis bench log-mel"""


class Measurement(Protocol):
    """What every module of a measurement has."""

    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def add_parser(subparsers: SubParsers) -> None:
    """Add `bench` and its measurements."""
    parser = subparsers.add_parser(
        "bench",
        help="measure speed, memory and accuracy",
        description="Measure on this machine. Every figure is printed with machine, model, command and commit.",
        epilog=EXAMPLES,
    )
    measurements = parser.add_subparsers(dest="measurement", metavar="WHAT", required=True)
    for name, (module, text) in MEASUREMENTS.items():
        example = f"example:\n  amanuensis bench {name} --json"
        load(module).add_arguments(measurements.add_parser(name, help=text, description=text, epilog=example))


def run(args: argparse.Namespace) -> int:
    """Run the measurement that was asked for."""
    return load(MEASUREMENTS[args.measurement][0]).run(args)


def load(module: str) -> Measurement:
    """Import the module of one measurement."""
    return cast(Measurement, import_module(f"amanuensis.benchmarks.{module}"))
