"""Information of discrete distributions: how surprising outcomes are, and how far apart two distributions lie.

References:
    A Mathematical Theory of Communication, Shannon, 1948.
    On Information and Sufficiency, Kullback and Leibler, 1951.
    Divergence Measures Based on the Shannon Entropy, Lin, 1991.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

__all__ = [
    "Probabilities", "Unit", "conditional_entropy", "conditional_mutual_information", "cross_entropy", "distribution",
    "entropy", "in_unit", "information", "jsd", "kl", "mutual_information",
]  # fmt: skip

Unit = Literal["nats", "bits"]
Probabilities = Tensor | Sequence[float]
TOLERANCE = 1e-6  # by which probabilities may miss a sum of one: those typed as 0.333333 pass


def in_unit(nats: Tensor, unit: Unit) -> Tensor:
    """What is in nats, in `unit`: a bit is ln 2 = 0.693 nats."""
    if unit not in ("nats", "bits"):
        raise ValueError(f"unit {unit!r} came; nats or bits is expected. Choose one of them.")
    return nats / math.log(2) if unit == "bits" else nats


def distribution(p: Probabilities, dims: int = 1) -> Tensor:
    """`p` as float64 (..., K), checked to be a distribution over its last `dims` dimensions.

    Raises:
        ValueError: where a probability is negative or not finite, or where they do not sum to one.
    """
    p = torch.as_tensor(p, dtype=torch.float64)
    if p.ndim < dims or not p.numel():
        raise ValueError(f"probabilities of shape {tuple(p.shape)} came; {dims} dimensions are expected. Reshape them.")
    if not bool((p >= 0).all() and torch.isfinite(p).all()):
        raise ValueError(f"a probability of {float(p.min()):.4g} came; finite ones of at least 0 are expected.")
    total = p.flatten(-dims).sum(-1)
    if not torch.allclose(total, torch.ones_like(total), rtol=0, atol=TOLERANCE):
        worst = float(total.flatten()[(total - 1).abs().argmax()])
        raise ValueError(f"probabilities sum to {worst:.6g}; 1 is expected. Divide them by their sum.")
    return p


def information(p: Probabilities, unit: Unit = "nats") -> Tensor:
    """Information content -log p of outcomes of probability `p` in [0, 1], of the same shape; rare ones surprise more.

    Example:
        >>> information([0.5, 0.25], "bits")
        tensor([1., 2.], dtype=torch.float64)
    """
    p = torch.as_tensor(p, dtype=torch.float64)
    if not bool(((p >= 0) & (p <= 1)).all()):
        raise ValueError(f"values in [{float(p.min()):.4g}, {float(p.max()):.4g}] came; probabilities are expected.")
    return in_unit(-p.log(), unit)


def entropy(p: Probabilities, unit: Unit = "nats") -> Tensor:
    """Entropy H(p) = -∑ p log p, the mean information of an outcome, (..., K) -> (...).

    Example:
        >>> entropy([0.25, 0.25, 0.25, 0.25], "bits")
        tensor(2., dtype=torch.float64)
    """
    return in_unit(torch.special.entr(distribution(p)).sum(-1), unit)


def cross_entropy(p: Probabilities, q: Probabilities, unit: Unit = "nats") -> Tensor:
    """Cross-entropy H(p, q) = -∑ p log q: the mean code length with a code made for `q`, (..., K) -> (...)."""
    p, q = _pair(p, q)
    return in_unit(-torch.xlogy(p, q).sum(-1), unit)


def kl(p: Probabilities, q: Probabilities, unit: Unit = "nats") -> Tensor:
    """Kullback-Leibler divergence ∑ p log p/q, (..., K) -> (...); infinite where `q` is 0 and `p` is not."""
    p, q = _pair(p, q)
    return in_unit((torch.xlogy(p, p) - torch.xlogy(p, q)).sum(-1), unit)


def jsd(p: Probabilities, q: Probabilities, unit: Unit = "nats") -> Tensor:
    """Jensen-Shannon divergence ½ KL(p ‖ m) + ½ KL(q ‖ m), m = (p + q)/2, (..., K) -> (...): at most log 2.

    Example:
        >>> jsd([1.0, 0.0], [0.0, 1.0], "bits")
        tensor(1., dtype=torch.float64)
    """
    p, q = _pair(p, q)
    return 0.5 * (kl(p, (p + q) / 2, unit) + kl(q, (p + q) / 2, unit))


def conditional_entropy(joint: Probabilities, unit: Unit = "nats") -> Tensor:
    """Entropy H(Y | X) = ∑ p(x) H(Y | x) left in Y once X is known, of joint probabilities (..., X, Y) -> (...)."""
    joint = distribution(joint, 2)
    return in_unit(torch.special.entr(joint).sum((-2, -1)) - torch.special.entr(joint.sum(-1)).sum(-1), unit)


def mutual_information(joint: Probabilities, unit: Unit = "nats") -> Tensor:
    """Mutual information KL(p(x, y) ‖ p(x) p(y)) of joint probabilities (..., X, Y) -> (...)."""
    joint = distribution(joint, 2)
    apart = joint.sum(-1, keepdim=True) * joint.sum(-2, keepdim=True)
    return kl(joint.flatten(-2), apart.flatten(-2), unit)


def conditional_mutual_information(joint: Probabilities, unit: Unit = "nats") -> Tensor:
    """I(X; Y | Z) = ∑ p(z) I(X; Y | Z = z) of joint probabilities (..., X, Y, Z) -> (...): 0 if Z explains all.

    Example:
        >>> exclusive = torch.tensor([[[0.25, 0.0], [0.0, 0.25]], [[0.0, 0.25], [0.25, 0.0]]])  # z = x xor y
        >>> round(float(conditional_mutual_information(exclusive, "bits")), 12)
        1.0
    """
    joint = distribution(joint, 3)
    x_and_z, y_and_z, z = joint.sum(-2), joint.sum(-3), joint.sum((-3, -2))
    entropies = (torch.special.entr(part).flatten(joint.ndim - 3).sum(-1) for part in (x_and_z, y_and_z, z, joint))
    of_x_z, of_y_z, of_z, of_all = entropies
    return in_unit(of_x_z + of_y_z - of_z - of_all, unit)


def _pair(p: Probabilities, q: Probabilities) -> tuple[Tensor, Tensor]:
    p, q = distribution(p), distribution(q)
    if p.shape[-1] != q.shape[-1]:
        raise ValueError(
            f"distributions over {p.shape[-1]} and {q.shape[-1]} outcomes came; the same outcomes are expected."
        )
    return p, q
