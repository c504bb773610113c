"""Likelihoods by the differential equation that takes noise to data without noise on the way.

References:
    FFJORD: Free-Form Continuous Dynamics for Scalable Reversible Generative Models, Grathwohl et al., 2019
        (arXiv 1810.01367).
    Score-Based Generative Modeling through Stochastic Differential Equations, Song et al., 2021 (arXiv 2011.13456).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from counterfeit.models.diffusion.shared.noise import NoiseLevel
from counterfeit.models.diffusion.shared.samplers import Predict

__all__ = ["flow_levels", "integrate"]

EXACT = 8  # dimensions up to which the trace of the Jacobian is not estimated
REACH = 10.0  # log-SNR between which steps are spread evenly, beyond which nothing happens


def flow_levels(least: NoiseLevel, most: NoiseLevel, steps: int) -> list[NoiseLevel]:
    """So many steps from the `least` noise to the `most`, evenly spread in log-SNR where it is within ±10."""
    start, end = (float(level.log_snr.clamp(-REACH, REACH)) for level in (least, most))
    inner = torch.linspace(start, end, steps + 1, dtype=torch.float64)[1:-1]
    return [least, *(NoiseLevel.of(one) for one in inner), most]


def integrate(predict: Predict, z: Tensor, levels: Sequence[NoiseLevel]) -> Tensor:
    """Log-density in nats, (B,), of z at the first level, where that at the last is standard normal.

    With α = cos φ and σ = sin φ the equation is dz/dφ = α ε - σ x, and d log p/dφ is less its divergence. Steps are
    those of the classical Runge-Kutta method.

    Arguments:
        predict: what the model is asked.
        z: (B, *shape).
        levels: from the least noise to the most.
    """
    probe = None if z[0].numel() <= EXACT else torch.randn_like(z).sign()
    angles, total = [torch.atan2(level.sigma, level.alpha) for level in levels], z.new_zeros(len(z))

    def slope(angle: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        level = NoiseLevel(torch.cos(angle), torch.sin(angle))
        return _with_divergence(lambda z: _velocity(predict, z, level), z, probe)

    for angle, after in pairwise(angles):
        width = after - angle
        v1, d1 = slope(angle, z)
        v2, d2 = slope(angle + width / 2, z + width / 2 * v1)
        v3, d3 = slope(angle + width / 2, z + width / 2 * v2)
        v4, d4 = slope(after, z + width * v3)
        z = z + width / 6 * (v1 + 2 * v2 + 2 * v3 + v4)
        total = total + width / 6 * (d1 + 2 * d2 + 2 * d3 + d4)
    return total - 0.5 * (z.square() + math.log(2 * math.pi)).flatten(1).sum(1)


def _velocity(predict: Predict, z: Tensor, level: NoiseLevel) -> Tensor:
    found = predict(z, level)
    return level.alpha * found.noise - level.sigma * found.x


def _with_divergence(
    velocity: Callable[[Tensor], Tensor], z: Tensor, probe: Tensor | None
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The velocity at z, (B, *shape), and the trace of its Jacobian, (B,): exact, or by a random `probe` of ±1."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        v = velocity(z)
        if probe is not None:
            (moved,) = torch.autograd.grad((v * probe).sum(), z)
            return v.detach(), (moved * probe).flatten(1).sum(1)
        sums = enumerate(v.flatten(1).sum(0))
        diagonal = [torch.autograd.grad(one, z, retain_graph=True)[0].flatten(1)[:, i] for i, one in sums]
    return v.detach(), torch.stack(diagonal).sum(0)
