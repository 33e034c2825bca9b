"""The modelled times that the machine reports: the prices of `amanuensis.kernels.cost`, not measured on an NPU."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from amanuensis.kernels.cost.parameters import MODELS
from amanuensis.kernels.cost.price import Price, price
from amanuensis.kernels.loads import Counts, count_of
from amanuensis.kernels.operands import Parameter
from amanuensis.kernels.operators import Operator
from amanuensis.kernels.program import Architecture

PRICES_KEPT: Final = 1 << 14  # a model's operators at the sizes of some minutes


def operator_price(architecture: Architecture, operator: Operator, counts: Counts) -> Price:
    """Return what one operator costs inside a sequence; what is asked again is looked up.

    Args:
        architecture: of the device.
        operator: any.
        counts: values of the run-time parameters.

    Raises:
        OpError: a parameter has no value, or one out of its limits.

    """
    sizes = ((name, getattr(operator, name, 0)) for name in ("rows", "keys"))
    values = tuple(
        (size.index, count_of(operator, name, size, counts)) for name, size in sizes if isinstance(size, Parameter)
    )
    return _kept(architecture, operator, values)


@lru_cache(maxsize=PRICES_KEPT)
def _kept(architecture: Architecture, operator: Operator, values: tuple[tuple[int, int], ...]) -> Price:
    return price(operator, dict(values), MODELS[architecture])
