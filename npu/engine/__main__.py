"""The engine process; started by `process.start_engine`, never by hand."""

from __future__ import annotations

import argparse
import socket

from amanuensis.npu.engine.slots import FeatureSlots
from amanuensis.npu.engine.worker import run_worker


def main() -> None:
    """Serve the process that started this one, over the descriptors that it passed on."""
    parser = argparse.ArgumentParser(prog="amanuensis.npu.engine", description=__doc__)
    parser.add_argument("--control", type=int, required=True, help="descriptor of the socket to the parent")
    parser.add_argument("--features", type=int, required=True, help="descriptor of the shared memory")
    parser.add_argument("--slots", type=int, required=True, help="windows that fit into it")
    parser.add_argument("--loader", required=True, help="module:function that opens the model")
    parser.add_argument("--beat-s", type=float, required=True, help="seconds between heartbeats")
    args = parser.parse_args()
    run_worker(socket.socket(fileno=args.control), FeatureSlots(args.slots, args.features), args.loader, args.beat_s)


if __name__ == "__main__":
    main()
