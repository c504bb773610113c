"""The surface on which the samples of a generator lie: in how many directions they move as codes do."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import jacrev, vmap

__all__ = ["participation", "rank", "singular_values"]

LEAST = 1e-9  # of the largest singular value, below which one is 0; the Jacobian is computed in float64


def singular_values(decode: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """Singular values of the Jacobian ∂ decode / ∂z at each of the codes `z`, (N, d), falling: (N, min(d, D)).

    A code that moves by a little ε moves its example by at most the first of them times ‖ε‖, and only in the span of as
    many directions as are above 0.

    Arguments:
        decode: codes (B, d) -> examples (B, *shape) of D values, each by itself: no statistics of minibatches.
        z: codes; float64, so that zeros are seen as such.

    Example:
        >>> singular_values(lambda z: z * torch.tensor([3.0, 0.5]), torch.zeros(1, 2))
        tensor([[3.0000, 0.5000]])
    """
    with torch.no_grad():
        return torch.linalg.svdvals(vmap(jacrev(lambda code: decode(code[None]).flatten()))(z))


def rank(values: Tensor) -> Tensor:
    """How many singular values, (N, K), falling, are not 0: int64 (N,).

    Example:
        >>> rank(torch.tensor([[2.0, 1.0, 1e-12]]))
        tensor([2])
    """
    return (values > LEAST * values[:, :1]).sum(1)


def participation(values: Tensor) -> Tensor:
    """How many directions of equal strength would be as uneven as these singular values, (N, K): (N,).

    (Σ s²)² / Σ s⁴: K where all are equal, 1 where a single one counts.

    Example:
        >>> participation(torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.1, 0.1]]))
        tensor([2.0000, 1.0402])
    """
    squares = values.square()
    return squares.sum(1).square() / squares.square().sum(1)
