"""What the launches of a configuration must have in common."""

from __future__ import annotations

from amanuensis.kernels.sim.plan import Design


def graph(plan: Design) -> list[object]:
    """Return all that the array is loaded with, the sequence aside."""
    pools = [(p.name, p.place, p.array, p.depth, p.parts) for p in plan.pools]
    channels = [
        (name, c.place, c.direction, c.number, c.descriptors, c.dims, c.parts, c.repeat) for name, c in plan.channels
    ]
    cores = [
        (place, getattr(worker.core_fn, "__qualname__", None), worker.stack_size)
        for worker, place in plan.places.items()
    ]
    code = [
        ({k._name: n for k, n in found.call_sites.items()}, {h.name: n for h, n in found.most_acquired.items()})
        for found in plan.passes.values()
    ]
    buffers = [(b._name, b._array, b._use_write_rtp) for worker in plan.workers for b in worker.buffers]
    kernels = [(k._name, k.object_file_name, k.arg_types()) for k in plan.kernels if hasattr(k, "object_file_name")]
    return [pools, channels, cores, code, buffers, kernels, [d.arr_type for d in plan.data]]
