"""Bayes' rule, on its own and for independent binary variables given a class.

References:
    An Essay towards Solving a Problem in the Doctrine of Chances, Bayes, 1763.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from counterfeit.theory.counting import states
from counterfeit.theory.information import Probabilities, distribution

__all__ = ["fit_rates", "frequencies", "joint_table", "log_likelihood", "posterior"]


def posterior(prior: Probabilities, log_likelihood: Tensor) -> Tensor:
    """p(z | x) = p(z) p(x | z) / ∑ p(z) p(x | z): the softmax of log-prior plus log-likelihood, (..., K) -> (..., K).

    Arguments:
        prior: p(z), (..., K).
        log_likelihood: log p(x | z) in nats at every z, (..., K).

    Raises:
        ValueError: where nothing that the prior allows could have given x.

    Example:
        >>> posterior([0.01, 0.99], torch.tensor([0.9, 0.09]).log())  # ill or not, where nine in ten tests are right
        tensor([0.0917, 0.9083], dtype=torch.float64)
    """
    joint = distribution(prior).log() + log_likelihood.double()
    if bool(torch.isneginf(joint).all(-1).any()):
        raise ValueError("an outcome of probability 0 came; one that some z of the prior can give is expected.")
    return joint.softmax(-1)


def log_likelihood(x: Tensor, rates: Tensor) -> Tensor:
    """Log-likelihood log p(x | z) = ∑ log p(x_i | z) of binary variables independent given z, in nats, (..., K).

    Arguments:
        x: zeros and ones, (..., D).
        rates: p(x_i = 1 | z), (K, D).
    """
    x, rates = x.double(), rates.double()
    if x.shape[-1] != rates.shape[-1]:
        raise ValueError(f"{x.shape[-1]} variables and rates of {rates.shape[-1]} came; the same number is expected.")
    x = x[..., None, :]
    return (torch.xlogy(x, rates) + torch.xlogy(1 - x, 1 - rates)).sum(-1)


def joint_table(prior: Probabilities, rates: Tensor) -> Tensor:
    """p(z, x) of every state of D binary variables, by products of probabilities, (K, 2^D).

    Example:
        >>> joint_table([0.5, 0.5], torch.tensor([[0.9], [0.2]]))
        tensor([[0.0500, 0.4500],
                [0.4000, 0.1000]], dtype=torch.float64)
    """
    x, rates = states(rates.shape[1]), rates.double()[:, None]  # (2^D, D), (K, 1, D)
    return distribution(prior)[:, None] * torch.where(x > 0, rates, 1 - rates).prod(-1)


def frequencies(*variables: Tensor) -> Tensor:
    """How often values occur together, (values, values, …): the categorical distribution of maximum likelihood.

    Arguments:
        variables: int64 (N,) each, of the values 0, 1, ….

    Example:
        >>> frequencies(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 1, 1]))
        tensor([[0.2500, 0.2500],
                [0.0000, 0.5000]], dtype=torch.float64)
    """
    counts = torch.zeros([int(values.max()) + 1 for values in variables], dtype=torch.float64)
    return counts.index_put_(variables, torch.tensor(1.0, dtype=torch.float64), accumulate=True) / len(variables[0])


def fit_rates(x: Tensor, z: Tensor, classes: int, smoothing: float = 0.0) -> tuple[Tensor, Tensor]:
    """Prior and rates of maximum likelihood, which are frequencies: (K,) and (K, D).

    Arguments:
        x: zeros and ones, (N, D).
        z: class of each example, int64 (N,), in 0 … classes - 1.
        classes: K.
        smoothing: is added to the counts of ones and of zeros, so that what never occurred remains possible.

    Example:
        >>> prior, rates = fit_rates(torch.tensor([[1], [0], [1], [1]]), torch.tensor([0, 0, 0, 1]), 2)
        >>> prior, rates.flatten()
        (tensor([0.7500, 0.2500], dtype=torch.float64), tensor([0.6667, 1.0000], dtype=torch.float64))
    """
    member = one_hot(z, classes).double()  # (N, K)
    count = member.sum(0)
    if smoothing < 0 or (smoothing == 0 and not bool(count.all())):
        raise ValueError(
            f"smoothing={smoothing:g} and {int((count == 0).sum())} classes without examples came; every class has "
            f"examples, or smoothing is above 0."
        )
    return count / count.sum(), (member.T @ x.double() + smoothing) / (count[:, None] + 2 * smoothing)
