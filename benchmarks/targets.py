"""What the measurements are held against: one row a target, read from the JSON of the measurements. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from amanuensis.benchmarks.systems import OURS
from amanuensis.benchmarks.unpaced import AGREEMENT

Results: TypeAlias = Mapping[str, Mapping[str, Any]]  # by the name of the measurement: what it printed with --json
KNOWN = "the synthesiser's"  # times of words that are no estimate, so a text that is none either
BEAM = "faster-whisper int8 beam 5"


@dataclass(frozen=True, slots=True)
class Target:
    """A figure and its bound.

    Attributes:
        what: it is, in words.
        value: finds it; KeyError when it was not measured.
        bound: that it is held against; None: it is only stated.
        side: whether it may be at most or must be at least that.
        form: of both, for `format`.

    """

    what: str
    value: Callable[[Results], float]
    bound: float | None
    side: Literal["at most", "at least"]
    form: str = "{:.2f}"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table."""

    what: str
    figure: str
    target: str
    verdict: Literal["met", "MISSED", "not measured", "stated"]


def at(name: str, *path: str) -> Callable[[Results], float]:
    """Return what reads a figure of a measurement."""

    def value(results: Results) -> float:
        found: Any = results[name]
        for key in path:
            found = found[key]
        if found is None:
            raise KeyError(path[-1])
        return float(found)

    return value


def best_peer(results: Results) -> float:
    """Return how many times as much CPU as ours the best other system needs."""
    return min(float(each["ratio"]) for name, each in results["live"]["systems"].items() if name != OURS)


def streaming_loss(results: Results) -> float:
    """Return by how many points of WER live is above the whole recording, worst load."""
    loads = [each for each in results["latency-base"]["latency"].values() if each["word_times"] == KNOWN]
    return max(100 * (float(each["wer"]) - float(each["wer_offline"])) for each in loads)


def _latency(load: str, kind: str, point: str) -> Callable[[Results], float]:
    return at("latency-base", "latency", load, f"{kind}_s", point)


TARGETS: tuple[Target, ...] = (
    Target(
        "CPU: whisper_streaming, a decode at every tick, times ours",
        at("live", "unpaced", AGREEMENT, "ratio"),
        20,
        "at least",
        "{:.1f}",
    ),
    Target(
        "CPU: the same, scripted random weights, times ours",
        at("stream", "peers", BEAM, "ratio"),
        20,
        "at least",
        "{:.1f}",
    ),
    Target("CPU: the best other system, times ours", best_peer, 4, "at least", "{:.1f}"),
    Target(
        "live base streams of continuous speech", at("density-base", "density", "streams"), 24, "at least", "{:.0f}"
    ),
    Target(
        "the same, modelled: cores through CPU s per s at the pace of ticks it had",
        at("density-base", "density", "modelled_streams"),
        None,
        "at least",
        "{:.0f}",
    ),
    Target("time to final, 1 stream, P50, s", _latency("1 stream", "final", "p50"), 0.25, "at most"),
    Target("time to final, 1 stream, P95, s", _latency("1 stream", "final", "p95"), 0.35, "at most"),
    Target("time to final, 1 stream, P99, s", _latency("1 stream", "final", "p99"), 0.5, "at most"),
    Target("time to final, 16 streams, P95, s", _latency("16 streams", "final", "p95"), 0.7, "at most"),
    Target("commit latency per word, P50, s", _latency("1 stream", "commit", "p50"), 1.0, "at most"),
    Target("commit latency per word, P95, s", _latency("1 stream", "commit", "p95"), 1.8, "at most"),
    Target("partial latency per word, P50, s", _latency("1 stream", "partial", "p50"), 0.5, "at most"),
    Target("streaming WER less offline WER, points", streaming_loss, 1.0, "at most"),
    Target(
        "offline throughput: faster-whisper batched, times ours",
        at("offline", "peers", "faster-whisper batched", "wall_ratio"),
        2.0,
        "at least",
        "{:.1f}",
    ),
    Target(
        "built-in: process start to `ready`, s", at("memory-builtin", "memory", "ready_s", "median"), 1.5, "at most"
    ),
    Target(
        "built-in: RSS after start, MB", at("memory-builtin", "memory", "rss_mb", "median"), 200, "at most", "{:.0f}"
    ),
    Target(
        "built-in: RSS after speech, MB",
        at("memory-builtin", "memory", "rss_after_mb", "median"),
        200,
        "at most",
        "{:.0f}",
    ),
    Target(
        "built-in: PSS after speech (shared pages once), MB",
        at("memory-builtin", "memory", "pss_after_mb", "median"),
        None,
        "at most",
        "{:.0f}",
    ),
    Target(
        "built-in: growth of PSS, MB per hour of speech",
        at("memory-builtin", "memory", "pss_slope_mb_per_h", "median"),
        None,
        "at most",
        "{:.0f}",
    ),
    Target("base: RSS after start, MB", at("memory-base", "memory", "rss_mb", "median"), 350, "at most", "{:.0f}"),
    Target(
        "base: RSS after speech, MB", at("memory-base", "memory", "rss_after_mb", "median"), 350, "at most", "{:.0f}"
    ),
    Target("log-mel: ours, times faster-whisper's", at("log-mel", "ratio"), 1 / 3, "at most"),
    Target(
        "encoder at 5 s: share of the GEMM peak of its engine", at("engine", "efficiency", "share"), 0.5, "at least"
    ),
)


def rows(results: Results, targets: Sequence[Target] = TARGETS) -> list[Row]:
    """Return a row for each target."""
    return [_row(target, results) for target in targets]


def _row(target: Target, results: Results) -> Row:
    wanted = "" if target.bound is None else f"{target.side} {target.form.format(target.bound)}"
    try:
        value = target.value(results)
    except (KeyError, ValueError):
        return Row(target.what, "-", wanted, "not measured")
    figure = target.form.format(value)
    if target.bound is None:
        return Row(target.what, figure, wanted, "stated")
    met = value <= target.bound if target.side == "at most" else value >= target.bound
    return Row(target.what, figure, wanted, "met" if met else "MISSED")
