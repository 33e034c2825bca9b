"""Choice of tokens on device memory."""

from __future__ import annotations

import numpy as np

from amanuensis.kernels.memory import Memory
from amanuensis.kernels.operators import Select
from amanuensis.kernels.records import RULES, SCORES
from amanuensis.kernels.reference.select import Vocabulary, select


def run_select(op: Select, memory: Memory, rows: int) -> None:
    """Answer the rules of each row from its logits."""
    logits = memory.read(op.logits, np.float32, (rows, op.vocabulary), "logits", pitch=4 * op.pitch)
    masks = memory.read(op.masks, np.uint8, (op.n_masks, -(-op.vocabulary // 8)), "masks")
    rules = memory.read(op.rules, RULES, (rows,), "rules")
    answers = memory.write(op.answers, SCORES, (rows,), "answers")
    answers[:] = select(logits, masks, rules, Vocabulary(op.vocabulary, op.timestamp_begin, op.eot, op.no_speech))
