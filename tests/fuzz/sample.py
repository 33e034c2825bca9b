"""A few hundred inputs for one target, the same each time: `python -m tests.fuzz.sample TARGET --inputs N`.

It runs in a process of its own, so that memory can be bounded and a crash of native code is seen.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import traceback
from pathlib import Path

from tests.fuzz.guard import INPUT_S, limit_memory, start_watch
from tests.fuzz.mutate import inputs
from tests.fuzz.target import NAMES, load, regressions


def main() -> int:
    """Run the inputs; 1 at the first finding, whose bytes and traceback are printed."""
    parser = argparse.ArgumentParser(prog="tests.fuzz.sample", description=__doc__)
    parser.add_argument("target", choices=NAMES)
    parser.add_argument("--inputs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    target = load(args.target)
    seeds = target.seeds()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        run = target.prepare(Path(folder))
        for data in seeds:
            run(data)  # what is loaded once is not the inputs' to pay
        limit_memory()
        start_watch()
        done = 0
        for data in [*regressions(args.target), *inputs(seeds, args.inputs, target.max_bytes, args.seed)]:
            signal.alarm(INPUT_S)
            try:
                run(data)
            except BaseException:
                traceback.print_exc()
                print(f"input {done}: {data!r}", file=sys.stderr)
                return 1
            finally:
                signal.alarm(0)
            done += 1
    print(f"{args.target}: {done} inputs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
