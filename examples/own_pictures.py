"""Adversarial nets on a folder or zip of your own pictures, and their samples beside the pictures they are nearest to.

python examples/own_pictures.py ~/pictures [SIDE] [STEPS]
"""

from __future__ import annotations

import sys

import torch

import counterfeit as cf
from counterfeit.data.images import save_png, tile
from counterfeit.metrics.coverage.nearest_neighbours import nearest_examples


def main(path: str, side: int = 32, steps: int = 4_000) -> None:
    """Train wider nets than the digits need, then write samples.png beside the run's own files."""
    settings = {
        "data.size": side,
        "model.hidden": [512, 1024], "model.discriminator_hidden": [1024, 512], "model.noise_dim": 64,
        "train.lr": 5e-4, "evaluate.metrics": ["nearest"],
    }  # fmt: skip
    run = cf.train("gan", data=path, steps=steps, settings=settings)
    train = run.source.split("train")
    samples = run.sample(8)
    near = train[nearest_examples(samples, train).indices[:, 0]].x
    save_png(run.path / "neighbours.png", tile(torch.cat([samples, near]), columns=8))
    print(f"samples above, their nearest pictures below: {run.path / 'neighbours.png'}")
    print(f"distance {run.evaluate()['nearest'].value:.2f}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], *map(int, sys.argv[2:]))
