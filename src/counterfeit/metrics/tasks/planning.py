"""How often a planner that imagines by a model of videos reaches its goals, beside chance and the world itself.

References:
    Deep Visual Foresight for Planning Robot Motion, Finn & Levine, 2017 (arXiv 1610.00696).
"""

from __future__ import annotations

import numpy as np
import torch

from counterfeit.common.estimate import Estimate
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator, Predicts
from counterfeit.data.source import Source
from counterfeit.data.worlds import HasWorld
from counterfeit.inference.planning import Imagine, Planner, imagined_by, played, simulated
from counterfeit.metrics.base import Answer, Metric, Result, attempt
from counterfeit.metrics.stats.proportions import share

__all__ = ["PLANNING"]

WORLDS = 200


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Answer:
    """The share of worlds in which the goal is reached, with that of a planner who knows the world, and of chance."""
    if not isinstance(source.raw, HasWorld):
        raise ValueError(f"{source.name} came; videos of a world are expected. Take pushed-block.")
    world, planner = source.raw.world, Planner()
    n = min(WORLDS, evaluation.max_examples or WORLDS)

    def reached(imagine: Imagine | None) -> Estimate:
        return share(torch.from_numpy(played(world, n, imagine, planner, evaluation.seed) > 0).double())

    def measured() -> Result:
        known = reached(simulated(world, np.random.RandomState(evaluation.seed + 2)))
        return Result.of(
            reached(imagined_by(model, world, planner.memory, evaluation.batch_size)),
            f"share of {n} worlds of {source.name} in which the goal is reached in {planner.moves} actions; of "
            f"{planner.candidates} candidates of {planner.horizon} actions that are imagined from the last "
            f"{planner.memory} frames, the first {planner.committed} actions of the best are taken",
            {"seed": evaluation.seed}, references={"random actions": reached(None), "the world imagines": known},
        )  # fmt: skip

    return {"goals-reached": attempt(measured)}


PLANNING = Metric(
    "planning", "goals reached by a planner that imagines by the model, beside random actions and the world itself",
    "", None, Predicts, compute, applies=lambda source: isinstance(source.raw, HasWorld),
    rows={"goals-reached": "higher"},
)  # fmt: skip
