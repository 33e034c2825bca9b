"""How a model's work can be split over configurations of the array, and what each way costs.

Cores have program memory for one kind of work each, so the encoder's products, its attention, the decoder and the
choice of tokens are configurations of their own, and every change from one to another costs a dispatch and the loading
of the other. A configuration can also hold two kinds of work, each on a part of the array: then each works with fewer
cores and channels, and nothing changes. Which is better depends on what a change costs, and nobody has published that
for npu1. Modelled, like all prices.

What is dispatched is what `amanuensis.kernels.compile.lowering` makes of a stream: operators of the encoder never use
the decoder's configuration, nor those of the decoder another than it and that of the choice, which comes last.
Operators of one configuration that follow one another are taken as one dispatch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from typing import Final, Literal, TypeAlias

from amanuensis.kernels import operators as kinds
from amanuensis.kernels.cost.arrays import ARRAYS, Array
from amanuensis.kernels.cost.band import Band, total
from amanuensis.kernels.cost.demand import SMALL_ROWS
from amanuensis.kernels.cost.parameters import Model
from amanuensis.kernels.cost.price import price
from amanuensis.kernels.loads import Counts, count_of
from amanuensis.kernels.operators import Operator
from amanuensis.kernels.program import Architecture

Work: TypeAlias = Literal["products", "attention", "decoder", "choice"]
Part: TypeAlias = Literal["encoder", "decoder"]

# Of `kernels/reference/select.py` on one core of a server (AMD EPYC, NumPy 2, 51,865 and 6,673 ids, median of 15): 0.11
# and 0.045 ms a row. Another CPU is taken to be between twice as fast and half as fast.
CHOICE_ROW_US: Final = 35.0
CHOICE_ID_NS: Final = 1.7
CPU_FACTORS: Final = Band(0.5, 1.0, 2.0)
READ_GB_S: Final = 20.0  # from device memory to the CPU: flushing and copying (C11)

# What the ways need that are not built.
IN_ONE_PROGRAM: Final = "two graphs in one program, each on columns of its own"
A_OTHERWISE: Final = "columns of the products that bring a for two rows of cores, or for none"
NO_METER: Final = "a choice of tokens without the column that measures frames"
SAME_CORES: Final = frozenset({IN_ONE_PROGRAM, A_OTHERWISE, NO_METER})  # which no core's program knows of
ROW_ATTENDS: Final = "objects of attention on the streams of products, which the other rows of cores let pass"
ROW_CHOOSES: Final = "logits on the decoder's stream of activations, which the other rows of cores let pass"
ACTIVATIONS_ONCE: Final = "activations that one column brings for all, so that both channels bring weights"
HEADS_ROUND: Final = "heads of the decoder on all columns"


@dataclass(frozen=True, slots=True)
class Stream:
    """What the engine starts as a whole.

    Attributes:
        part: of the model.
        operators: in order.
        counts: values of the run-time parameters.

    """

    part: Part
    operators: Sequence[Operator]
    counts: Counts


@dataclass(frozen=True, slots=True)
class Place:
    """Where a kind of work is done.

    Attributes:
        configuration: its name.
        array: the part of the array that does it.

    """

    configuration: str
    array: Array


@dataclass(frozen=True, slots=True)
class Split:
    """One way to split the work.

    Attributes:
        name: for people.
        places: of each kind of work.
        cpu_rows: the CPU chooses the tokens of so many rows or fewer.
        is_built: whether the array's graphs are there.
        needs: what is not there, in words.

    """

    name: str
    places: dict[Work, Place]
    cpu_rows: int = 0
    is_built: bool = True
    needs: tuple[str, ...] = ()

    @property
    def keeps_cores(self) -> bool:
        """Whether every core runs a program that is built, also where the graph around it is not."""
        return SAME_CORES.issuperset(self.needs)

    @property
    def configurations(self) -> int:
        """How many there are."""
        return len({place.configuration for place in self.places.values()})


@dataclass(frozen=True, slots=True)
class Cost:
    """What a round of sequences costs under a split.

    Attributes:
        split: the way.
        work: microseconds of all operators, those that the CPU does included.
        dispatches: how many there are.
        switches: changes of configuration, the one back to the first included.
        dispatch_us: of each dispatch.
        switch_us: of each change, beside its dispatch.

    """

    split: Split
    work: Band
    dispatches: int
    switches: int
    dispatch_us: Band
    switch_us: Band

    @property
    def time(self) -> Band:
        """Microseconds of the whole."""
        return self.work + self.dispatch_us * self.dispatches + self.switch_us * self.switches

    def break_even_us(self, other: Cost) -> float:
        """Return from which cost of a change on this is the better one, in the middle; it has fewer changes."""
        own, others = (cost.work + cost.dispatch_us * cost.dispatches for cost in (self, other))
        return (own.middle - others.middle) / (other.switches - self.switches)


@dataclass(slots=True)
class _Round:
    """What was gone through so far."""

    parts: list[Band] = field(default_factory=list)
    order: list[str] = field(default_factory=list)  # configurations in use, one after another
    dispatches: int = 0


def work_of(operator: Operator, part: Part) -> Work:
    """Return the kind of work that an operator of a part of a model is."""
    if isinstance(operator, kinds.Select | kinds.EnergyGate):
        return "choice"
    if part == "decoder":
        return "decoder"
    return "attention" if isinstance(operator, kinds.Attention) else "products"


def cost(streams: Iterable[Stream], split: Split, model: Model) -> Cost:
    """Return what a round costs: streams one after another, and then the first again.

    Args:
        streams: of the round.
        split: of the work.
        model: of the device.

    Raises:
        OpError: a parameter has no value, or one out of its limits.

    """
    done = _Round()
    for stream in streams:
        _go_through(stream, split, model, done)
    order = [name for name, _ in groupby(done.order)]
    switches = sum(one != other for one, other in pairwise([*order, *order[:1]]))
    return Cost(
        split=split,
        work=total(done.parts),
        dispatches=done.dispatches,
        switches=switches,
        dispatch_us=model.dispatch_us,
        switch_us=model.switch_us,
    )


def _go_through(stream: Stream, split: Split, model: Model, done: _Round) -> None:
    some = [operator for operator in stream.operators if not isinstance(operator, kinds.Nop)]
    some.sort(key=lambda operator: isinstance(operator, kinds.Select))  # keeps the order otherwise
    priced: dict[Operator, Band] = {}
    last = ""
    for operator in some:
        if isinstance(operator, kinds.Select):
            rows = count_of(operator, "rows", operator.rows, stream.counts)
            if rows <= split.cpu_rows:
                done.parts.append(cpu_choice_us(rows, operator.vocabulary))
                continue
        place = split.places[work_of(operator, stream.part)]
        if operator not in priced:
            priced[operator] = price(operator, stream.counts, model, place.array).time
        done.parts.append(priced[operator])
        if place.configuration != last:
            done.dispatches += 1
            done.order.append(place.configuration)
            last = place.configuration


def cpu_choice_us(rows: int, vocabulary: int) -> Band:
    """Return what the CPU takes to choose tokens, the reading of their logits included."""
    each = CHOICE_ROW_US + vocabulary * CHOICE_ID_NS / 1e3 + 4 * vocabulary / READ_GB_S / 1e3
    return CPU_FACTORS * (rows * each)


def splits(architecture: Architecture) -> Iterator[Split]:
    """Yield the ways that are worth a look, the one that is built first."""
    whole = ARRAYS[architecture]
    for encoder, is_built, needs in _encoders(whole):
        for decoder in _decoders(whole):
            yield Split(
                name=f"{encoder[0]}, {decoder.name}",
                places={**encoder[1], **decoder.places},
                cpu_rows=decoder.cpu_rows,
                is_built=is_built and decoder.is_built,
                needs=tuple(dict.fromkeys((*needs, *decoder.needs))),
            )


def _encoders(whole: Array) -> Iterator[tuple[tuple[str, dict[Work, Place]], bool, tuple[str, ...]]]:
    """Yield ways for the encoder: name and places, whether they are built, what they need."""
    apart: dict[Work, Place] = {"products": Place("products", whole), "attention": Place("attention", whole)}
    yield ("encoder apart", apart), True, ()
    for columns in range(whole.columns // 2, whole.columns):
        left = whole.columns - columns
        beside: dict[Work, Place] = {
            "products": Place("encoder", replace(whole, columns=columns)),
            "attention": Place("encoder", replace(whole, columns=left)),
        }
        needs = (IN_ONE_PROGRAM,) if columns % whole.rows == 0 else (IN_ONE_PROGRAM, A_OTHERWISE)
        yield (f"encoder on {columns}+{left} columns", beside), False, needs
    mixed: dict[Work, Place] = {
        "products": Place("encoder", replace(whole, rows=whole.rows - 1)),
        "attention": Place("encoder", replace(whole, rows=1)),
    }
    yield (f"encoder on {whole.rows - 1}+1 rows", mixed), False, (ROW_ATTENDS,)


def _decoders(whole: Array) -> Iterator[Split]:
    """Yield ways for the decoder and the choice of tokens."""
    apart: dict[Work, Place] = {"decoder": Place("decoder", whole), "choice": Place("choice", whole)}
    yield Split("choice apart", apart)
    yield Split("single choices on the CPU", apart, cpu_rows=1)
    yield Split("choices on the CPU", {"decoder": Place("decoder", whole)}, cpu_rows=SMALL_ROWS)
    beside = _chosen_beside(replace(whole, columns=whole.columns - 1), replace(whole, columns=1))
    yield Split("choice on a column", beside, is_built=False, needs=(IN_ONE_PROGRAM, NO_METER))
    rows = replace(whole, rows=whole.rows - 1), replace(whole, rows=1)
    yield Split("choice on a row", _chosen_beside(*rows), is_built=False, needs=(ROW_CHOOSES,))
    wide = replace(whole, weight_channels=2, spreads_heads=True)
    apart = {"decoder": Place("decoder", wide), "choice": Place("choice", whole)}
    yield Split(
        "single choices on the CPU, wide decoder", apart, 1, is_built=False, needs=(ACTIVATIONS_ONCE, HEADS_ROUND)
    )
    mixed = _chosen_beside(replace(wide, rows=whole.rows - 1), rows[1])
    needs = ROW_CHOOSES, ACTIVATIONS_ONCE, HEADS_ROUND
    name = "choice on a row, wide decoder"
    yield Split(name, mixed, is_built=False, needs=(ROW_CHOOSES, *needs))


def _chosen_beside(decoder: Array, choice: Array) -> dict[Work, Place]:
    return {"decoder": Place("decoder", decoder), "choice": Place("decoder", choice)}
