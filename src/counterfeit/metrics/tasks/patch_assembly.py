"""Whether patches are put where they came from, and whether what is painted around them looks like data.

References:
    Unsupervised Holistic Image Generation from Key Local Patches, Lee et al., 2017 (arXiv 1703.10730).
"""

from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Evaluation
from counterfeit.core import Assembles, Generator, require
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import Source
from counterfeit.inference.assembly import assemble
from counterfeit.metrics.base import Answer, Metric, Result
from counterfeit.metrics.features.frechet import unseen_distance
from counterfeit.metrics.stats.proportions import share
from counterfeit.nets.patches import paste

__all__ = ["ASSEMBLY", "Puzzle", "at_random", "nearest_assembly", "placed", "puzzles"]

TOLERANCE = 0.07  # of an image's side that a patch may be off its place
SEARCHED = 5_000  # training images at most among which the nearest are sought
CHUNK = 250  # puzzles compared with them at once


class Puzzle(NamedTuple):
    """Images, (N, *shape), their patches, (N, K, C, size, size), and the corners where those lie, (N, K, 2)."""

    x: Tensor
    patches: Tensor
    corners: Tensor


def puzzles(model: Generator, x: Tensor, batch_size: int) -> Puzzle:
    """The patches that `model` cuts from images."""
    cut = [require(model, Assembles).cut(part) for part in x.split(batch_size)]
    patches, corners = (torch.cat(parts) for parts in zip(*cut, strict=True))
    return Puzzle(x, patches, corners)


def placed(found: Tensor, true: Tensor, tolerance: int) -> Tensor:
    """The share of each image's patches at most `tolerance` pixels off, down or across: (N, K, 2) each -> (N,).

    Example:
        >>> placed(torch.tensor([[[0, 0], [5, 5]]]), torch.tensor([[[1, 2], [5, 9]]]), 2)
        tensor([0.5000], dtype=torch.float64)
    """
    return ((found - true).abs().amax(2) <= tolerance).double().mean(1)


def at_random(patches: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Patches pasted anywhere on black: images (N, *shape), and their corners, (N, K, 2)."""
    n, k, size = *patches.shape[:2], patches.shape[-1]
    rows, columns = (side - size + 1 for side in shape[1:])
    place = torch.randint(rows * columns, (n, k))
    places = one_hot(place, rows * columns).view(n, k, rows, columns).to(patches)
    return paste(patches, places, shape)[0], torch.stack([place // columns, place % columns], 2)


def nearest_assembly(patches: Tensor, known: Puzzle) -> tuple[Tensor, Tensor]:
    """The image of `known` whose patches, in the best order, are nearest to `patches`, and its corners in that order.

    Returns:
        (N, *shape) and (N, K, 2).
    """
    rows, images, orders = known.patches.flatten(2).flatten(0, 1), [], []
    for part in patches.split(CHUNK):
        k = part.shape[1]
        squares = torch.cdist(part.flatten(2).flatten(0, 1), rows).square().view(len(part), k, -1, k)
        least, image = squares.new_full((len(part),), torch.inf), squares.new_zeros(len(part)).long()
        best = image[:, None].expand(-1, k)
        for order in permutations(range(k)):
            total, nearest = sum(squares[:, i, :, j] for i, j in enumerate(order)).min(1)  # type: ignore[union-attr]
            better = total < least
            least, image = torch.where(better, total, least), torch.where(better, nearest, image)
            best = torch.where(better[:, None], torch.tensor(order, device=best.device), best)
        images.append(image)
        orders.append(best)
    image, best = torch.cat(images), torch.cat(orders)
    return known.x[image], known.corners[image].gather(1, best[..., None].expand(-1, -1, 2))


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Answer:
    """Share of patches that are put in their places, and the Fréchet distance of the images around them."""
    n = min(evaluation.samples, evaluation.max_examples or evaluation.samples)
    asked = puzzles(
        model, evenly_spaced(source, evaluation.split, n, evaluation.seed, model.device).x, evaluation.batch_size
    )
    train = evenly_spaced(source, "train", SEARCHED, evaluation.seed, model.device).x
    with seeded(evaluation.seed):
        solutions = {
            "": assemble(model, asked.patches, evaluation.batch_size, evaluation.seed),
            "nearest neighbour": nearest_assembly(asked.patches, puzzles(model, train, evaluation.batch_size)),
            "pasted at random": at_random(asked.patches, source.spec.shape),
        }
    tolerance = max(1, round(TOLERANCE * max(source.spec.shape[1:])))
    k, size = asked.patches.shape[1], asked.patches.shape[-1]
    what = f"{k} patches of {size}x{size} pixels each; {describe(source, evaluation.split, len(asked.x))}"
    shares = {who: placed(corners.cpu(), asked.corners.cpu(), tolerance) for who, (_, corners) in solutions.items()}
    rows = {who: share(values) for who, values in shares.items() if who}
    protocol = f"share of patches at most {tolerance} pixels off, likeliest place; {what}"
    accuracy = Result.of(share(shares[""]), protocol, references=rows)
    images = {who: x for who, (x, _) in solutions.items()}
    distance = unseen_distance(model, source, evaluation, images, f"images around {k} patches of {size}x{size} pixels")
    return {"places": accuracy, "patch-assembly-fid": distance}


ASSEMBLY = Metric(
    "patch-assembly", "patches put in their places, and the Fréchet distance of images around them", "", None,
    Assembles,
    compute, applies=lambda source: len(source.spec.shape) == 3 and source.spec.bounded,
    rows={"places": "higher", "patch-assembly-fid": "lower"},
)  # fmt: skip
