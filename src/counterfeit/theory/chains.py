"""The chain rule in one order or another, and what it costs to let each variable know only some of those before it.

Distributions over n binary variables are given by the probability of every state, in the order of `counting.states`.

References:
    Approximating Discrete Probability Distributions with Dependence Trees, Chow and Liu, 1968.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from counterfeit.theory.information import Probabilities, distribution, entropy

__all__ = ["excess", "factorized", "marginal"]


def marginal(p: Probabilities, kept: Sequence[int]) -> Tensor:
    """Distribution of some of the variables, in the order in which they are named, (2ⁿ,) -> (2^kept,).

    Example:
        >>> marginal([0.1, 0.2, 0.3, 0.4], [1])
        tensor([0.4000, 0.6000], dtype=torch.float64)
    """
    joint = _joint(p)
    if len({*kept}) != len(kept) or not {*kept} <= {*range(joint.ndim)}:
        raise ValueError(f"variables {tuple(kept)} came; different ones from 0 to {joint.ndim - 1} are expected.")
    others = [i for i in range(joint.ndim) if i not in kept]
    return joint.permute(*kept, *others).reshape(2 ** len(kept), -1).sum(1)


def factorized(p: Probabilities, order: Sequence[int], memory: int) -> Tensor:
    """The nearest distribution in which each variable depends only on the `memory` before it in `order`, (2ⁿ,).

    It has the conditionals of `p` itself, ∏ p(x_i | the `memory` before i), and of all distributions of this form the
    least KL(p ‖ q): maximum likelihood for infinitely many data. With a memory of n - 1 it is `p`, in every order.

    Arguments:
        p: probability of every state, (2ⁿ,), above 0.
        order: of the variables, a permutation of 0 to n - 1.
        memory: how many variables before it each depends on.

    Example:
        >>> factorized([0.1, 0.2, 0.3, 0.4], [0, 1], memory=0)  # the product of the marginals
        tensor([0.1200, 0.1800, 0.2800, 0.4200], dtype=torch.float64)
    """
    n = _joint(p).ndim
    q = torch.ones([2] * n, dtype=torch.float64)
    for context, variable in _links(order, n, memory):
        joint = marginal(p, [*context, variable]).view(-1, 2)
        conditional = (joint / joint.sum(1, keepdim=True)).view([2] * (len(context) + 1))
        axes = sorted(range(len(context) + 1), key=[*context, variable].__getitem__)
        shape = [2 if i in (*context, variable) else 1 for i in range(n)]
        q = q * conditional.permute(axes).reshape(shape)
    return q.flatten()


def excess(p: Probabilities, order: Sequence[int], memory: int) -> Tensor:
    """KL(p ‖ factorized) = ∑ H(x_i | the `memory` before i in `order`) - H(p) in nats, scalar.

    That is what a value costs more, by the best model of this form, than by the distribution itself.
    """
    p = torch.as_tensor(p, dtype=torch.float64)
    spent = torch.zeros((), dtype=torch.float64)
    for context, variable in _links(order, _joint(p).ndim, memory):
        known = entropy(marginal(p, context)) if context else 0.0
        spent = spent + entropy(marginal(p, [*context, variable])) - known  # H(x_i | context)
    return spent - entropy(p)


def _joint(p: Probabilities) -> Tensor:
    p = distribution(p)
    n = p.numel().bit_length() - 1
    if p.ndim != 1 or p.numel() != 2**n or n < 1:
        raise ValueError(f"probabilities of shape {tuple(p.shape)} came; (2ⁿ,) is expected, one for every state.")
    return p.view([2] * n)


def _links(order: Sequence[int], n: int, memory: int) -> list[tuple[list[int], int]]:
    """Each variable with those that it depends on."""
    if sorted(order) != [*range(n)] or memory < 0:
        raise ValueError(
            f"order {tuple(order)} and memory={memory} came; a permutation of 0 to {n - 1} and a memory of at least 0 "
            "are expected."
        )
    return [([*order[max(0, i - memory) : i]], variable) for i, variable in enumerate(order)]
