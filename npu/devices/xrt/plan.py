"""What a model would take on an NPU: the very sequences that the engine dispatches, priced by the cost model.

Nothing is executed and no weights are needed; where they were prepared, what they say of precisions counts. Every time
is modelled, not measured on an NPU. A dispatch is priced as if one configuration of the array did all of it; how the
work is split over those that there are, and what changing between them costs, is priced for a whole tick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from amanuensis.kernels.cost.band import Band, inverse, total
from amanuensis.kernels.cost.parameters import Model
from amanuensis.kernels.cost.price import Bound, Price, price
from amanuensis.kernels.cost.splits import Cost, Part, Stream, cost, splits
from amanuensis.kernels.designs.budget import MARKS
from amanuensis.kernels.operands import Buffer, Region
from amanuensis.kernels.operators import Operator
from amanuensis.kernels.program import Architecture
from amanuensis.npu.calibration import Precision
from amanuensis.npu.device_weights import WeightMap
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
        stream: its part of the model, its operators and their run-time sizes.
        steps: its operators in order.
        fixed: microseconds of starting it.

    """

    name: str
    stream: Stream
    steps: tuple[Step, ...]
    fixed: Band

    @property
    def time(self) -> Band:
        """Microseconds of the whole."""
        return total(step.price.time for step in self.steps) + self.fixed


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
        prepared: WeightMap | None = None,
    ) -> None:
        """Lay a model out.

        Args:
            dimensions: of the model.
            alignment_heads: whose attention is answered.
            model: of the costs.
            precision: of the linear layers.
            prepared: where its weights lie, of that precision; without, no product is taken to be left in bf16.

        Raises:
            ModelError: the model's shape does not fit the device.

        """
        self.dimensions = dimensions
        self.model = model
        self.precision = precision
        self.memory = Memory.plan(dimensions, len(alignment_heads))
        self.weights = weights = planned_weights(dimensions, precision) if prepared is None else prepared
        self.is_prepared = prepared is not None
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
        counts = {par.MEL_FRAMES: 2 * frames, par.FRAMES: frames}
        return self._priced(f"encoder, {frames} frames", "encoder", operators, counts)

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
        operators = self._decoder.forward(self.memory.bucket(frames))
        name = f"decoder, {tokens} token{'s' * (tokens > 1)}"
        return self._priced(name, "decoder", operators, _counts(frames, tokens, first))

    def short_step(self, frames: int, first: int = 0) -> Dispatch | None:
        """Return a step of one token that the shortlist scores; None where the vocabulary has none."""
        short = self.weights.short_vocabulary
        if short is None:
            return None
        masks, eot = self._decoder.vocabulary.masks, short.local_eot
        words = Vocabulary(masks, N_MASKS, eot, timestamp_begin=short.local_size, no_speech=-1)
        operators = self._decoder.short_step(self.memory.bucket(frames), words)
        return self._priced("decoder, 1 token by the shortlist", "decoder", operators, _counts(frames, 1, first))

    def _priced(self, name: str, part: Part, operators: Sequence[Operator], counts: Mapping[int, int]) -> Dispatch:
        priced = cache(lambda operator: price(operator, counts, self.model))  # layers are alike but for their places
        steps = tuple(Step(operator, priced(operator)) for operator in operators)
        parts = sum(1 for _ in cut(operators, self.model.architecture))
        return Dispatch(name, Stream(part, operators, counts), steps, self.model.dispatch_us * parts)


def _counts(frames: int, tokens: int, first: int) -> Mapping[int, int]:
    """Return the run-time sizes of a forward that scores all of its tokens."""
    return {par.ROWS: tokens, par.FIRST: first, par.KEYS: first + tokens, par.FRAMES: frames, par.WANTED: tokens}


