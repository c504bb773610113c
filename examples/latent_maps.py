"""Codes of two numbers of three autoencoders on MNIST, side by side, above what draws of their priors decode to.

    python examples/latent_maps.py [--steps 3000] [--runs runs] [--out docs/_static/latent-maps.png]

A plain autoencoder has no prior: its draws are from the normal distribution with the moments of its codes. The other
two are trained to have codes that are normal. Runs that are found are not trained again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import counterfeit as cf
from counterfeit.common.seeding import seeded
from counterfeit.data.images import save_png, tile
from counterfeit.data.selection import evenly_spaced
from counterfeit.report.figures.latent_maps import draw_map
from counterfeit.report.html.plot import LIGHT, pixels
from counterfeit.run.run import Run

POINTS, SIDE, NAMES = 4_000, 10, [*"0123456789"]
HIDDEN = {"latent_dim": 2, "hidden": [512, 256]}
GAME = {"discriminator_hidden": [256, 256], "activation": "leaky-relu"}  # rectifiers die in it
MODELS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {  # settings of the model and of training
    "autoencoder": ("autoencoder", HIDDEN, {"lr": 1e-3}),
    "variational autoencoder": ("vae", HIDDEN, {"lr": 1e-3}),
    "adversarial autoencoder": ("aae", HIDDEN | GAME, {"lr": 5e-4, "betas": [0.5, 0.99]}),
}


def trained(name: str, model: dict[str, Any], train: dict[str, Any], steps: int, runs: Path) -> Run:
    """A run of a model on MNIST."""
    out = runs / f"map-{name}"
    if (out / "run.yaml").exists():
        return cf.Run(out)
    data = {"name": "mnist", "transforms": ["binarize"] if name == "vae" else []}
    train |= {"steps": steps, "schedule": "cosine", "save_every": steps, "monitor": None, "threads": 1}
    return cf.train({"model": {"name": name, **model}}, out=out, settings={"train": train, "data": data})


@torch.no_grad()
def seen(run: Run) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Codes and labels of test examples, codes of the prior, and what some of these decode to."""
    batch = evenly_spaced(run.source, "test", POINTS)
    with seeded(0):
        prior = run.model.prior(POINTS)
    grid = run.source.natural(run.model.decode(prior[: SIDE * SIDE]))
    return run.model.encode(batch.x).float(), batch.y, prior.float(), grid


def main() -> None:
    """Train what is missing, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=Path("docs/_static/latent-maps.png"))
    args = parser.parse_args()
    found = [seen(trained(*chosen, args.steps, args.runs)) for chosen in MODELS.values()]

    def draw(axes: Any) -> None:
        for above, below, title, (z, y, prior, grid) in zip(*axes, MODELS, found, strict=True):
            draw_map(above, z, y, prior, NAMES, LIGHT)
            above.set_title(title)
            below.imshow(tile(grid, SIDE, scale=1), cmap="gray", vmin=0, vmax=255)
            below.set_axis_off()
        axes[0][-1].legend(
            frameon=False, markerscale=3, loc="center left", bbox_to_anchor=(1, 0.5), handletextpad=0.1
        )  # fmt: skip

    save_png(args.out, pixels(draw, LIGHT, (10, 6.8), columns=3, rows=2))


if __name__ == "__main__":
    main()
