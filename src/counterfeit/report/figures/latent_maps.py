"""Maps of codes of two numbers: where the data lie among them, and what each place decodes to.

References:
    Auto-Encoding Variational Bayes, Kingma & Welling, 2014 (arXiv 1312.6114), figure 4.
    Adversarial Autoencoders, Makhzani et al., 2015 (arXiv 1511.05644), figure 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from counterfeit.core import Decodes, Encodes, require
from counterfeit.data.images import tile
from counterfeit.data.selection import evenly_spaced
from counterfeit.inference.draws import Drawn, evaluating
from counterfeit.report.figures.base import RunFigures
from counterfeit.report.html import grids
from counterfeit.report.html.figure import Figure
from counterfeit.report.html.plot import Theme, svg
from counterfeit.report.html.themed import themed
from counterfeit.run.run import Run

__all__ = ["decoded_plane", "draw_map", "latent_map"]

POINTS = 2_000  # test examples, and codes of the prior
SIDE = 15  # places of the map that are decoded, to each side
TAIL = 0.02  # of the codes that the decoded part leaves out on each side
COLORS = "tab10"  # a color a class


def latent_map(z: Tensor, y: Tensor | None, prior: Tensor, names: list[str], theme: Theme) -> bytes:
    """Codes of data, (N, 2), in the colors of their labels, (N,), above codes of the prior, (M, 2), in gray."""

    def draw(axes: Any) -> None:
        draw_map(axes, z, y, prior, names, theme)
        if names and len(names) <= 10:
            axes.legend(
                frameon=False, markerscale=3, loc="center left", bbox_to_anchor=(1, 0.5), labelcolor=theme.ink,
                handletextpad=0.1,
            )  # fmt: skip

    return svg(draw, theme, (4.4, 3.8))


def draw_map(axes: Any, z: Tensor, y: Tensor | None, prior: Tensor, names: list[str], theme: Theme) -> None:
    """The same on matplotlib axes."""
    from matplotlib import colormaps

    axes.scatter(*prior.T.numpy(), s=3, color=theme.faint, linewidths=0, rasterized=True)
    if y is None:
        axes.scatter(*z.T.numpy(), s=4, color=theme.curves[0], alpha=0.6, linewidths=0, rasterized=True)
    for label, name in enumerate(names if y is not None else []):
        some = z[y == label]
        color = colormaps[COLORS](label % 10)
        axes.scatter(*some.T.numpy(), s=4, color=color, alpha=0.6, linewidths=0, rasterized=True, label=name)
    across, up = torch.cat([z, prior]).quantile(torch.tensor([0.002, 0.998]), 0).T.tolist()
    axes.set(xlim=across, ylim=up, aspect="equal", xlabel="z₁", ylabel="z₂")


def decoded_plane(run: Drawn, z: Tensor, side: int = SIDE) -> Tensor:
    """What places of the part of the plane decode to in which most codes, (N, 2), lie, row by row from the top.

    Returns:
        (side², *shape) in the data's natural unit, on the CPU.
    """
    low, high = z.quantile(torch.tensor([TAIL, 1 - TAIL]), 0)
    across, up = (torch.linspace(float(a), float(b), side) for a, b in zip(low, high, strict=True))
    places = torch.cartesian_prod(up.flip(0), across).flip(1)
    with evaluating(run.model, 0):
        return run.source.natural(require(run.model, Decodes).decode(places.to(run.model.device))).cpu()


def _figures(run: Run) -> Iterator[Figure]:
    model = run.model
    batch = evenly_spaced(run.source, "test", min(POINTS, run.source.sizes["test"]), device=model.device)
    with evaluating(model, 0):
        z = require(model, Encodes).encode(batch.x).float().cpu()
        prior = require(model, Decodes).prior(POINTS).float().cpu()
    y = None if batch.y is None or batch.y.ndim > 1 else batch.y.cpu()
    names = [run.source.called(label) for label in range(run.source.spec.classes)] if y is not None else []
    caption = f"Codes of {len(z):,} test examples{', by their class,' if names else ''} above {POINTS:,} of the prior."
    yield themed("latent-map", "Map of codes", caption, partial(latent_map, z, y, prior, names))
    grid = decoded_plane(run, z)
    yield Figure(
        "latent-plane",
        "Map of codes",
        f"What {SIDE} x {SIDE} places of the same plane decode to, over the part in which {1 - 2 * TAIL:.0%} of the "
        "codes of data lie in each direction.",
        f"A grid of {SIDE} by {SIDE} decoded codes.",
        grids.png(run, tile(grid, SIDE)),
    )


def _flat(run: Drawn) -> bool:
    model = run.model
    if not grids.has_images(run) or not isinstance(model, Decodes):
        return False
    with evaluating(model, 0):
        return model.prior(1).shape[1] == 2


LATENT_MAP_FIGURES = RunFigures("latent map", (Encodes, Decodes), _figures, 95, applies=_flat)
