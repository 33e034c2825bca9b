"""Training of the network of speaker embeddings: resumable, on a CPU."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from amanuensis.npu.cpu_features import has_bfloat16
from amanuensis.training.speaker_loader import Corpus, batches
from amanuensis.training.speaker_model import Margin, Sizes, SpeakerNet

SIZES = Sizes()
PEAK_RATE = 2e-3
WARM_UP_STEPS = 150
WEIGHT_DECAY = 0.05
MARGIN = 0.2
MARGIN_FULL_AT = 0.4  # of the training: a margin from the start keeps the loss from falling
BATCH = 64
AVERAGE_DECAY = 0.995
SAVE_EVERY_S = 60.0


@dataclass(frozen=True)
class Settings:
    """How to train."""

    work: Path
    minutes: float
    seed: int
    threads: int
    speakers: int  # how many there will be when all shards are written

    @property
    def checkpoint(self) -> Path:
        """Where the state goes."""
        return self.work / "speakers.pt"


@dataclass
class State:
    """Everything that a training goes on from."""

    net: SpeakerNet
    average: SpeakerNet
    loss: Margin
    optimiser: torch.optim.Optimizer
    spent_s: float = 0.0
    steps: int = 0

    def parts(self) -> dict[str, Any]:
        """Return the parts that have a state of their own."""
        return {"net": self.net, "average": self.average, "loss": self.loss, "optimiser": self.optimiser}

    def save(self, path: Path) -> None:
        """Write the state, whole or not at all."""
        state = {name: part.state_dict() for name, part in self.parts().items()}
        partial = path.with_suffix(".part")
        torch.save({**state, "spent_s": self.spent_s, "steps": self.steps}, partial)
        partial.rename(path)

    def load(self, path: Path) -> None:
        """Go on from a saved state."""
        stored = torch.load(path, weights_only=True)
        for name, part in self.parts().items():
            part.load_state_dict(stored[name])
        self.spent_s, self.steps = stored["spent_s"], stored["steps"]


def run(settings: Settings) -> None:
    """Train until the minutes are over, counting those of earlier runs."""
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    corpus = Corpus.open(settings.work)
    state = _new_state(settings.speakers)
    if settings.checkpoint.is_file():
        state.load(settings.checkpoint)
    rng = np.random.default_rng((settings.seed, 24, state.steps))
    total_s, began_s = settings.minutes * 60, time.monotonic() - state.spent_s
    saved_s = state.spent_s
    figures: list[tuple[float, float]] = []
    for mel, speakers in batches(corpus, BATCH, rng):
        state.spent_s = time.monotonic() - began_s
        if state.spent_s >= total_s:
            break
        figures.append(_step(state, torch.from_numpy(mel), torch.from_numpy(speakers), state.spent_s / total_s))
        if state.spent_s - saved_s > SAVE_EVERY_S:
            saved_s = state.spent_s
            state.save(settings.checkpoint)
            loss, right = np.mean(figures, axis=0)
            heard = f"{len(set(corpus.speakers))} speakers, {corpus.hours:.1f} h"
            print(
                f"{saved_s:.0f} s, step {state.steps}: loss {loss:.3f}, right {100 * right:.1f} %, {heard}", flush=True
            )
            figures.clear()
    state.save(settings.checkpoint)


def _new_state(n_speakers: int) -> State:
    net, average = SpeakerNet(SIZES), SpeakerNet(SIZES)
    average.load_state_dict(net.state_dict())
    loss = Margin(SIZES.dim, n_speakers)
    plain = [p for p in [*net.parameters(), *loss.parameters()] if p.ndim < 2]
    decayed = [p for p in [*net.parameters(), *loss.parameters()] if p.ndim >= 2]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}]
    return State(net, average, loss, torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.98)))


def _step(state: State, mel: torch.Tensor, speakers: torch.Tensor, progress: float) -> tuple[float, float]:
    """Take one step and return its loss and the share of right answers."""
    for group in state.optimiser.param_groups:
        group["lr"] = rate_at(progress, state.steps)
    with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16()):
        vectors = state.net(mel)
    loss, right = state.loss(vectors.float(), speakers, MARGIN * min(1.0, progress / MARGIN_FULL_AT))
    state.optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(state.net.parameters(), 1.0)
    state.optimiser.step()
    state.steps += 1
    decay = min(AVERAGE_DECAY, state.steps / (state.steps + 20))
    with torch.no_grad():
        for kept, new in zip(state.average.state_dict().values(), state.net.state_dict().values(), strict=True):
            if kept.dtype.is_floating_point:
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)
    return loss.item(), right.item()


def rate_at(progress: float, steps: int) -> float:
    """Return the learning rate at `progress` (0 to 1) after `steps` steps."""
    return PEAK_RATE * min(1.0, (steps + 1) / WARM_UP_STEPS) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
