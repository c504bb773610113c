"""Videos of a small world in which an agent pushes a block over ice."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from counterfeit.core import Spec
from counterfeit.data.source import SPLITS, InMemory, Source
from counterfeit.data.sources.in_memory import pick

__all__ = ["BlockWorld", "PushedBlock"]

COUNTS = {"train": 8_000, "valid": 1_000, "test": 1_000}
CELLS = 8  # of the arena's side
WAYS = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])  # rows, columns
FLOOR, AGENT, BLOCK = (20, 20, 20), (240, 150, 20), (20, 150, 240)
SEEN = 2  # the channel in which only the block is bright
EAGER = 0.5  # share of the actions in videos by which the agent goes for the block
NEAR = (2, 3)  # cells from the block to its goal, at least and at most


class BlockWorld:
    """An arena of 8 x 8 cells with an agent and a block, which the agent pushes where it walks into it.

    The floor is ice: a block that is pushed goes one cell on, and by chance slips one cell to the left or the right
    besides. What would leave the arena stays where it is. A state is the row and column of the agent, then of the
    block.

    Arguments:
        pixels: side of a cell.
        slip: chance that a block slips.

    Example:
        >>> world = BlockWorld(2, slip=0.0)
        >>> world.move(np.array([[3, 3, 3, 4]]), np.array([3]), np.random.RandomState(0)).tolist()  # right
        [[3, 4, 3, 5]]
    """

    actions = ("up", "down", "left", "right")

    def __init__(self, pixels: int, slip: float) -> None:
        self.pixels, self.slip = pixels, slip

    def begin(self, n: int, random: np.random.RandomState) -> np.ndarray:
        """States with the block off the edges and the agent elsewhere, (n, 4)."""
        block = random.randint(2, CELLS - 2, (n, 2))
        other = random.randint(CELLS**2 - 1, size=n)
        other += other >= block[:, 0] * CELLS + block[:, 1]  # any cell but the block's
        return np.concatenate([np.stack(np.divmod(other, CELLS), 1), block], 1)

    def goals(self, states: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        """A cell off the edges for each block, two or three cells away from it, (n, 2)."""
        rows, columns = (axis.ravel() for axis in np.mgrid[1 : CELLS - 1, 1 : CELLS - 1])
        far = abs(states[:, 2, None] - rows) + abs(states[:, 3, None] - columns)  # (n, cells)
        chosen = np.where((far >= NEAR[0]) & (far <= NEAR[1]), random.uniform(size=far.shape), -1).argmax(1)
        return np.stack([rows[chosen], columns[chosen]], 1)

    def move(self, states: np.ndarray, actions: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        """The states after actions, (n,)."""
        way, agent, block = WAYS[actions], states[:, :2], states[:, 2:]
        slips = random.uniform(size=len(states)) < self.slip
        aside = np.where(slips, random.choice([-1, 1], len(states)), 0)[:, None] * way[:, ::-1]
        ahead = agent + way
        pushed = (ahead == block).all(1, keepdims=True)
        straight, slipped = block + way, block + way + aside
        target = np.where(_inside(slipped), slipped, straight)
        free = np.where(pushed, _inside(target), _inside(ahead))
        return np.concatenate([np.where(free, ahead, agent), np.where(pushed & free, target, block)], 1)

    def show(self, states: np.ndarray) -> np.ndarray:
        """Frames, uint8 (n, 3, side, side)."""
        cells = np.empty((len(states), 3, CELLS, CELLS), np.uint8)
        cells[:] = np.array(FLOOR, np.uint8)[:, None, None]
        index = np.arange(len(states))
        for color, (row, column) in ((AGENT, states[:, :2].T), (BLOCK, states[:, 2:].T)):
            cells[index, :, row, column] = color
        return cells.repeat(self.pixels, 2).repeat(self.pixels, 3)

    def toward(self, states: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        """An action that brings the agent nearer to the block, or pushes it, along an axis drawn at random, (n,)."""
        gap = states[:, 2:] - states[:, :2]
        axis = np.where(gap.all(1), random.randint(2, size=len(states)), (gap[:, 1] != 0).astype(int))
        return 2 * axis + (np.take_along_axis(gap, axis[:, None], 1)[:, 0] > 0)

    def place(self, frames: Tensor) -> Tensor:
        """The cell where frames, (n, 3, side, side), are brightest in blue, (n, 2).

        Negative where that is less than half as bright as a block: none is seen.
        """
        shown = frames[:, SEEN].unflatten(-2, (CELLS, -1)).unflatten(-1, (CELLS, -1)).mean((-3, -1))
        bright, place = shown.flatten(1).max(1)
        cells = torch.stack([place // CELLS, place % CELLS], 1)
        return torch.where(bright[:, None] >= (FLOOR[SEEN] + BLOCK[SEEN]) / 2 / 255, cells, -1)

    def placed(self, states: np.ndarray) -> np.ndarray:
        """The cell of the block, (n, 2)."""
        return states[:, 2:]

    def missing(self, places: Tensor, goals: Tensor) -> Tensor:
        """Cells from places to goals, up or down and across; more than there can be where no block was seen."""
        off = (places - goals).abs().sum(-1)
        return torch.where((places < 0).any(-1), 2 * CELLS, off)


class PushedBlock(Source):
    """Videos of an agent that pushes a block over ice, with the action after each frame but the last.

    Half of the time the agent goes anywhere, and half of the time towards the block. The videos are the same every
    time.

    Arguments:
        size: side of a frame in pixels, a multiple of 8; 16 where None.
        frames: of a video.
        slip: chance that a pushed block slips aside.

    Raises:
        ValueError: where a number is out of its range.

    Example:
        >>> x, y = PushedBlock(frames=5).split("valid").first(2)
        >>> x.shape, y.shape
        (torch.Size([2, 5, 3, 16, 16]), torch.Size([2, 4]))
    """

    name = "pushed-block"
    summary = "videos of an agent that pushes a block over ice, and its actions"

    def __init__(self, size: int | None = None, frames: int = 10, slip: float = 0.3) -> None:
        size = 2 * CELLS if size is None else size
        if not isinstance(size, int) or size < CELLS or size % CELLS:
            raise ValueError(f"data.size: {size!r} came; a multiple of {CELLS} is expected. Take {2 * CELLS}, say.")
        if not (isinstance(frames, int) and frames >= 2):
            raise ValueError(f"frames={frames!r} came; an integer of at least 2 is expected. Raise it.")
        if not 0 <= slip <= 1:
            raise ValueError(f"slip={slip} came; a chance from 0 to 1 is expected. Correct it.")
        self.world = BlockWorld(size // CELLS, slip)
        self.spec = Spec((frames, 3, size, size), actions=self.world.actions)

    def split(self, name: str) -> InMemory:
        """The videos of the split "train", "valid" or "test"."""
        return pick(self._splits, name)

    @cached_property
    def _splits(self) -> Mapping[str, InMemory]:
        return {name: self._videos(COUNTS[name], seed) for seed, name in enumerate(SPLITS)}

    def _videos(self, count: int, seed: int) -> InMemory:
        random = np.random.RandomState(seed)  # legacy: its stream is frozen
        states = self.world.begin(count, random)
        frames, actions = [self.world.show(states)], []
        for _ in range(self.spec.shape[0] - 1):
            anywhere = random.randint(len(self.world.actions), size=count)
            eager = random.uniform(size=count) < EAGER
            actions.append(np.where(eager, self.world.toward(states, random), anywhere))
            states = self.world.move(states, actions[-1], random)
            frames.append(self.world.show(states))
        return InMemory(torch.from_numpy(np.stack(frames, 1)), torch.from_numpy(np.stack(actions, 1)))


def _inside(cells: np.ndarray) -> np.ndarray:
    """Whether cells, (n, 2), lie in the arena, (n, 1)."""
    return np.asarray(((cells >= 0) & (cells < CELLS)).all(1, keepdims=True))
