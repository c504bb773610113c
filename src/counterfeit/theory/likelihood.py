"""Likelihood: which normal density makes draws likeliest, and how many densities a product of floating point holds.

References:
    On the Mathematical Foundations of Theoretical Statistics, Fisher, 1922.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["expected_first_zero", "first_zero", "fit_normal", "log_least"]


def fit_normal(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the normal density under which draws are likeliest: those of the draws.

    The variance is the mean squared distance from the mean, with N in the denominator and not N - 1.

    Arguments:
        x: draws, (N,), at least two of them different.

    Example:
        >>> fit_normal(torch.tensor([1.0, 3.0]))
        (tensor(2., dtype=torch.float64), tensor(1., dtype=torch.float64))
    """
    x = x.double()
    if x.ndim != 1 or len(x) < 2 or bool((x == x[0]).all()):
        raise ValueError(
            f"draws of shape {tuple(x.shape)} came; at least two different ones, (N,), are expected: with one the "
            f"likelihood has no maximum, for it rises without bound as the density narrows."
        )
    return x.mean(), x.std(correction=0)


def log_least(dtype: torch.dtype) -> float:
    """Logarithm in nats of half the smallest positive number of a type: a product of less is rounded to 0.

    Example:
        >>> round(log_least(torch.float32) / math.log(2))  # 2⁻¹⁴⁹ is the smallest
        -150
    """
    format_ = torch.finfo(dtype)
    return math.log(format_.tiny) + math.log(format_.eps) - math.log(2)  # subnormal numbers are multiples of tiny · eps


def first_zero(factors: Tensor) -> Tensor:
    """At which factor a running product becomes 0, counted from 1; N + 1 where it never does, (..., N) -> (...).

    Example:
        >>> first_zero(torch.full((200,), 1 / 256))
        tensor(19)
    """
    return (factors.cumprod(-1) > 0).sum(-1) + 1


def expected_first_zero(dtype: torch.dtype, mean: float, square: float) -> float:
    """How many independent densities a running product takes on average until it is 0.

    Their negative logarithms X add up to L = -log_least(dtype) after about L/E[X] of them, and pass it by E[X²]/2E[X]
    on average, as a sum of many positive terms does (renewal theory).

    Arguments:
        dtype: of the product.
        mean: E[X] > 0, in nats.
        square: E[X²], in nats².

    Example:
        >>> round(expected_first_zero(torch.float32, math.log(256), math.log(256) ** 2), 2)
        19.25
    """
    if not mean > 0:
        raise ValueError(f"a mean of {mean:.4g} nats came; one above 0 is expected, or the product need not vanish.")
    return -log_least(dtype) / mean + square / (2 * mean**2)
