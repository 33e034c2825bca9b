"""A stream of operators executed by the designs, in their simulator: what `kernels.machine` does, as the array does it.

Each operator becomes a launch of a configuration that has it; in the decoder, operators that follow one another are one
launch. Operators that all designs refuse are executed by the machine, and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.compile.work import Designs, launched, load_designs
from amanuensis.kernels.designs.launch import Launch, LaunchError, run_launch
from amanuensis.kernels.machine import OperatorWork, Work, run_operator
from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operators import Nop, Operator
from amanuensis.kernels.ops import decode
from amanuensis.kernels.program import Architecture, Program
from amanuensis.kernels.sim.device import NPU1, NPU2
from amanuensis.kernels.timing import operator_price

_DEVICES: Final = {"npu1": NPU1, "npu2": NPU2}
_FEW: Final = ("decoder", "products", "attention", "choice")  # configurations in the order in which they are asked
_MANY: Final = ("attention", "products", "decoder", "choice")
FEW_ROWS: Final = 32  # that the configuration of the decoder takes


@dataclass(slots=True)
class Tally:
    """What was executed.

    Attributes:
        launches: by configuration.
        switches: from one configuration to another.
        by_machine: operators that every design refuses at their sizes, by name.

    """

    launches: Counter[str] = field(default_factory=Counter)
    switches: int = 0
    by_machine: Counter[str] = field(default_factory=Counter)


class SimulatedArray:
    """The array of one device, whose configuration in use lasts from one stream to the next.

    Attributes:
        tally: what was executed so far.

    """

    def __init__(self, architecture: Architecture) -> None:
        self.tally = Tally()
        self._architecture = architecture
        self._device = _DEVICES[architecture]()
        self._designs = load_designs()
        self._configuration = ""

    def execute(
        self,
        _program: Program,
        words: NDArray[np.uint32],
        buffers: Sequence[NDArray[np.uint8]],
        after: Callable[[OperatorWork], None] = lambda _: None,
    ) -> Work:
        """Execute a stream; arguments, result and errors as for `amanuensis.kernels.machine.execute`."""
        done: list[OperatorWork] = []
        memory = Memory(buffers)
        for name, operators in self._pieces(decode(np.asarray(words, np.uint32)), memory):
            self._run(name, operators, memory, buffers)
            for operator in operators:
                done.append(self._work(operator, memory))
                after(done[-1])
        return Work(tuple(done))

    def _pieces(self, operators: Sequence[Operator], memory: Memory) -> Iterator[tuple[str, list[Operator]]]:
        """Yield operators that one launch does, or the machine, with the name of the configuration, empty for none."""
        piece: list[Operator] = []
        name = ""
        for operator in operators:
            chosen = self._choice(operator, memory)
            together = chosen == name == "decoder"
            if piece and not together:
                yield name, piece
                piece = []
            piece.append(operator)
            name = chosen
        if piece:
            yield name, piece

    def _run(
        self, name: str, operators: Sequence[Operator], memory: Memory, buffers: Sequence[NDArray[np.uint8]]
    ) -> None:
        if not name:
            for operator in operators:
                run_operator(operator, memory)
                if not isinstance(operator, Nop):
                    self.tally.by_machine[type(operator).__name__] += 1
            return
        launch: Launch = launched(self._designs[name], operators, Memory(buffers), self._device)
        run_launch(launch, buffers)
        self.tally.launches[name] += 1
        self.tally.switches += bool(self._configuration) and name != self._configuration
        self._configuration = name

    def _choice(self, operator: Operator, memory: Memory) -> str:
        """Return the configuration of an operator; empty when none has it at its sizes."""
        if isinstance(operator, Nop) or memory.count(operator.rows, "rows") == 0:
            return ""
        order = _FEW if memory.count(operator.rows, "rows") <= FEW_ROWS else _MANY
        for name in order:
            if type(operator) in self._designs[name].COVERS and self._takes(self._designs[name], operator, memory):
                return name
        return ""

    def _takes(self, designs: Designs, operator: Operator, memory: Memory) -> bool:
        try:
            designs.launch(operator, memory, self._device)
        except LaunchError:
            return False
        return True

    def _work(self, operator: Operator, memory: Memory) -> OperatorWork:
        price = operator_price(self._architecture, operator, memory.parameter)
        load = price.load
        return OperatorWork(type(operator).__name__, load.macs, load.bytes_read, load.bytes_written, price.time, ())
