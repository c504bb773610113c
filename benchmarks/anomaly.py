"""How well explicit models tell strange pictures from digits they know, and where their likelihoods fail.

    python benchmarks/anomaly.py [--out results/anomaly.json] [--only made independent]

Every model learns the digits of MNIST but one, 9, by the training split, for a fixed number of steps (a minute of one
core at most, six minutes in all). Then its scores rank held-out pictures of the digits it knows among strange ones:

- photographs: CIFAR-10 in gray, the middle 28x28 pixels
- turned: the known digits turned by a quarter
- left out: the digit that it never saw
- black: every pixel 0
- one shade: pictures of a single shade, from black to white
- half contrast: the known digits, every shade halved

An AUROC is the share of pairs in which the strange picture scores stranger: 1/2 by chance, and below where strange
pictures look more usual than digits. Models of binary pixels see a fresh binarization of all pictures, flows
dequantized ones. Two models also learn the photographs, to which digits are strange then.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from counterfeit.common.seeding import seeded
from counterfeit.core import Batch
from counterfeit.data.sources.cifar10 import CIFAR10
from counterfeit.data.sources.mnist import MNIST
from counterfeit.metrics.representation.anomaly import detect
from counterfeit.report.results_file import publish
from counterfeit.run.run import train

LEFT_OUT, EXAMPLES, SEED = 9, 2_000, 0
BINARY, REAL = ["binarize"], ["dequantize", "logit"]
GRAY = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
Settings = Mapping[str, Any]
MODELS: Mapping[str, tuple[Settings, list[str], int]] = {  # settings, transforms, steps
    "independent": ({}, BINARY, 1),
    "made": ({"hidden": [500]}, BINARY, 2_000),
    "pixelcnn": ({"hidden": 16, "layers": 4, "head": 16}, BINARY, 300),
    "vae": ({"latent_dim": 16, "hidden": [512]}, BINARY, 2_000),
    "autoencoder": ({"latent_dim": 16, "hidden": [512, 256]}, [], 2_000),
    "denoising-autoencoder": ({"latent_dim": 512, "hidden": [1024], "corruption": "salt-and-pepper"}, [], 800),
    "aae": ({"latent_dim": 8, "hidden": [512, 512], "discriminator_hidden": [256, 256]}, [], 1_500),
    "maf": ({"layers": 5, "hidden": [256], "norm": "batch"}, REAL, 1_000),
}
TRAIN = {"batch_size": 100, "schedule": "cosine", "monitor": None, "doctor": "off", "threads": 1, "seed": SEED}
STRANGE = ("photographs", "turned", "left out", "black", "one shade", "half contrast")
BACKWARDS_STRANGE = ("digits", "black", "one shade")
BACKWARDS = ("autoencoder", "maf")  # those that see shades


def pictures() -> dict[str, Tensor]:
    """Pictures in [0, 1], (N, 1, 28, 28): known digits for training and for testing, and strange ones."""
    digits, photographs = MNIST(), CIFAR10()
    x, y = digits.split("train").first(60_000)
    test, label = digits.split("test").first(10_000)
    known = test[label != LEFT_OUT][:EXAMPLES]
    blank = torch.arange(256).div(255).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)
    return {
        "train": x[y != LEFT_OUT], "known": known, "photographs": gray(photographs.split("test").first(EXAMPLES).x),
        "turned": known.rot90(1, (2, 3)), "left out": test[label == LEFT_OUT], "black": torch.zeros_like(known),
        "one shade": blank, "half contrast": (known * 127.5).round() / 255,
        "train on photographs": gray(photographs.split("train").first(45_000).x), "digits": known,
    }  # fmt: skip


def gray(x: Tensor) -> Tensor:
    """The middle of color pictures, (N, 3, 32, 32) -> (N, 1, 28, 28), in 256 shades."""
    return ((x * GRAY).sum(1, keepdim=True)[..., 2:-2, 2:-2] * 255).round() / 255


def measured(name: str, has: Mapping[str, Tensor], backwards: bool = False) -> list[dict[str, Any]]:
    """A row for each score of a model that is trained now: AUROC against each kind of strange pictures."""
    settings, transforms, steps = MODELS[name]
    learned, usual = ("train on photographs", "photographs") if backwards else ("train", "known")
    strange = BACKWARDS_STRANGE if backwards else STRANGE
    chosen = {"steps": steps, "lr": 1e-3 if steps > 1 else 0.0, "save_every": steps, **TRAIN}
    with tempfile.TemporaryDirectory() as folder:
        run = train(
            {"model": {"name": name, **settings}}, has[learned], Path(folder) / "run",
            settings={"train": chosen, "data": {"transforms": transforms}}, show=False,
        )  # fmt: skip
        with seeded(SEED):
            seen = {kind: Batch(run.source.transform(has[kind])) for kind in (usual, *strange)}
        found = {kind: detect(run.model, seen[usual], seen[kind]) for kind in strange}
        cost = run.state["cpu_seconds"]
    return [
        {
            "model": name, "score": score, "learned": learned, "cpu_seconds": cost,
            "auroc": {kind: [round(v[score].auroc, 4), round(v[score].error or 0.0, 4)] for kind, v in found.items()},
        }
        for score in next(iter(found.values()))
    ]  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=MODELS, metavar="MODEL")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    has, chosen = pictures(), args.only or [*MODELS]
    rows = [row for name in chosen for row in measured(name, has)]
    rows += [row for name in chosen if name in BACKWARDS for row in measured(name, has, backwards=True)]
    publish("anomaly", "python benchmarks/anomaly.py", args.out, left_out=LEFT_OUT, examples=EXAMPLES, rows=rows)


if __name__ == "__main__":
    main()
