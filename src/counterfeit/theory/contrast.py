"""Noise-contrastive estimation: how well a model of unknown normalizer is learned by telling data from noise.

Densities are given by their logarithms at the nodes of a quadrature rule with its `weights`; a model by its score in
the parameters, g = ∇ ln p_m at the true ones, where the logarithm of the normalizer is a parameter like any other.

References:
    Noise-Contrastive Estimation of Unnormalized Statistical Models, with Applications to Natural Image Statistics,
        Gutmann and Hyvärinen, 2012.
    On Distinguishability Criteria for Estimating Generative Models, Goodfellow, 2014 (arXiv 1412.6515).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

__all__ = ["covariance", "criterion", "estimate", "information", "likelihood_covariance"]


def criterion(log_m: Tensor, log_p: Tensor, log_q: Tensor, weights: Tensor, ratio: float = 1.0) -> Tensor:
    """J = E_p ln h + ν E_q ln (1 - h) with h = m / (m + ν q), in nats, scalar (2012, eq. 8); it is to be raised.

    It is V(G, D) for the generator's density q and the discriminator D = h, where ν = 1 (2014, section 3).

    Arguments:
        log_m: of the model, normalized or not, (N,).
        log_p: of the data, (N,).
        log_q: of the noise, (N,).
        weights: of the quadrature rule, (N,).
        ratio: ν, examples of noise for each of the data.
    """
    logits = log_m - log_q - math.log(ratio)
    terms = log_p.exp() * logsigmoid(logits) + ratio * log_q.exp() * logsigmoid(-logits)
    return (weights * terms).sum()


def information(score: Tensor, log_p: Tensor, log_q: Tensor, weights: Tensor, ratio: float = 1.0) -> Tensor:
    """I = ∫ g gᵀ P p with P = ν q / (p + ν q), (P, P) (2012, theorem 2): the curvature of -J at the true parameters.

    Where noise and data do not meet, P p vanishes, and with it the curvature and the gradient nearby.

    Arguments:
        score: of the model in its parameters, (N, P).
        log_p: of the data, (N,).
        log_q: of the noise, (N,).
        weights: of the quadrature rule, (N,).
        ratio: ν.
    """
    mass = weights * _shared(log_p, log_q, ratio)
    return score.mT @ (mass[:, None] * score)


def covariance(score: Tensor, log_p: Tensor, log_q: Tensor, weights: Tensor, ratio: float = 1.0) -> Tensor:
    """Asymptotic covariance of noise-contrastive estimates times the number of data, (P, P) (2012, theorem 3).

    I⁻¹ - (1 + 1/ν) I⁻¹ E(P g) E(P g)ᵀ I⁻¹; arguments as for `information`. For noise like the data, it is 1 + 1/ν times
    that of maximum likelihood.

    Raises:
        ValueError: where noise and data hardly meet, so that the information has no inverse in float64.
    """
    inner = information(score, log_p, log_q, weights, ratio)
    if not float(torch.linalg.cond(inner)) < 1e12:
        raise ValueError(
            "noise came that can hardly be taken for data; noise that overlaps them is expected, since nothing can be "
            "estimated otherwise. Move it nearer, or widen it."
        )
    inverse = torch.linalg.inv(inner)
    mean = inverse @ (score.mT @ (weights * _shared(log_p, log_q, ratio)))
    return inverse - (1 + 1 / ratio) * mean.outer(mean)


def likelihood_covariance(score: Tensor, log_p: Tensor, weights: Tensor) -> Tensor:
    """The same of maximum likelihood, which knows ln Z as a function of the other parameters, (P, P).

    The inverse of Fisher's information of those, and what follows from it for ln Z, whose gradient is the mean score.

    Arguments:
        score: of the model in its parameters, of which the last is ln Z, with a score of -1, (N, P).
        log_p: of the data, (N,).
        weights: of the quadrature rule, (N,).
    """
    inner, mass = score[:, :-1], weights * log_p.exp()
    mean = mass @ inner
    fisher = inner.mT @ (mass[:, None] * inner) - mean.outer(mean)
    onto = torch.cat([torch.eye(len(mean)).to(mean), mean[None]])  # (P, P - 1)
    return onto @ torch.linalg.inv(fisher) @ onto.mT


def estimate(data: Tensor, noise: Tensor, offsets: tuple[Tensor, Tensor], start: Tensor, steps: int = 12) -> Tensor:
    """Noise-contrastive estimates of models ln m(x) = θ·φ(x), in float64, (..., P): the maximum of J over samples.

    J is concave then, a logistic regression whose logits are θ·φ(x) - ln νq(x), and Newton's method finds its maximum.

    Arguments:
        data: φ of the data, (..., T, P).
        noise: φ of the noise, (..., νT, P).
        offsets: ln νq at the data, (..., T), and at the noise, (..., νT).
        start: first parameters, (P,), not too far from the maximum.
        steps: of Newton's method.
    """
    features = torch.cat([data, noise], -2).double()
    offset = torch.cat(offsets, -1).double()
    label = torch.cat([torch.ones_like(offsets[0]), torch.zeros_like(offsets[1])], -1).double()
    theta = start.double().expand(*features.shape[:-2], -1)
    for _ in range(steps):
        h = ((features @ theta[..., None])[..., 0] - offset).sigmoid()
        gradient = ((label - h)[..., None, :] @ features)[..., 0, :]
        curvature = features.mT @ ((h * (1 - h))[..., None] * features)
        theta = theta + torch.linalg.solve(curvature, gradient)
    return theta


def _shared(log_p: Tensor, log_q: Tensor, ratio: float) -> Tensor:
    """P p = p ν q / (p + ν q), (N,)."""
    return (log_p + logsigmoid(log_q + math.log(ratio) - log_p)).exp()
