"""Small worlds that go on by actions, of which models see frames."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor

__all__ = ["HasWorld", "World"]


class World(Protocol):
    """A world whose state is n rows of whole numbers, and whose frames are pictures, uint8 (n, C, H, W)."""

    actions: tuple[str, ...]
    """What can be done in it; an action is known by its number."""

    def begin(self, n: int, random: np.random.RandomState) -> np.ndarray:
        """States that worlds begin in, (n, …)."""

    def goals(self, states: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        """For each state something to reach, (n, …)."""

    def move(self, states: np.ndarray, actions: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        """The states after actions, (n,), by chance where the world has any."""

    def show(self, states: np.ndarray) -> np.ndarray:
        """What is seen of states."""

    def place(self, frames: Tensor) -> Tensor:
        """Where that lies which goals are for, as far as it is seen in frames in [0, 1], (n, C, H, W): (n, …)."""

    def placed(self, states: np.ndarray) -> np.ndarray:
        """Where it lies in states, (n, …)."""

    def missing(self, places: Tensor, goals: Tensor) -> Tensor:
        """How far places, (…, axes), are from goals, (…, axes); 0 is there, and what is not seen is far away."""


@runtime_checkable
class HasWorld(Protocol):
    """A source whose examples are videos of a world that can be gone on with."""

    world: World
