"""What a model would take on an NPU: the very sequences that the engine dispatches, priced by the cost model.

Nothing is executed and no weights are needed. Every time is modelled, not measured on an NPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final

from amanuensis.kernels.cost.band import Band, inverse, total
from amanuensis.kernels.cost.parameters import MODELS, SWITCH_US, Model
from amanuensis.kernels.cost.price import Bound, Price, price
from amanuensis.kernels.designs.budget import MARKS
from amanuensis.kernels.operands import Buffer, Region
from amanuensis.kernels.operators import Attention, Operator
from amanuensis.kernels.program import Architecture
from amanuensis.npu.calibration import Precision
from amanuensis.npu.devices.xrt import parameters as par
from amanuensis.npu.devices.xrt.decoder_streams import DecoderStreams, Vocabulary
from amanuensis.npu.devices.xrt.dispatches import cut
from amanuensis.npu.devices.xrt.encoder_streams import EncoderStreams
from amanuensis.npu.devices.xrt.memory import BLOCK_ROWS, Memory, aligned
from amanuensis.npu.devices.xrt.planned_weights import planned_weights
from amanuensis.npu.model_config import Dimensions, Head
from amanuensis.npu.row_rules import N_MASKS
from amanuensis.npu.window import FRAME_S

VERIFIED_TOKENS: Final = 16  # of the hypothesis before, which a tick shows to the decoder in one dispatch
NEW_TOKENS: Final = 3  # that a tick decodes one by one: what is said in about a second
TICK_S: Final = 0.5  # between ticks of a stream, the daemon's default
STREAM_WINDOW_S: Final = 5.0  # of sound in a tick


@dataclass(frozen=True, slots=True)
class Step:
    """One operator of a dispatch."""

    operator: Operator
    price: Price


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One dispatch, or several that follow one another where one would take too long.

    Attributes:
        name: of what it does.
        steps: its operators in order.
        fixed: microseconds of starting it.

    """

    name: str
    steps: tuple[Step, ...]
    fixed: Band

    @property
    def time(self) -> Band:
        """Microseconds of the whole."""
        return total(step.price.time for step in self.steps) + self.fixed

    @property
    def switches(self) -> int:
        """Changes of the array's configuration if attention has one of its own; the sequence begins with the other."""
        own = [False, *(isinstance(step.operator, Attention) for step in self.steps)]
        return sum(one != other for one, other in pairwise(own))


@dataclass(frozen=True, slots=True)
class Line:
    """All operators of one kind in a dispatch.

    Attributes:
        kind: name of the operator.
        launches: how many there are.
        int8_macs: multiply-adds on int8.
        bf16_macs: the same on bf16.
        traffic_bytes: that cross the memory.
        bound: what most of the time is spent on.
        time: microseconds.

    """

    kind: str
    launches: int
    int8_macs: int
    bf16_macs: int
    traffic_bytes: int
    bound: Bound
    time: Band


def lines(dispatch: Dispatch) -> list[Line]:
    """Return the kinds of operators of a dispatch, the most expensive first."""
    kinds: dict[str, list[Price]] = {}
    for step in dispatch.steps:
        kinds.setdefault(type(step.operator).__name__, []).append(step.price)
    found = [_line(kind, prices) for kind, prices in kinds.items()]
    return sorted(found, key=lambda line: -line.time.middle)


def _line(kind: str, prices: Sequence[Price]) -> Line:
    spent: dict[Bound, float] = {}
    for each in prices:
        spent[each.bound] = spent.get(each.bound, 0.0) + each.time.middle
    return Line(
        kind=kind,
        launches=len(prices),
        int8_macs=sum(each.load.int8_macs for each in prices),
        bf16_macs=sum(each.load.bf16_macs for each in prices),
        traffic_bytes=sum(each.traffic_bytes for each in prices),
        bound=max(spent, key=lambda bound: spent[bound]),
        time=total(each.time for each in prices),
    )


class Planner:
    """Prices the dispatches of one model on one architecture."""

    def __init__(
        self,
        dimensions: Dimensions,
        alignment_heads: Sequence[Head],
        model: Model,
        precision: Precision = "int8",
    ) -> None:
        """Lay a model out.

        Raises:
            ModelError: the model's shape does not fit the device.

        """
        self.dimensions = dimensions
        self.model = model
        self.precision = precision
        self.memory = Memory.plan(dimensions, len(alignment_heads))
        weights = planned_weights(dimensions, precision)
        self.resident_bytes = weights.n_bytes + self.memory.resident_bytes()
        last = dimensions.vocabulary - 1
        masks = Region(Buffer.WEIGHTS, aligned(weights.n_bytes))
        # which ids mean what moves no cost
        words = Vocabulary(masks, N_MASKS, eot=0, timestamp_begin=last, no_speech=-1)
        self._encoder = EncoderStreams(self.memory, weights)
        self._decoder = DecoderStreams(self.memory, weights, words, tuple(sorted(alignment_heads)))

    def encode(self, frames: int) -> Dispatch:
        """Return the encoding of a window of so many encoder frames; ModelError when it is too long."""
        operators = self._encoder.encoding(self.memory.bucket(frames))
        return self._priced(f"encoder, {frames} frames", operators, {par.MEL_FRAMES: 2 * frames, par.FRAMES: frames})

    def decode(self, frames: int, tokens: int, first: int = 0) -> Dispatch:
        """Return a forward.

        Args:
            frames: encoder frames of the window.
            tokens: that are appended and scored, 1 to BLOCK_ROWS.
            first: tokens before them.

        Raises:
            ModelError: the window is too long.
            ValueError: the tokens do not fit into one dispatch or into the decoder.

        """
        if not 1 <= tokens <= BLOCK_ROWS:
            raise ValueError(f"{tokens} tokens in a dispatch; allowed are 1 to {BLOCK_ROWS}")
        if first < 0 or first + tokens > self.dimensions.text_positions:
            raise ValueError(
                f"{tokens} tokens after {first}; the decoder has {self.dimensions.text_positions} positions"
            )
        counts = {par.ROWS: tokens, par.FIRST: first, par.KEYS: first + tokens, par.FRAMES: frames, par.WANTED: tokens}
        operators = self._decoder.forward(self.memory.bucket(frames))
        return self._priced(f"decoder, {tokens} token{'s' * (tokens > 1)}", operators, counts)

    def _priced(self, name: str, operators: Sequence[Operator], counts: Mapping[int, int]) -> Dispatch:
        priced = cache(lambda operator: price(operator, counts, self.model))  # layers are alike but for their places
        steps = tuple(Step(operator, priced(operator)) for operator in operators)
        parts = sum(1 for _ in cut(operators, self.model.architecture))
        return Dispatch(name, steps, self.model.dispatch_us * parts)