def decoding_us(planner: Planner, frames: int) -> Band:
    """Return the microseconds that the decoder adds to a tick as it is built, changes of configuration included."""
    encoder, verification = planner.encode(frames), planner.decode(frames, VERIFIED_TOKENS)
    steps = [planner.decode(frames, 1, VERIFIED_TOKENS).stream] * NEW_TOKENS
    split = next(splits(planner.model.architecture))
    alone = cost([encoder.stream], split, planner.model).time
    whole = cost([encoder.stream, verification.stream, *steps], split, planner.model).time
    return Band(whole.low - alone.low, whole.middle - alone.middle, whole.high - alone.high)


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
class Way:
    """A streaming tick under one split of the work.

    Attributes:
        tick: every new token projected to the whole vocabulary.
        short: the same where the shortlist holds for every new token; None where the vocabulary has none.

    """

    tick: Cost
    short: Cost | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a model would take.

    Attributes:
        encoder: of a streaming window.
        whole_encoder: of a window of the model's full length.
        token: one token of a streaming window.
        short_token: the same by the shortlist; None where the vocabulary has none.
        verification: VERIFIED_TOKENS tokens of it.
        ways: to split the work of a tick over configurations, as it is built first.
        encoding: the encoder's part of a tick as it is built.
        frames: encoder frames of the streaming window.
        whole_s: seconds of the window of full length.
        resident_bytes: of device memory that the model takes.
        high_water: of the designs.

    """

    encoder: Dispatch
    whole_encoder: Dispatch
    token: Dispatch
    short_token: Dispatch | None
    verification: Dispatch
    ways: tuple[Way, ...]
    encoding: Cost
    frames: int
    whole_s: float
    resident_bytes: int
    high_water: HighWater

    @property
    def built(self) -> Way:
        """The tick as the configurations are built, with a configuration for the choice of tokens."""
        return self.ways[0]

    @property
    def best_built(self) -> Way:
        """The best way, in the middle, with configurations that are built."""
        return min((way for way in self.ways if way.tick.split.is_built), key=lambda way: way.tick.time.middle)

    @property
    def nearest(self) -> Way:
        """The best way, in the middle, in which every core runs a program that is built."""
        return min((way for way in self.ways if way.tick.split.keeps_cores), key=lambda way: way.tick.time.middle)

    @property
    def best(self) -> Way:
        """The best way that was found, in the middle, built or not."""
        return min(self.ways, key=lambda way: way.tick.time.middle)

    @property
    def tick_us(self) -> Band:
        """Microseconds of a streaming tick as it is built: encode, verify, NEW_TOKENS new tokens, changes included."""
        return self.built.tick.time

    @property
    def tick_in_one_us(self) -> Band:
        """The same if one configuration could do all: no change, and a dispatch for each sequence."""
        return self.encoder.time + self.verification.time + self.token.time * NEW_TOKENS

    @property
    def realtime_factor(self) -> Band:
        """Seconds of sound that the encoder takes in per second, in windows of full length, as it is built."""
        return inverse(self.encoding_whole_us, self.whole_s * 1e6)

    @property
    def encoding_whole_us(self) -> Band:
        """Microseconds of a window of full length, changes of configuration included."""
        changes = self.encoding.dispatch_us * (self.encoding.dispatches - 1)
        return self.whole_encoder.time + changes + self.encoding.switch_us * self.encoding.switches

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
    whole, model = planner.dimensions.audio_positions, planner.model
    encoder, verification = planner.encode(frames), planner.decode(frames, VERIFIED_TOKENS)
    token, short_token = planner.decode(frames, 1, VERIFIED_TOKENS), planner.short_step(frames, VERIFIED_TOKENS)
    begin = [encoder.stream, verification.stream]
    tick = [*begin, *[token.stream] * NEW_TOKENS]
    short = None if short_token is None else [*begin, *[short_token.stream] * NEW_TOKENS]
    ways = tuple(
        Way(cost(tick, split, model), None if short is None else cost(short, split, model))
        for split in splits(model.architecture)
    )
    return Plan(
        encoder=encoder,
        whole_encoder=planner.encode(whole),
        token=token,
        short_token=short_token,
        verification=verification,
        ways=ways,
        encoding=cost([encoder.stream], ways[0].tick.split, model),
        frames=frames,
        whole_s=whole * FRAME_S,
        resident_bytes=planner.resident_bytes,
        high_water=high_water(model.architecture),
    )
