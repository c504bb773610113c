"""Paths between codes, and directions among them that mean something.

References:
    Sampling Generative Networks, White, 2016 (arXiv 1609.04468).
    Deep Convolutional GANs, Radford et al., 2015 (arXiv 1511.06434), section 6.3: arithmetic on means of codes.
    InfoGAN, Chen et al., 2016 (arXiv 1606.03657), figure 2: traversals.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from counterfeit.core import Decodes, Structured

__all__ = [
    "Path", "class_means", "interpolate", "lerp", "move", "slerp", "traverse_categories", "traverse_continuous",
]  # fmt: skip

Path = Callable[[Tensor, Tensor, Tensor], Tensor]


def lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """The straight line from `a`, (N, latent), to `b` at the times `t`, (T,), in [0, 1]: (N, T, latent)."""
    t = t[:, None]
    return (1 - t) * a[:, None] + t * b[:, None]


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """The great circle from `a`, (N, latent), to `b` at the times `t`, (T,), in [0, 1]: (N, T, latent).

    The direction turns at constant speed while the norm changes linearly, so that codes between two of equal norm have
    that norm too; Gaussian codes of many dimensions nearly all have the same. Opposite directions, between which no
    great circle is the shortest, are joined by the straight line.

    Example:
        >>> slerp(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), torch.tensor([0.5]))
        tensor([[[0.7071, 0.7071]]])
    """
    norms = torch.stack([a.norm(dim=1), b.norm(dim=1)]).clamp(min=1e-12)[..., None]  # (2, N, 1)
    u, v = a / norms[0], b / norms[1]
    # atan2 keeps its digits where the arc cosine loses them, near 0 and π
    angle = 2 * torch.atan2((u - v).norm(dim=1), (u + v).norm(dim=1))[:, None]  # (N, 1)
    turned = [torch.sin(part * angle)[..., None] for part in (1 - t, t)]  # (N, T, 1) each
    direction = (turned[0] * u[:, None] + turned[1] * v[:, None]) / torch.sin(angle)[..., None]
    curved = direction * lerp(norms[0], norms[1], t)
    return torch.where(torch.sin(angle)[..., None] > 1e-4, curved, lerp(a, b, t))


def interpolate(model: Decodes, a: Tensor, b: Tensor, steps: int, path: Path) -> Tensor:
    """Decode `steps` codes on the `path` from each of `a`, (N, latent), to each of `b`: (N, steps, *shape)."""
    codes = path(a, b, torch.linspace(0, 1, steps, device=a.device))
    return model.decode(codes.flatten(0, 1)).unflatten(0, (len(a), steps))


def class_means(z: Tensor, y: Tensor, classes: int) -> Tensor:
    """The mean of the codes `z`, (N, latent), of each class of the labels `y`, (N,): (classes, latent).

    That of a class without examples is not a number.

    Example:
        >>> class_means(torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([0, 0, 1]), 2)
        tensor([[2.],
                [5.]])
    """
    of_class = one_hot(y, classes).to(z.dtype)
    return (of_class.mT @ z) / of_class.sum(0)[:, None]


def move(model: Decodes, z: Tensor, direction: Tensor, amounts: Tensor) -> Tensor:
    """Decode each of the codes `z`, (N, latent), moved by each of the `amounts`, (T,), of a `direction`.

    Arguments:
        model: what decodes.
        z: where to start.
        direction: where to, (latent,), or (N, latent) for each its own.
        amounts: how far, in lengths of the direction.

    Returns:
        (N, T, *shape).
    """
    codes = z[:, None] + amounts[:, None] * direction.expand_as(z)[:, None]
    return model.decode(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])


def traverse_categories(model: Structured, rows: int) -> Tensor:
    """Decode `rows` drawn codes in every category, the rest of the code held: (rows, categories, *shape)."""
    noise, categories, _ = model.structure()
    z = model.prior(rows)[:, None].repeat(1, categories, 1)
    z[:, :, noise : noise + categories] = torch.eye(categories).to(z)
    return model.decode(z.flatten(0, 1)).unflatten(0, (rows, categories))


def traverse_continuous(model: Structured, which: int, steps: int, rows: int, extent: float = 2.0) -> Tensor:
    """Decode one code with a continuous value from -`extent` to `extent`, in each of the first categories.

    Arguments:
        model: what decodes.
        which: of the continuous values, from 0.
        steps: how many of its values.
        rows: categories at most, or drawn codes where there are no categories; all else is one code's.
        extent: the largest value; the paper shows 2, twice as far as codes lie in training.

    Returns:
        (rows, steps, *shape).
    """
    noise, categories, _ = model.structure()
    z = model.prior(1).repeat(min(rows, categories), 1) if categories else model.prior(rows)
    if categories:
        z[:, noise : noise + categories] = torch.eye(categories)[:rows].to(z)
    codes = z[:, None].repeat(1, steps, 1)
    codes[:, :, noise + categories + which] = torch.linspace(-extent, extent, steps).to(z)
    return model.decode(codes.flatten(0, 1)).unflatten(0, (len(z), steps))