def modelled_decoder_us(
    dimensions: Dimensions,
    alignment_heads: Sequence[Head],
    architecture: Architecture,
    *,
    tokens: int = 1,
    frames: int | None = None,
    precision: Precision = "int8",
    model: Model | None = None,
) -> Band:
    """Return the modelled microseconds of one forward of the decoder, its dispatch included.

    Args:
        dimensions: of the model.
        alignment_heads: whose attention is answered.
        architecture: of the NPU.
        tokens: in the forward: 1 for a decoded token, VERIFIED_TOKENS for a verification.
        frames: encoder frames of the window (default: of STREAM_WINDOW_S of sound).
        precision: of the linear layers.
        model: another cost model than that of the published figures, such as a calibrated one.

    Raises:
        ModelError: the model's shape does not fit the device.
        ValueError: the tokens do not fit into one dispatch.

    """
    heard = stream_frames(dimensions) if frames is None else frames
    planner = Planner(dimensions, alignment_heads, model or MODELS[architecture], precision)
    first = VERIFIED_TOKENS if tokens == 1 else 0
    return planner.decode(heard, tokens, first).time


def stream_frames(dimensions: Dimensions, window_s: float = STREAM_WINDOW_S) -> int:
    """Return the encoder frames of a streaming window, no more than the model has."""
    return min(round(window_s / FRAME_S), dimensions.audio_positions)


@dataclass(frozen=True, slots=True)
class HighWater:
    """How full the fullest tile of its kind is, in bytes; from the check of the designs.

    Attributes:
        l1_bytes: of a core's memory.
        l2_bytes: of a memory tile.
        program_bytes: of a core's program; a stand-in, the size of what a compiler makes for this machine.

    """

    l1_bytes: int
    l2_bytes: int
    program_bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a model would take.

    Attributes:
        encoder: of a streaming window.
        whole_encoder: of a window of the model's full length.
        token: one token of a streaming window.
        verification: VERIFIED_TOKENS tokens of it.
        frames: encoder frames of the streaming window.
        switch_us: of a change of the array's configuration.
        whole_s: seconds of the window of full length.
        resident_bytes: of device memory that the model takes.
        high_water: of the designs.

    """

    encoder: Dispatch
    whole_encoder: Dispatch
    token: Dispatch
    verification: Dispatch
    frames: int
    switch_us: Band
    whole_s: float
    resident_bytes: int
    high_water: HighWater

    @property
    def tick_us(self) -> Band:
        """Microseconds of a streaming tick: encode, verify, NEW_TOKENS new tokens."""
        return self.encoder.time + self.verification.time + self.token.time * NEW_TOKENS

    @property
    def switches(self) -> int:
        """Changes of configuration in a tick if the encoder's attention and the decoder have one of their own each."""
        return self.encoder.switches + 2  # to the decoder's, and back for the next window

    @property
    def tick_with_switches_us(self) -> Band:
        """The same with a configuration each for products, the encoder's attention and the decoder.

        Each change is a dispatch of its own.
        """
        return self.tick_us + (self.switch_us + self.encoder.fixed) * self.switches

    @property
    def realtime_factor(self) -> Band:
        """Seconds of sound that the encoder takes in per second, in windows of full length."""
        return inverse(self.whole_encoder.time, self.whole_s * 1e6)

    @property
    def streams(self) -> Band:
        """Streams that one NPU carries if each has a tick every TICK_S."""
        return inverse(self.tick_us, TICK_S * 1e6)


def high_water(architecture: Architecture) -> HighWater:
    """Return the fullest tiles of all array configurations."""
    marks = MARKS.values()
    return HighWater(
        l1_bytes=max(each.core_bytes for each in marks),
        l2_bytes=max(each.memory_tile_bytes for each in marks),
        program_bytes=max(each.program_bytes[architecture] for each in marks),
    )


def plan(planner: Planner, frames: int) -> Plan:
    """Return the plan of a model for streaming windows of so many encoder frames; ModelError when it has fewer."""
    whole = planner.dimensions.audio_positions
    return Plan(
        encoder=planner.encode(frames),
        whole_encoder=planner.encode(whole),
        token=planner.decode(frames, 1, VERIFIED_TOKENS),
        verification=planner.decode(frames, VERIFIED_TOKENS),
        frames=frames,
        switch_us=SWITCH_US[planner.model.architecture],
        whole_s=whole * FRAME_S,
        resident_bytes=planner.resident_bytes,
        high_water=high_water(planner.model.architecture),
    )
