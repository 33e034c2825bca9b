"""What a run does when: curriculum, learning rate and weight average as functions of its progress (0 to 1).

Two passes: the main one anneals fully; the finishing pass goes on from it at a higher rate, with more windows
without silence around the words and more telephone-like bands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from amanuensis.training.windows import Recipe

FINISHING_FROM = 0.93  # of the time: 99 of 106 minutes for the shipped weights
PEAK_RATE = 7e-4
GROWN_PEAK_RATE = 4.5e-4  # of a model that goes on from an earlier one: a higher rate undoes what that one annealed
WARM_UP_STEPS = 300
FLAT_UNTIL = 0.4  # of the main pass; then the learning rate falls to 0 along a cosine
FINISHING_RATE = 2.5e-4  # at once, the optimiser being warm; it falls to 0 as the square of the time left
AVERAGE_DECAY = 0.99
FINISHING_AVERAGE_DECAY = 0.96  # so that the average forgets the main pass in the little time left
_ALL_ELSE = 0.75  # of the main pass: from here on the curriculum stays
FINISHING_RECIPE = Recipe(
    augmentation=0.3,
    joined=0.25,
    longest_s=14,
    padded_full=0.01,
    cut=0.12,
    tight=0.3,
    excerpt=0.1,
    spaced=0.15,
    narrow_band=0.3,
    prompted=0.18,
    timed=0.22,
)


@dataclass(frozen=True)
class Stage:
    """What the loader should draw at some point of the training."""

    recipe: Recipe
    narrow: float  # share of windows
    batch_s: float  # seconds of sound in a batch


def stage_at(progress: float, *, grown: bool = False) -> Stage:
    """Return the curriculum at `progress`: single sentences until attention follows them, then all else.

    A model that was `grown` from an earlier one follows them from the start.
    """
    if progress >= FINISHING_FROM:
        return Stage(FINISHING_RECIPE, narrow=0.45, batch_s=56)
    main = progress / FINISHING_FROM
    if grown:
        main = max(main, _ALL_ELSE)
    heard = float(np.clip(main / 0.5, 0, 1))
    long = float(np.clip((main - 0.45) / (_ALL_ELSE - 0.45), 0, 1))
    recipe = Recipe(
        augmentation=0.35 if main > 0.92 else 0.1 + 0.4 * heard,
        joined=0.04 + 0.3 * long,
        longest_s=8 + 10 * long,
        padded_full=0.01 * long,
        cut=0.04 + 0.08 * long,
        tight=0.25,
        excerpt=0.1 + 0.04 * heard,
        spaced=0.15 * heard,
        narrow_band=0.25,
        prompted=0.08 + 0.1 * long,
        timed=0.1 + 0.12 * long,
    )
    return Stage(recipe, narrow=0.45 - 0.15 * heard, batch_s=36 + 20 * heard)


def rate_at(progress: float, steps: int, *, grown: bool = False) -> float:
    """Return the learning rate at `progress` after `steps` steps."""
    if progress >= FINISHING_FROM:
        left = (1 - progress) / (1 - FINISHING_FROM)
        return FINISHING_RATE * left * left
    warm = min(1.0, (steps + 1) / WARM_UP_STEPS)
    fall = max(0.0, (progress / FINISHING_FROM - FLAT_UNTIL) / (1 - FLAT_UNTIL))
    return (GROWN_PEAK_RATE if grown else PEAK_RATE) * warm * 0.5 * (1 + math.cos(math.pi * fall))


def average_decay_at(progress: float, steps: int) -> float:
    """Return what the average of the weights keeps of itself when it takes up the weights after `steps` steps."""
    decay = FINISHING_AVERAGE_DECAY if progress >= FINISHING_FROM else AVERAGE_DECAY
    return min(decay, steps / (steps + 50))
