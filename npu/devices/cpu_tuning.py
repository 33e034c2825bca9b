"""Measures a model's products on this CPU at the first start, and keeps what came of it beside the model."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import onnxruntime as ort

from amanuensis.npu.cpu_features import cpu_model, has_int8_dot
from amanuensis.npu.devices.cpu_session import RUNTIME, open_session
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.prepared import discard, prepare
from amanuensis.npu.tuning import Arithmetic, Operator, Shape, Tuning, enough_threads, shapes, with_arithmetic

if TYPE_CHECKING:
    from amanuensis.npu.graph_layers import Precision

BUDGET_S: Final = 1.0  # after that, the rule decides what is left
ROUNDS: Final = 7
FILE: Final = "tuning.json"


def tuned(files: ModelFiles, rule: Tuning, *, arithmetic: bool, threads: bool) -> Tuning:
    """Return the rule as this machine's measurement changes it, measuring at first.

    Args:
        files: the model.
        rule: what holds where nothing is measured.
        arithmetic: whether that of each operator may be changed.
        threads: whether their number may be lowered.

    Raises:
        ModelError: there is no place for the result.

    """
    counts = _counts(rule.encoder_threads) if threads else [rule.encoder_threads]
    if not arithmetic and len(counts) == 1:
        return rule
    machine = f"{RUNTIME} {cpu_model()} {len(os.sched_getaffinity(0))} {rule} {arithmetic} {threads}"

    def build(folder: Path) -> None:
        found = measure(folder, files, rule, arithmetic=arithmetic, counts=counts)
        (folder / FILE).write_text(found.to_json())

    # Beside what was found for other settings, so that programs that take turns do not measure each time.
    asked = f"{rule.arithmetic}_{'each' if arithmetic else 'all'}_{counts[-1]}_{'most' if threads else 'threads'}"
    folder = prepare(files, f"tuning_{asked}", machine, build)
    try:
        return Tuning.from_json((folder / FILE).read_text())
    except (OSError, ValueError, KeyError, TypeError):
        discard(folder)  # measured again at the next start
        return rule


def measure(
    folder: Path,
    files: ModelFiles,
    rule: Tuning,
    *,
    arithmetic: bool,
    counts: Sequence[int],
    clock: Callable[[], float] = time.perf_counter,
) -> Tuning:
    """Measure for at most about BUDGET_S; `folder` takes the graphs for so long."""
    end_s = clock() + BUDGET_S
    products = shapes(files.dimensions)
    bench = _Bench(Products(folder, files), products, clock)
    if len(counts) > 1:
        rule = Tuning(
            rule.arithmetic,
            bench.threads("encoder feed-forward", rule.arithmetic, counts),
            bench.threads("logits", rule.arithmetic, counts) if rule.decoder_threads > 1 else 1,
        )
    other: Arithmetic = "int8" if rule.arithmetic == "float32" else "float32"
    return with_arithmetic(
        rule,
        products if arithmetic else (),
        lambda operator: bench.ratio(operator, other, rule.arithmetic),
        lambda: clock() < end_s,
    )


def precision_for(operator: Operator, arithmetic: Arithmetic, *, int8_dot: bool) -> Precision:
    """Return how the products of an operator are computed, given whether the CPU has int8 dot products.

    Logits are mostly asked of one row, which is quicker in blocks.
    """
    if arithmetic == "float32":
        return "float32"
    if not int8_dot:
        return "int8_reduced"
    return "int8_blocks" if operator == "logits" else "int8"


def _counts(most: int) -> list[int]:
    """Return the numbers of threads to try: 1, 2, 4 and so on up to `most`."""
    return sorted({most, *(1 << k for k in range(most.bit_length()))})


class _Bench:
    """Times single products."""

    def __init__(self, products: Products, shapes: Mapping[Operator, Shape], clock: Callable[[], float]) -> None:
        self._products = products
        self._shapes = shapes
        self._clock = clock

    def ratio(self, operator: Operator, arithmetic: Arithmetic, against: Arithmetic) -> float:
        """Return the time of a product in one arithmetic over that in another: the median of interleaved pairs."""
        runs = [self._prepare(operator, each, 1) for each in (arithmetic, against)]
        pairs = [[self._time_s(run) for run in runs] for _ in range(ROUNDS)]
        return statistics.median(first / second for first, second in pairs)

    def threads(self, operator: Operator, arithmetic: Arithmetic, counts: Sequence[int]) -> int:
        """Return how many threads are worth having for a product."""
        runs = {count: self._prepare(operator, arithmetic, count) for count in counts}
        times = {count: [self._time_s(run) for _ in range(ROUNDS)] for count, run in runs.items()}
        return enough_threads({count: statistics.median(some) for count, some in times.items()})

    def _prepare(self, operator: Operator, arithmetic: Arithmetic, threads: int) -> Callable[[], object]:
        precision = precision_for(operator, arithmetic, int8_dot=has_int8_dot())
        return self._products.prepare(self._shapes[operator], precision, threads)

    def _time_s(self, run: Callable[[], object]) -> float:
        start_s = self._clock()
        run()
        return self._clock() - start_s


class Products:
    """Single products with the nodes that the graphs have; `folder` holds a graph only while it is opened."""

    def __init__(self, folder: Path, files: ModelFiles) -> None:
        self._folder = folder
        self._files = files
        self._random = np.random.default_rng(0)

    def prepare(self, shape: Shape, precision: Precision, threads: int) -> Callable[[], object]:
        """Return a product of random values that has run once and made its buffers."""
        session = self._session(shape, precision, threads)
        values = self._random.standard_normal((1, shape.rows, shape.columns), np.float32)
        inputs = {"value": ort.OrtValue.ortvalue_from_numpy(values)}

        def run() -> object:
            return session.run_with_ort_values(["product"], inputs)

        run()
        return run

    def _session(self, shape: Shape, precision: Precision, threads: int) -> ort.InferenceSession:
        from onnx import TensorProto

        from amanuensis.npu.graph_builder import GraphBuilder
        from amanuensis.npu.graph_layers import LayerBuilder

        path = self._folder / "product.onnx"
        weight = self._random.standard_normal((shape.outputs, shape.columns), np.float32)
        with GraphBuilder(path) as graph:
            value = graph.input("value", TensorProto.FLOAT, [1, "rows", shape.columns])
            product = LayerBuilder(graph, self._files.weights, lambda _: precision).linear(
                value, "weights", weight, weight[:, 0]
            )
            graph.nodes("Identity", [product], ["product"])
            graph.output("product", TensorProto.FLOAT, [1, "rows", shape.outputs])
        session = open_session(path, threads)
        for file in self._folder.glob("product.onnx*"):
            file.unlink()  # what the session maps stays until it ends
        return session
