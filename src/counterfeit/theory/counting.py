"""How many parameters a distribution over n binary variables takes: 2ⁿ - 1, or far fewer once something is assumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

__all__ = ["FAMILIES", "Family", "FamilyName", "dimension", "states", "table"]

FamilyName = Literal["full", "independent", "chain"]
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


def _independent(theta: Tensor, x: Tensor) -> Tensor:
    return _bernoulli(theta, x).sum(1)


def _chain(theta: Tensor, x: Tensor) -> Tensor:
    first, after = theta[:1], theta[1:].view(-1, 2)  # logits of x_t = 1 after 0 and after 1, (n - 1, 2)
    before = x[:, :-1]
    logits = torch.cat([first.expand(len(x), 1), after[:, 0] * (1 - before) + after[:, 1] * before], 1)  # (2ⁿ, n)
    return _bernoulli(logits, x).sum(1)


def _bernoulli(logits: Tensor, x: Tensor) -> Tensor:
    return torch.where(x > 0, logsigmoid(logits), logsigmoid(-logits))


FAMILIES: Mapping[FamilyName, Family] = {
    "full": Family(lambda n: 2**n - 1, _full),
    "independent": Family(lambda n: n, _independent),
    "chain": Family(lambda n: 2 * n - 1, _chain),
}
"""A probability for every state; independent variables; a Markov chain, in which each one knows the one before."""


def table(family: FamilyName, n: int, theta: Tensor) -> Tensor:
    """Probability of every state under the parameters `theta`, logits, (count,) -> (2ⁿ,).

    Example:
        >>> table("independent", 2, torch.zeros(2))
        tensor([0.2500, 0.2500, 0.2500, 0.2500], dtype=torch.float64)
    """
    chosen = _family(family)
    if theta.shape != (chosen.count(n),):
        raise ValueError(f"`theta` has shape {tuple(theta.shape)}; {family} over n={n} expects ({chosen.count(n)},).")
    return chosen.log_table(theta.double(), states(n)).exp()


def dimension(family: FamilyName, n: int, seed: int = 0) -> int:
    """Dimension of a family: the rank of the Jacobian of its table at random parameters.

    Example:
        >>> dimension("chain", 4)  # 2·4 - 1
        7
    """
    generator = torch.Generator().manual_seed(seed)
    theta = torch.randn(_family(family).count(n), generator=generator, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda t: table(family, n, t), theta)  # (2ⁿ, count)
    return int(torch.linalg.matrix_rank(jacobian))


def _family(name: FamilyName) -> Family:
    if name not in FAMILIES:
        raise ValueError(f"family {name!r} came; {', '.join(FAMILIES)} are expected. Choose one of them.")
    return FAMILIES[name]
