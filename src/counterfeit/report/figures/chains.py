"""How a Markov chain walks: what it shows after each of consecutive steps, where its samples begin."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from counterfeit.core import MarkovChain, require
from counterfeit.inference.draws import Drawn, evaluating
from counterfeit.report.figures.base import RunFigures
from counterfeit.report.html import grids
from counterfeit.report.html.figure import Figure
from counterfeit.run.run import Run

__all__ = ["chains", "states"]

WIDTH = 700  # pixels of a row of images
ROWS, LINES = 4, 2  # chains, and rows of images that the steps of each fill


def chains(run: Run) -> Figure:
    """Four chains after each of consecutive steps, two rows of images each, in the order of reading."""
    chain, across = require(run.model, MarkovChain), grids.columns(run, WIDTH)
    x = states(run, ROWS, LINES * across)
    groups = [one.split(across) for one in x]
    caption = (
        f"{ROWS} chains, two rows each: consecutive steps in the order of reading, the first of them after "
        f"{chain.sampling_steps:,} steps (seed {grids.SEED})."
    )
    alt = f"{ROWS} Markov chains over {x.shape[1]} consecutive steps each."
    return Figure("chains", "Samples", caption, alt, grids.png(run, grids.stacked(groups)))


def states(run: Drawn, n: int, length: int) -> Tensor:
    """What `n` chains show after each of consecutive steps, begun where samples are, (n, length, *shape)."""
    chain = require(run.model, MarkovChain)
    with evaluating(run.model, grids.SEED):
        state, shown = chain.move(chain.begin(n), chain.sampling_steps), []
        for _ in range(length):
            shown.append(chain.seen(state))
            state = chain.move(state, 1)
    return run.source.natural(torch.stack(shown, 1)).cpu()


def _figures(run: Run) -> Iterator[Figure]:
    yield chains(run)


CHAIN_FIGURES = RunFigures("chains", (MarkovChain,), _figures, 72)
