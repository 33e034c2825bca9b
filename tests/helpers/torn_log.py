"""The logs of a killed daemon made as a torn write leaves them: what was acknowledged or told stays."""

from __future__ import annotations

import random
from pathlib import Path

from amanuensis.daemon.spool.records import RecordReader

MAX_JUNK_BYTES = 400


def tear(session: Path, acked: int, draw: random.Random) -> None:
    """Damage the ends of a session's newest logs.

    Args:
        session: its folder.
        acked: number of the newest chunk that its speaker knows to be kept.
        draw: of the details.

    """
    for kind in ("audio", "events"):
        logs = sorted(session.glob(f"{kind}-*.log"))
        if logs and kind == "audio" and draw.random() < 0.5:
            cut_unacknowledged(logs[-1], acked, draw)
        elif logs:
            append_junk(logs[-1], draw)


def cut_unacknowledged(log: Path, acked: int, draw: random.Random) -> None:
    """Cut an audio log anywhere in the chunks at its end that were not acknowledged."""
    size, keep = log.stat().st_size, 0
    with log.open("rb") as file:
        reader = RecordReader(file, size)
        for record in reader:
            if record["k"] != "audio" or record["n"] <= acked:
                keep = reader.good_bytes
    with log.open("r+b") as file:
        file.truncate(draw.randint(keep, size))


def append_junk(log: Path, draw: random.Random) -> None:
    """Append what is left of a record that was being written: a part of it, noise, or zeros."""
    n_bytes = draw.randint(1, MAX_JUNK_BYTES)
    whole = log.read_bytes()
    junk = draw.choice((whole[8 : 8 + n_bytes], draw.randbytes(n_bytes), bytes(n_bytes)))
    with log.open("ab") as file:
        file.write(junk)
