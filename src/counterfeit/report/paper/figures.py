"""Figures 2 and 3 of the founding paper, of runs that are found.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661), figures 2 and 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from counterfeit.core import Decodes, MarkovChain, Samples
from counterfeit.data.images import tile
from counterfeit.report.figures.chains import states
from counterfeit.report.html import grids
from counterfeit.report.paper.table1 import trained_runs
from counterfeit.run.run import Run

__all__ = ["PANELS", "Panel", "figure2", "figure3", "found_runs"]

PANELS = {  # the paper's, each with the recipes that can stand in it, the nearest to the paper first
    "a": ("gan-mnist-2014", "gan-mnist", "dcgan", "gan"),
    "b": ("gan-tfd", "gan-olivetti"),
    "c": ("gan-cifar10",),
    "d": ("progan", "sngan", "r3gan"),
}
ROWS, ACROSS = 5, 7  # of samples in a panel
WALKS, STEPS = 2, 16  # rows of figure 3, and digits in each
LENGTH = 16  # states of a chain that are shown


class Panel(NamedTuple):
    """A picture, uint8 (H, W) or (H, W, 3), with its words and the folder of its run."""

    text: str
    pixels: np.ndarray
    run: str


def found_runs(folder: Path) -> list[Run]:
    """The runs in a folder that draw images and were trained, by name."""
    return [run for run in trained_runs(folder) if grids.has_images(run) and isinstance(run.model, Samples)]


def chosen(runs: Sequence[Run], letter: str) -> Run | None:
    """The run that stands in a panel."""
    return next((run for name in PANELS[letter] for run in runs if run.config.recipe == name), None)


def figure2(runs: Sequence[Run]) -> list[Panel]:
    """Samples of adversarial nets, each row's last beside its nearest training example; and states of a chain."""
    panels = []
    for letter in PANELS:
        run = chosen(runs, letter)
        if run is not None:
            x = grids.samples(run, ROWS * ACROSS).unflatten(0, (ROWS, ACROSS))
            near, _ = grids.neighbours(run, x[:, -1])
            text = f"{letter}) {_told(run)}; framed: the training example nearest to the sample on its left"
            panels.append(Panel(text, grids.framed(x, near), run.name))
    chain = next((run for run in runs if isinstance(run.model, MarkovChain)), None)
    if chain is not None:
        x = states(chain, ROWS - 1, LENGTH)
        text = f"beside them, a Markov chain: consecutive states of {_told(chain)}, a chain in each row"
        panels.append(Panel(text, tile(x.flatten(0, 1), LENGTH), chain.name))
    return panels


def figure3(runs: Sequence[Run]) -> list[Panel]:
    """Digits between pairs of codes, on the straight line."""
    run = chosen([run for run in runs if isinstance(run.model, Decodes)], "a")
    if run is None:
        return []
    straight, _ = grids.walks(run, WALKS, STEPS)
    text = f"{_told(run)}: G(z) for codes z on straight lines"
    return [Panel(text, tile(straight.flatten(0, 1), STEPS), run.name)]


def _told(run: Run) -> str:
    return f"{run.config.recipe or run.config.model} on {run.source.raw.name}"
