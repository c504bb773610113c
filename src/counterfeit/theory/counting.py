"""How many parameters a distribution over n binary variables takes: 2ⁿ - 1, or far fewer once something is assumed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

__all__ = ["FAMILIES", "Family", "FamilyName", "cells", "dimension", "markov", "rank", "states", "table"]

FamilyName = Literal["full", "independent", "chain", "logistic"]
MOST = 12  # variables whose states are enumerated


class Family(NamedTuple):
    """A family of distributions over n binary variables.

    Arguments:
        count: n -> number of parameters.
        log_table: parameters (count,), states (2ⁿ, n) -> log-probability of each state, (2ⁿ,).
    """

    count: Callable[[int], int]
    log_table: Callable[[Tensor, Tensor], Tensor]


def states(n: int) -> Tensor:
    """Every state of `n` binary variables, float64 (2ⁿ, n), in the order of binary numbers.

    Example:
        >>> states(2).int().tolist()
        [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    if not 1 <= n <= MOST:
        raise ValueError(f"n={n} came; 1 to {MOST} variables can be enumerated. Choose fewer.")
    return torch.cartesian_prod(*[torch.arange(2.0, dtype=torch.float64)] * n).view(-1, n)


def _full(theta: Tensor, x: Tensor) -> Tensor:  # noqa: ARG001
    return torch.cat([theta, theta.new_zeros(1)]).log_softmax(0)


def _logistic(theta: Tensor, x: Tensor) -> Tensor:
    n = x.shape[1]
    row, column = torch.tril_indices(n, n, -1)
    weights = theta.new_zeros(n, n).index_put((row, column), theta[n:])
    return _bernoulli(theta[:n] + x @ weights.mT, x).sum(1)


def _bernoulli(logits: Tensor, x: Tensor) -> Tensor:
    return torch.where(x > 0, logsigmoid(logits), logsigmoid(-logits))


def markov(order: int) -> Family:
    """Markov chains in which each variable depends on the `order` before it: (n - k + 1) 2ᵏ - 1 parameters.

    The i-th variable has a table of a logit for each of 2^min(i - 1, k) contexts. At k = n - 1 the tables hold
    1 + 2 + … + 2ⁿ⁻¹ = 2ⁿ - 1 logits, and nothing is assumed.

    Example:
        >>> [markov(order).count(5) for order in range(5)]
        [5, 9, 15, 23, 31]
    """
    if order < 0:
        raise ValueError(f"order={order} came; at least 0 is expected. 0 is independent variables.")

    def count(n: int) -> int:
        k = min(order, n - 1)
        return (n - k + 1) * 2**k - 1

    def log_table(theta: Tensor, x: Tensor) -> Tensor:
        sizes = [2 ** min(i, order) for i in range(x.shape[1])]
        logits = [part[_context(x[:, :i], order)] for i, part in enumerate(theta.split(sizes))]
        return _bernoulli(torch.stack(logits, 1), x).sum(1)

    return Family(count, log_table)


def _context(before: Tensor, order: int) -> Tensor:
    """The number that the last `order` of the variables `before`, (S, i), are the bits of, int64 (S,)."""
    last = before[:, max(0, before.shape[1] - order) :].long()
    return (last * 2 ** torch.arange(last.shape[1]).flip(0)).sum(1)


FAMILIES: Mapping[FamilyName, Family] = {
    "full": Family(lambda n: 2**n - 1, _full),
    "independent": markov(0),
    "chain": markov(1),
    "logistic": Family(lambda n: n * (n + 1) // 2, _logistic),
}
"""A probability for every state; independent variables; a Markov chain, in which each one knows the one before; and
logistic regressions of each variable on all before it."""


def cells(levels: Sequence[int]) -> int:
    """Parameters of a full table over variables with so many `levels` each: one for every state, less one.

    Example:
        >>> cells((256, 256, 256))  # a pixel of 8-bit RGB
        16777215
    """
    if min(levels, default=0) < 1:
        raise ValueError(f"levels={tuple(levels)} came; at least one variable of one level or more is expected.")
    return math.prod(levels) - 1


def table(family: FamilyName | Family, n: int, theta: Tensor) -> Tensor:
    """Probability of every state under the parameters `theta`, logits, (count,) -> (2ⁿ,).

    Example:
        >>> table("independent", 2, torch.zeros(2))
        tensor([0.2500, 0.2500, 0.2500, 0.2500], dtype=torch.float64)
    """
    chosen = _family(family)
    if theta.shape != (chosen.count(n),):
        came = f"{family} over n={n}" if isinstance(family, str) else f"this family over n={n}"
        raise ValueError(f"`theta` has shape {tuple(theta.shape)}; {came} expects ({chosen.count(n)},).")
    return chosen.log_table(theta.double(), states(n)).exp()


def dimension(family: FamilyName | Family, n: int, seed: int = 0) -> int:
    """Dimension of a family: the rank of the Jacobian of its table at random parameters.

    Example:
        >>> dimension("chain", 4)  # 2·4 - 1
        7
    """
    generator = torch.Generator().manual_seed(seed)
    theta = torch.randn(_family(family).count(n), generator=generator, dtype=torch.float64).requires_grad_()
    return rank(table(family, n, theta), [theta])


def rank(values: Tensor, parameters: Sequence[Tensor]) -> int:
    """Rank of the Jacobian of `values`, (N,), in the parameters that they were computed from, of any shapes.

    Example:
        >>> theta = torch.tensor([2.0, 3.0], requires_grad=True)
        >>> rank(theta.sum() * torch.ones(5), [theta])  # only the sum counts
        1
    """
    rows = [torch.autograd.grad(value, list(parameters), retain_graph=True) for value in values]
    return int(torch.linalg.matrix_rank(torch.stack([torch.cat([g.flatten() for g in row]) for row in rows])))


def _family(family: FamilyName | Family) -> Family:
    if isinstance(family, Family):
        return family
    if family not in FAMILIES:
        raise ValueError(f"family {family!r} came; {', '.join(FAMILIES)} are expected. Choose one of them.")
    return FAMILIES[family]
