"""Launches without their places: operators as one compiled launch computes them anywhere, and what varies in its words.

A launch is laid out for sizes (`rooms`), and serves all smaller ones: surplus rows are computed and belong to nobody,
surplus keys count for nothing. What is left to vary are numbers, each a `Variable`: where the operands of a buffer
begin, run-time parameters, ids of tokens, and the end of the sound in a convolution's matrix.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

from amanuensis.kernels.compile.cache import digest
from amanuensis.kernels.operands import ALIGNMENT_BYTES, PARAMETERS_BYTES, Buffer, Count, Epilogue, Parameter, Region
from amanuensis.kernels.operators import Attention, Embed, Im2col, Nop, Operator
from amanuensis.kernels.ops import encode
from amanuensis.kernels.reference.conv1d import cut_tap

Kind: TypeAlias = Literal["base", "parameter", "tap", "id"]
Rooms: TypeAlias = Mapping[int, int]  # the size for which a launch is laid out, by run-time parameter
FIRST_BYTES: Final = PARAMETERS_BYTES  # where the operands of each buffer begin in a template
MAX_BASE: Final = (1 << 31) - ALIGNMENT_BYTES
_BF16_BYTES: Final = 2
_KEY_CHARACTERS: Final = 24
_ID_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Variable:
    """A number that is put into the words of a launch.

    Attributes:
        kind: "base": bytes before the operands of a buffer; "parameter": its value; "tap": bytes before the tap of a
            matrix that the end of the sound cuts off, which follows from a parameter; "id": of a token.
        index: which buffer, parameter of the template, or id in order.
        least, most: of the value; of "tap" those of the parameter.
        multiple: which the value must be.

    """

    kind: Kind
    index: int
    least: int
    most: int
    multiple: int = 1

    def __str__(self) -> str:
        return f"{self.kind} {self.index}"


@dataclass(frozen=True)
class Template:
    """Operators that one compiled launch computes.

    Attributes:
        configuration: of the array.
        operators: in order; their regions begin at FIRST_BYTES of each buffer, parameters are counted from 0.
        variables: what varies.

    """

    configuration: str
    operators: tuple[Operator, ...]
    variables: tuple[Variable, ...]

    @cached_property
    def key(self) -> str:
        """Name of the launch: the hash of its operators as they are encoded."""
        return digest(encode(self.operators).tobytes())[:_KEY_CHARACTERS]

    @property
    def name(self) -> str:
        """Name of the launch in a manifest."""
        return f"{self.configuration}/{self.key}"

    def value(self, variable: Variable, setting: int) -> int:
        """Return the value of a variable at a setting: of what a parameter is set to, where it follows from one."""
        if variable.kind != "tap":
            return setting
        (op,) = self.operators
        assert isinstance(op, Im2col)
        row, tap = cut_tap(setting, op.stride)
        return _BF16_BYTES * (row * op.k_padded + tap * op.width)

    def __str__(self) -> str:
        kinds = dict.fromkeys(type(operator).__name__ for operator in self.operators)
        names = ", ".join(kinds)
        return names if len(self.operators) == 1 else f"{len(self.operators)} operators ({names})"


@dataclass(frozen=True, slots=True)
class Bound:
    """A template and where the host finds the settings of its variables.

    Attributes:
        template: the launch.
        sources: of each variable: bytes of a base, index of a run-time parameter, or of an id its byte of INPUT.

    """

    template: Template
    sources: tuple[int, ...]


def sizes_of(operator: Operator) -> tuple[Parameter, ...]:
    """Return the run-time sizes for which a launch of an operator is laid out."""
    if isinstance(operator, Nop):
        return ()
    counts = [operator.rows, operator.keys] if isinstance(operator, Attention) else [operator.rows]
    return tuple(count for count in counts if isinstance(count, Parameter))


def mapped(operator: Operator, region: Callable[[Region], Region]) -> Operator:
    """Return an operator with other regions."""

    def moved(value: Any) -> Any:
        if isinstance(value, Region):
            return region(value)
        if isinstance(value, Epilogue) and value.residual is not None:
            return dataclasses.replace(value, residual=region(value.residual))
        return value

    return dataclasses.replace(
        operator, **{f.name: moved(getattr(operator, f.name)) for f in dataclasses.fields(operator)}
    )


def bound(configuration: str, operators: Sequence[Operator], rooms: Rooms) -> Bound | None:
    """Return the launch of operators, with what it is bound to; None where they have no rows.

    Args:
        configuration: that computes them.
        operators: in order.
        rooms: sizes for which it is laid out; a parameter that is not there is laid out for its limit.

    """
    return _Binder(configuration, operators, rooms).bound()


class _Binder:
    """Makes a template of operators, step by step."""

    def __init__(self, configuration: str, operators: Sequence[Operator], rooms: Rooms) -> None:
        self._configuration, self._rooms = configuration, rooms
        self._operators = [filled for each in operators if (filled := self._filled(each)) is not None]
        self._bases: dict[int, int] = {}
        self._numbers: dict[int, int] = {}  # of the template's parameters, by index
        self._limits: dict[int, int] = {}  # by number

    def bound(self) -> Bound | None:
        if not self._operators:
            return None
        for operator in self._operators:
            mapped(operator, self._seen)
        operators = tuple(self._numbered(mapped(each, self._placed)) for each in self._operators)
        variables = [Variable("base", buffer, 0, MAX_BASE, ALIGNMENT_BYTES) for buffer in sorted(self._bases)]
        sources = [self._bases[buffer] for buffer in sorted(self._bases)]
        for index, number in self._numbers.items():
            variables.append(self._parameter(operators, number))
            sources.append(index)
        for number, (operator, place) in enumerate(ids_of(self._operators)):
            variables.append(Variable("id", number, 0, operator.vocabulary - 1))
            sources.append(place)
        return Bound(Template(self._configuration, operators, tuple(variables)), tuple(sources))

    def _room(self, parameter: Parameter) -> int:
        return min(self._rooms.get(parameter.index, parameter.limit), parameter.limit)

    def _filled(self, operator: Operator) -> Operator | None:
        """Return an operator with the rows for which it is laid out, and regions that they move where they then are."""
        if isinstance(operator, Nop):
            return None
        made: Operator = operator
        rows = operator.rows
        if rows == 0 or (isinstance(rows, Parameter) and self._room(rows) == 0):
            return None
        if isinstance(rows, Parameter) and not isinstance(operator, Im2col):
            made = mapped(
                dataclasses.replace(operator, rows=self._room(rows)), lambda region: self._still(region, rows)
            )
        if isinstance(made, Attention) and isinstance(made.keys, Parameter):
            made = dataclasses.replace(made, keys=Parameter(made.keys.index, self._room(made.keys)))
        return made

    def _still(self, region: Region, rows: Parameter) -> Region:
        """Return a region that the number of rows moves where it is for the rows that there is room for."""
        if region.index is None or region.index.index != rows.index:
            return region
        return Region(region.buffer, region.offset + self._room(rows) * region.stride)

    def _seen(self, region: Region) -> Region:
        self._bases[region.buffer] = min(region.offset, self._bases.get(region.buffer, region.offset))
        return region

    def _placed(self, region: Region) -> Region:
        offset = FIRST_BYTES + region.offset - self._bases[region.buffer]
        if region.index is None:
            return Region(region.buffer, offset)
        return Region(region.buffer, offset, self._renumbered(region.index), region.stride)

    def _numbered(self, operator: Operator) -> Operator:
        counts: dict[str, Count] = {}
        for name in ("rows", "keys", "first"):
            value = getattr(operator, name, None)
            if isinstance(value, Parameter):
                counts[name] = self._renumbered(value)
        return dataclasses.replace(operator, **counts)  # type: ignore[arg-type]

    def _renumbered(self, parameter: Parameter) -> Parameter:
        number = self._numbers.setdefault(parameter.index, len(self._numbers))
        self._limits[number] = min(parameter.limit, self._limits.get(number, parameter.limit))
        return Parameter(number, parameter.limit)

    def _parameter(self, operators: Sequence[Operator], number: int) -> Variable:
        """Return a parameter as a variable, within what every operator takes."""
        least, most, kind = 0, self._limits[number], "parameter"
        for operator in operators:
            if isinstance(operator, Im2col):
                kind, least, most = "tap", 1, min(most, operator.dst_rows * operator.stride)
            elif isinstance(operator, Attention) and _is(operator.keys, number):
                least = 1
            elif isinstance(operator, Embed) and _is(operator.first, number):
                assert isinstance(operator.rows, int)
                most = min(most, operator.n_positions - 1 - operator.step * (operator.rows - 1))
        return Variable("tap" if kind == "tap" else "parameter", number, least, most)


def _is(count: Count, number: int) -> bool:
    return isinstance(count, Parameter) and count.index == number


def placed(template: Template, settings: Sequence[int]) -> tuple[Operator, ...]:
    """Return the operators of a template with the bases of its buffers set; parameters and ids are for the memory."""
    pairs = zip(template.variables, settings, strict=True)
    bases = {variable.index: setting for variable, setting in pairs if variable.kind == "base"}

    def there(region: Region) -> Region:
        return dataclasses.replace(region, offset=region.offset - FIRST_BYTES + bases[region.buffer])

    return tuple(mapped(operator, there) for operator in template.operators)


def ids_of(operators: Sequence[Operator]) -> list[tuple[Embed, int]]:
    """Return each id of a token that operators read: which of them, and the byte of INPUT where it lies."""
    found: list[tuple[Embed, int]] = []
    for operator in operators:
        if isinstance(operator, Embed):
            assert isinstance(operator.rows, int)
            assert operator.ids.buffer == Buffer.INPUT
            found += [(operator, operator.ids.offset + _ID_BYTES * row) for row in range(operator.rows)]
    return found
