"""The C++ kernels as IRON functions."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from amanuensis.kernels.designs._iron import ExternalFunction, Kernel
from amanuensis.kernels.entries import Entry

_SECTIONS: Final = ("-ffunction-sections", "-fdata-sections")  # so that a core links only what it calls


def functions(*entries: Entry) -> list[Kernel]:
    """Return a function for each entry point, in order.

    Entry points of one source at the same sizes share one object file, which the first of them has compiled: two
    objects of the same source would define everything twice on a core.
    """
    made: list[Kernel] = []
    compiled: set[str] = set()
    for entry in entries:
        digest = sha256(" ".join(entry.flags).encode()).hexdigest()[:8]
        target = f"{entry.source.stem}_{digest}.o"
        if target in compiled:
            made.append(Kernel(entry.name, target, list(entry.arguments)))
            continue
        compiled.add(target)
        made.append(
            ExternalFunction(
                entry.name,
                target,
                source_file=str(entry.source),
                arg_types=list(entry.arguments),
                include_dirs=[str(entry.source.parent)],
                compile_flags=[*entry.flags, *_SECTIONS],
            )
        )
    return made
