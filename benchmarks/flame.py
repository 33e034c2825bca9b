"""`python -m amanuensis.benchmarks.flame RAW.txt OUT.svg`: a flame graph of where a live session computes.

RAW.txt is what `py-spy record --subprocesses --format raw` writes: a stack and its samples a line. Stacks that only
wait, and those of starting, are left out, for the sampler counts them like work.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Final

WAITS: Final = ("EpollSelector.select", "Condition.wait", "run_worker", "_worker (concurrent", "_do_waitpid", "sleep")
STARTS: Final = ("<frozen importlib", "load_model", "open_pipeline", "load_config")
FRAME: Final = ("Thread.", "<module>", "_run_module", "_run_code", "BaseEventLoop", "Runner.", "Handle.")
WIDTH, ROW, LEAST = 1200.0, 17, 0.4  # pixels; narrower boxes are not drawn
COLOURS: Final = {"onnxruntime": "#d9822b", "numpy": "#5b8c5a", "amanuensis": "#4a78b0", "": "#9a9a9a"}
OURS: Final = ("npu/", "stream/", "daemon/", "client/", "kernels/")


@dataclass(slots=True)
class Box:
    """A frame with what it called: samples in it and below."""

    samples: int = 0
    calls: dict[str, Box] = field(default_factory=dict)


def stacks(lines: Iterable[str]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield the working stacks, from the process on, without the frames that every stack begins with."""
    for line in lines:
        text, _, samples = line.rstrip("\n").rpartition(" ")
        frames = [frame for frame in text.split(";") if not frame.startswith("process ")]
        waits = any(wait in frame for frame in frames[-1:] for wait in WAITS)
        if waits or any(start in frame for frame in frames for start in STARTS):
            continue
        process = "engine process" if "amanuensis.npu.engine" in text else "daemon and console"
        kept = tuple(frame for frame in frames if not frame.startswith(FRAME))
        if kept:
            yield (process, *kept), int(samples)


def tree(found: Iterable[tuple[tuple[str, ...], int]]) -> Box:
    """Join stacks that begin alike."""
    root = Box()
    for frames, samples in found:
        box = root
        box.samples += samples
        for frame in frames:
            box = box.calls.setdefault(frame, Box())
            box.samples += samples
    return root


def owner(frame: str) -> str:
    """Return whose code a frame is: a library's name, "amanuensis", or "" for the rest of Python."""
    place = frame.rpartition("(")[2]
    if place.startswith(OURS):
        return "amanuensis"
    return next((name for name in ("onnxruntime", "numpy") if place.startswith(name)), "")


def shares(found: Iterable[tuple[tuple[str, ...], int]]) -> dict[str, float]:
    """Return the share of the samples that each function spends itself, the largest first; lines are joined."""
    spent: Counter[str] = Counter()
    for frames, samples in found:
        spent[frames[-1].rpartition(":")[0] + ")" if ":" in frames[-1] else frames[-1]] += samples
    total = sum(spent.values())
    return {frame: samples / total for frame, samples in spent.most_common()}


def svg(root: Box) -> str:
    """Draw the boxes from the top down, each as wide as its share."""
    depth = _depth(root)
    boxes = "".join(_boxes(root, 0.0, 0, WIDTH / max(root.samples, 1)))
    size = f'width="{WIDTH:.0f}" height="{depth * ROW}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="monospace" font-size="11">{boxes}</svg>\n'


def _depth(box: Box) -> int:
    return max((1 + _depth(call) for call in box.calls.values()), default=0)


def _boxes(box: Box, x: float, level: int, scale: float) -> Iterator[str]:
    for frame, call in sorted(box.calls.items(), key=lambda item: -item[1].samples):
        width = call.samples * scale
        if width >= LEAST:
            label, place = escape(f"{frame} {width / WIDTH:.1%}"), f'x="{x:.1f}" y="{level * ROW}"'
            yield f'<g><title>{label}</title><rect {place} width="{width:.1f}" height="{ROW - 1}" '
            yield f'fill="{COLOURS[owner(frame)]}"/><text x="{x + 2:.1f}" y="{level * ROW + 12}" fill="white">'
            yield f"{escape(frame[: int(width / 6.7)])}</text></g>\n"
            yield from _boxes(call, x, level + 1, scale)
        x += width


def main() -> None:
    """Read, draw, and print the functions that take most themselves."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("raw", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    found = list(stacks(args.raw.read_text(encoding="utf-8").splitlines()))
    args.out.write_text(svg(tree(found)), encoding="utf-8")
    for frame, share in shares(found).items():
        if share >= 0.01:
            print(f"{share:6.1%}  {owner(frame) or 'python':12} {frame}")


if __name__ == "__main__":
    main()
