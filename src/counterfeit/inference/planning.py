"""Planning: actions chosen by the futures that a model of videos imagines under them.

References:
    Deep Visual Foresight for Planning Robot Motion, Finn & Levine, 2017 (arXiv 1610.00696): a planner that imagines
        many futures with a model of videos, takes the first action of the best, and looks again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from counterfeit.core import Generator
from counterfeit.data.worlds import World
from counterfeit.inference.draws import BATCH
from counterfeit.inference.prediction import predict

__all__ = ["Past", "Planner", "imagined_by", "played", "simulated"]

KEEP = 0.5  # chance that a candidate goes on with the action before
HASTE = 0.05  # cells that a later arrival counts for, each step


@dataclass(frozen=True)
class Past:
    """What happened in worlds: their states now, the frames that were seen, and the actions taken between them.

    Arguments:
        states: (n, …), which only the world knows.
        frames: uint8 (n, T, C, H, W).
        actions: (n, T - 1).
    """

    states: np.ndarray
    frames: np.ndarray
    actions: np.ndarray

    def after(self, actions: np.ndarray, world: World, random: np.random.RandomState) -> Past:
        """One step later."""
        states = world.move(self.states, actions, random)
        frames = np.concatenate([self.frames, world.show(states)[:, None]], 1)
        return Past(states, frames, np.concatenate([self.actions, actions[:, None]], 1))

    def of(self, worlds: np.ndarray) -> Past:
        """That of some worlds, told by booleans."""
        return Past(self.states[worlds], self.frames[worlds], self.actions[worlds])


Imagine = Callable[[Past, np.ndarray], Tensor]
"""(past, plans (n, k, horizon)) -> places that are imagined under every plan, (n, k, horizon, axes)."""


@dataclass(frozen=True)
class Planner:
    """Takes the first actions of that candidate under which the imagined future comes nearest to the goal.

    Arguments:
        horizon: actions of a candidate.
        candidates: drawn for each world.
        memory: frames at most that futures are imagined from.
        committed: actions taken until it imagines again.
        moves: actions that may be taken until a goal counts as missed.
    """

    horizon: int = 8
    candidates: int = 100
    memory: int = 3
    committed: int = 2
    moves: int = 30

    def choose(
        self, world: World, past: Past, goals: np.ndarray, imagine: Imagine, random: np.random.RandomState
    ) -> np.ndarray:
        """The next actions in each world, (n, committed)."""
        plans = self.drawn(len(goals), len(world.actions), random)
        places = imagine(past, plans)
        goal = torch.from_numpy(goals).to(places.device)[:, None, None]
        missing = world.missing(places, goal) + HASTE * torch.arange(self.horizon, device=places.device)
        best = missing.min(2).values.argmin(1).cpu().numpy()
        return plans[np.arange(len(plans)), best, : self.committed]

    def drawn(self, n: int, actions: int, random: np.random.RandomState) -> np.ndarray:
        """Candidates, (n, candidates, horizon): each action is the one before, or any."""
        plans = random.randint(actions, size=(n, self.candidates, self.horizon))
        for step in range(1, self.horizon):
            kept = random.uniform(size=plans.shape[:2]) < KEEP
            plans[:, :, step] = np.where(kept, plans[:, :, step - 1], plans[:, :, step])
        return plans


def imagined_by(model: Generator, world: World, memory: int, batch_size: int = BATCH) -> Imagine:
    """Futures as a model of videos predicts them from the last frames."""

    def imagine(past: Past, plans: np.ndarray) -> Tensor:
        n, k, horizon = plans.shape
        frames = torch.from_numpy(past.frames[:, -memory:]).to(model.device).float() / 255
        before = past.actions[:, past.actions.shape[1] + 1 - frames.shape[1] :]
        acted = np.concatenate([before[:, None].repeat(k, 1), plans], 2).reshape(n * k, -1)
        x, actions = frames.repeat_interleave(k, 0), torch.from_numpy(acted).to(model.device)
        found = predict(model, x, horizon, actions, batch_size)
        return world.place(found.flatten(0, 1)).unflatten(0, (n, k, horizon))

    return imagine


def simulated(world: World, random: np.random.RandomState) -> Imagine:
    """Futures as the world itself may go on."""

    def imagine(past: Past, plans: np.ndarray) -> Tensor:
        n, k, horizon = plans.shape
        states, places = past.states.repeat(k, 0), []
        for step in range(horizon):
            states = world.move(states, plans[:, :, step].reshape(-1), random)
            places.append(world.placed(states))
        return torch.from_numpy(np.stack(places, 1)).unflatten(0, (n, k))

    return imagine


def played(world: World, n: int, imagine: Imagine | None, planner: Planner, seed: int = 0) -> np.ndarray:
    """After how many actions each of `n` worlds reached its goal, (n,); -1 where it did not.

    Arguments:
        world: that is played.
        n: how many of it, each with a goal of its own.
        imagine: what actions are chosen by; where None, they are drawn at random.
        planner: how they are chosen.
        seed: of worlds, goals and chance.
    """
    chance, random = np.random.RandomState(seed), np.random.RandomState(seed + 1)
    states = world.begin(n, chance)
    goals, took = world.goals(states, chance), np.full(n, -1)
    left, past = np.arange(n), Past(states, world.show(states)[:, None], np.zeros((n, 0), np.int64))
    for move in range(planner.moves):
        if move % planner.committed == 0:
            if imagine is None:
                chosen = random.randint(len(world.actions), size=(len(left), planner.committed))
            else:
                chosen = planner.choose(world, past, goals[left], imagine, random)
        past = past.after(chosen[:, move % planner.committed], world, chance)
        there = (world.placed(past.states) == goals[left]).all(1)
        took[left[there]] = move + 1
        left, past, chosen = left[~there], past.of(~there), chosen[~there]
        if not len(left):
            break
    return took
