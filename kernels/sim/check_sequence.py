"""Limits on the sequence of the host: queues, descriptors, and the order of reads and writes of its tensors.

Transfers run on their own once they are queued. Only an await orders them: a free waits for nothing on the device.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.sim import limits
from amanuensis.kernels.sim.check_order import transfer_problems
from amanuensis.kernels.sim.endpoint import RuntimeEndpoint
from amanuensis.kernels.sim.plan import Design, Place
from amanuensis.kernels.sim.runtime import Await, Free, Start, Transfer

ShimChannel = tuple[str, bool]  # a fifo, and whether the sequence fills it


def shim_descriptors(design: Design) -> Counter[Place]:
    """Return the most descriptors at one time of each shim tile: one a transfer, from its start to its free."""
    shims = _shims(design)
    now: Counter[Place] = Counter()
    most: Counter[Place] = Counter()
    for command in design.commands:
        if isinstance(command, Start | Free):
            place = shims[_channel(command.transfer)]
            now[place] += 1 if isinstance(command, Start) else -1
            most[place] = max(most[place], now[place])
    return most


def sequence_problems(design: Design) -> Iterator[str]:
    """Yield transfers that do not fit a descriptor, are queued too deep, freed wrongly, or read or end too early."""
    shims = _shims(design)
    for command in design.commands:
        if isinstance(command, Start):
            where = f"{command.transfer} at {shims[_channel(command.transfer)]}"
            yield from (f"{where}: {problem}" for problem in transfer_problems(command.transfer))
    yield from _queue_problems(design, shims)
    yield from _free_problems(design)
    yield from _order_problems(design)


def _channel(transfer: Transfer) -> ShimChannel:
    return transfer.handle.name, transfer.handle._is_prod


def _shims(design: Design) -> dict[ShimChannel, Place]:
    return {
        (plan.name, end.handle._is_prod): end.place
        for plan in design.fifos
        for end in plan.ends
        if isinstance(end.handle.endpoint, RuntimeEndpoint)
    }


def _queue_problems(design: Design, shims: dict[ShimChannel, Place]) -> Iterator[str]:
    """Yield the first transfer of each channel that is queued too deep."""
    under_way: defaultdict[ShimChannel, list[Transfer]] = defaultdict(list)
    told: set[ShimChannel] = set()
    for command in design.commands:
        if not isinstance(command, Start | Await | Free):
            continue
        transfer = command.transfer
        channel = _channel(transfer)
        queue = under_way[channel]
        if isinstance(command, Start):
            queue.append(transfer)
            if len(queue) > limits.QUEUED_TASKS and channel not in told:
                told.add(channel)
                yield (
                    f"{transfer} at {shims[channel]}: {len(queue)} transfers under way in one channel; the limit is "
                    f"{limits.QUEUED_TASKS}: await or free earlier ones"
                )
        elif transfer in queue:  # a channel works in order: what was queued before is done as well
            del queue[: queue.index(transfer) + 1]


def _free_problems(design: Design) -> Iterator[str]:
    live: set[Transfer] = set()
    for command in design.commands:
        if isinstance(command, Start):
            live.add(command.transfer)
        elif isinstance(command, Free) and command.transfer in live:
            live.discard(command.transfer)
        elif isinstance(command, Free):
            yield f"{command.transfer}: its descriptor is freed twice"
    yield from (f"{transfer}: its descriptor is never freed" for transfer in sorted(live, key=lambda t: t.number))


def _order_problems(design: Design) -> Iterator[str]:
    """Yield fills of what a drain may not have written yet, and drains that may not be done when the sequence ends."""
    writing: defaultdict[ShimChannel, list[Transfer]] = defaultdict(list)
    for command in design.commands:
        if isinstance(command, Start) and command.transfer.handle._is_prod:
            earlier = [transfer for queue in writing.values() for transfer in queue]
            for transfer in earlier:
                if _overlap(command.transfer, transfer):
                    yield (
                        f"{command.transfer} reads what {transfer} writes, which is not awaited yet: await it, or "
                        "start the fill before the drain"
                    )
        elif isinstance(command, Start):
            writing[_channel(command.transfer)].append(command.transfer)
        elif isinstance(command, Await) and command.transfer in writing[_channel(command.transfer)]:
            queue = writing[_channel(command.transfer)]
            del queue[: queue.index(command.transfer) + 1]
    for queue in writing.values():
        yield from (
            f"{transfer} is never awaited: what it writes may be missing when the sequence ends; use wait=True"
            for transfer in queue
        )


def _overlap(one: Transfer, other: Transfer) -> bool:
    """Say whether two transfers touch a common element of a tensor."""
    if one.data is not other.data:
        return False
    spans = [(t.offset, t.offset + _last(t)) for t in (one, other)]
    if spans[0][1] < spans[1][0] or spans[1][1] < spans[0][0]:
        return False
    touched = np.zeros(max(last for _, last in spans) + 1, bool)
    touched[_elements(one)] = True
    return bool(touched[_elements(other)].any())


def _last(transfer: Transfer) -> int:
    return sum((size - 1) * stride for size, stride in zip(transfer.sizes, transfer.strides, strict=True))


def _elements(transfer: Transfer) -> NDArray[np.int64]:
    index = np.array([transfer.offset])
    for size, stride in zip(transfer.sizes, transfer.strides, strict=True):
        steps = np.arange(size if stride else 1) * stride
        index = (index[:, None] + steps).reshape(-1)
    return index
