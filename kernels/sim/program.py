"""A program: a device, workers and a sequence. Resolving it gives the plan of the design on the array."""

from __future__ import annotations

from amanuensis.kernels.sim.core import Worker
from amanuensis.kernels.sim.device import Device
from amanuensis.kernels.sim.errors import DesignError
from amanuensis.kernels.sim.fifo import ObjectFifo, ObjectFifoHandle
from amanuensis.kernels.sim.link import ObjectFifoLink
from amanuensis.kernels.sim.passes import pass_over
from amanuensis.kernels.sim.place import Placer
from amanuensis.kernels.sim.plan import Design
from amanuensis.kernels.sim.pools import Planner
from amanuensis.kernels.sim.runtime import Runtime


class Program:
    """All that a design is made of."""

    def __init__(self, device: Device | None, rt: Runtime, workers: list[Worker] | None = None) -> None:
        """State a program.

        Raises:
            DesignError: no device.

        """
        if device is None:
            raise DesignError("a program needs a device, for instance NPU1()")
        self._device = device
        self._rt = rt
        self._workers = list(workers or [])

    def resolve_program(self, device_name: str = "main") -> Design:
        """Record the sequence, pass over the cores, place everything and return the plan.

        The plan is not yet held to the limits of the device: `check.check` does that, and `run.simulate` calls it.

        Raises:
            DesignError: a fifo lacks an end or is linked twice, something is not placed, or two things have one name.

        """
        commands = self._rt._record()
        handles = [*self._rt._fifos, *(handle for worker in self._workers for handle in worker._fifos)]
        fifos = _reached(handles)
        links = _links(fifos)
        placer = Placer(self._device, fifos)
        placer.workers(self._workers)
        placer.links(links)
        placer.shims()
        passes = {worker: pass_over(worker) for worker in self._workers}
        planner = Planner(placer, passes)
        plans = [planner.fifo(fifo) for fifo in fifos]
        return Design(
            name=device_name,
            device=self._device,
            workers=self._workers,
            places={worker: placer.places[worker] for worker in self._workers},
            passes=passes,
            fifos=plans,
            links=links,
            pools=planner.pools,
            data=self._rt._rt_data,
            commands=commands,
        )


def _reached(handles: list[ObjectFifoHandle]) -> list[ObjectFifo]:
    """Return the fifos of the handles and those linked to them, by name."""
    found: dict[str, ObjectFifo] = {}
    waiting = [handle._object_fifo for handle in handles]
    while waiting:
        fifo = waiting.pop()
        if found.setdefault(fifo.name, fifo) is not fifo:
            raise DesignError(f"two fifos are called {fifo.name}")
        for handle in (fifo._prod, *fifo._cons):
            if handle is not None and isinstance(handle.endpoint, ObjectFifoLink):
                linked = [*handle.endpoint.sources, *handle.endpoint.destinations]
                waiting += [h._object_fifo for h in linked if h._object_fifo.name not in found]
    for fifo in found.values():
        if fifo._prod is None or fifo._prod.endpoint is None:
            raise DesignError(f"fifo {fifo.name} has no producer: give {fifo.name}.prod() to a worker or the sequence")
        if not fifo._cons or any(handle.endpoint is None for handle in fifo._cons):
            raise DesignError(f"fifo {fifo.name}: a consumer is held by nobody, or there is none")
    return [found[name] for name in sorted(found)]


def _links(fifos: list[ObjectFifo]) -> list[ObjectFifoLink]:
    """Return the links among the fifos, each once."""
    found: list[ObjectFifoLink] = []
    for fifo in fifos:
        ends = [h.endpoint for h in (fifo._prod, *fifo._cons) if h is not None]
        links = [end for end in ends if isinstance(end, ObjectFifoLink)]
        if len(links) > 1:
            raise DesignError(f"fifo {fifo.name} is in more than one link")
        found += [link for link in links if link not in found]
    return found
