"""One target under atheris (libFuzzer with coverage of our Python code), to the first finding: see `tests.fuzz`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

from tests.fuzz.guard import INPUT_S, limit_memory
from tests.fuzz.mutate import EDGES
from tests.fuzz.target import load, regressions


def main() -> None:
    """Fuzz until the time is over or an input is a finding: `guided TARGET CORPUS ARTIFACTS SECONDS SEED`."""
    name, corpus, artifacts, seconds, seed = sys.argv[1:]
    with atheris.instrument_imports(include=["amanuensis", "tomllib"]):
        target = load(name)
        for k, data in enumerate([*target.seeds(), *regressions(name)]):
            Path(corpus, f"seed-{k:03}").write_bytes(data)
        run = target.prepare(Path(tempfile.mkdtemp(prefix="fuzz-")))
        for data in target.seeds():
            run(data)
    Path(artifacts, "tokens.dict").write_text("\n".join(f'"{_escaped(token)}"' for token in EDGES) + "\n")
    options = [
        f"-dict={artifacts}/tokens.dict",
        f"-max_total_time={seconds}",
        f"-max_len={target.max_bytes}",
        f"-timeout={INPUT_S}",
        f"-seed={seed}",
        f"-artifact_prefix={artifacts}/",
        "-rss_limit_mb=4096",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    atheris.Setup([sys.argv[0], *options, corpus], run)
    limit_memory()
    atheris.Fuzz()


def _escaped(token: bytes) -> str:
    return "".join(f"\\x{byte:02X}" for byte in token)


if __name__ == "__main__":
    main()
