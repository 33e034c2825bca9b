"""What `/healthz` and `/readyz` tell of the engine."""

from __future__ import annotations

import json
from dataclasses import replace

from amanuensis.daemon.engine_facts import DOWN_S, engine_facts, engine_trouble
from amanuensis.npu.engine.api import EngineStats
from tests.helpers.tone_engine import INFO


def test_a_restart_is_no_trouble_until_it_takes_long() -> None:
    """An engine that was just lost is on its way back; one that stays down, or is given up, is told with the reason."""
    up = EngineStats({}, {}, 0, 0, 0, 0.0)
    assert engine_trouble(up) == ""
    assert engine_trouble(EngineStats({}, {}, 1, 0, 0, 0.0, down_s=0.9 * DOWN_S, down_why="killed by SIGKILL")) == ""
    down = EngineStats({}, {}, 4, 0, 0, 0.0, down_s=61.0, down_why="model.safetensors is missing")
    assert engine_trouble(down) == "the engine has been down for 61 s: model.safetensors is missing"
    assert engine_trouble(EngineStats({}, {}, 4, 0, 0, 0.0, lost="it died 9 times")) == "it died 9 times"


def test_facts_for_programs() -> None:
    """What an operator asks first when words stop: restarts, since when it is down and why, and whether it comes on."""
    stats = EngineStats(
        {"cpu": 3}, {"cpu": 3}, 4, 0, 2, 1.5, down_s=2.0, down_why="killed", progress_age_s=0.25, poisoned=1
    )
    facts = json.loads(json.dumps(engine_facts(INFO, stats)))
    told = {"restarts": 4, "poisoned": 1, "down_s": 2.0, "down_why": "killed", "progress_age_s": 0.25, "lost": ""}
    assert facts.items() >= told.items()


def test_facts_say_where_voices_are_told_apart() -> None:
    """The device of the network, or the CPU and why it is not the device; and what the engine made of it."""
    stats = EngineStats({}, {}, 0, 0, 0, 0.0, embeddings={"sim": 7})
    facts = engine_facts(replace(INFO, voices="sim"), stats)
    assert (facts["voices"], facts["voices_why"], facts["embeddings"]) == ("sim", "", {"sim": 7})
    facts = engine_facts(replace(INFO, voices_why="no launches for it"), stats)
    assert (facts["voices"], facts["voices_why"]) == ("cpu", "no launches for it")
