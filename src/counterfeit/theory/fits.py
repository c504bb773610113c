"""One Gaussian fitted to a density by different divergences: what each of them makes of what it cannot reach.

References:
    Divergence Measures and Message Passing, Minka, 2005.
    NIPS 2016 Tutorial: Generative Adversarial Networks, Goodfellow, 2016 (arXiv 1701.00160), figure 14.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal

from counterfeit.theory import quadrature
from counterfeit.theory.quadrature import LogDensity, QuadratureRule

__all__ = ["By", "Fit", "fit_gaussian"]

By = Literal["kl", "reverse-kl", "jsd"]

DIVERGENCES: Mapping[By, Callable[[LogDensity, LogDensity, QuadratureRule], Tensor]] = {
    "kl": quadrature.kl,
    "reverse-kl": lambda log_p, log_q, line: quadrature.kl(log_q, log_p, line),
    "jsd": quadrature.jsd,
}


class Fit(NamedTuple):
    """N(mean, std²) and its `divergence` from the target in nats."""

    mean: float
    std: float
    divergence: float


def fit_gaussian(log_p: LogDensity, by: By, line: QuadratureRule) -> Fit:
    """The Gaussian with the least divergence from a density that was found from many starts on the line.

    Arguments:
        log_p: the target.
        by: "kl" is KL(p ‖ q), which maximum likelihood descends; "reverse-kl" is KL(q ‖ p); "jsd" is symmetric.
        line: a rule over all of the target, with room on both sides.

    Example:
        >>> target = torch.distributions.Normal(1.0, 0.5)
        >>> fit = fit_gaussian(target.log_prob, "reverse-kl", quadrature.rule(-9.0, 11.0))
        >>> round(fit.mean, 3), round(fit.std, 3)
        (1.0, 0.5)
    """
    from scipy.optimize import minimize

    if by not in DIVERGENCES:
        raise ValueError(f"divergence {by!r} came; {', '.join(DIVERGENCES)} are expected. Choose one of them.")
    centre, spread = map(float, quadrature.moments(log_p, line))
    starts = [(centre + shift * spread, np.log(scale * spread)) for shift in (-1, 0, 1) for scale in (0.2, 1)]
    bounds = [(centre - 1.5 * spread, centre + 1.5 * spread), (np.log(spread) - 3, np.log(spread) + 0.2)]
    target = log_p(line.x)  # once for all

    def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
        point = torch.from_numpy(at).requires_grad_()
        divergence = DIVERGENCES[by](lambda _: target, Normal(point[0], point[1].exp()).log_prob, line)
        return divergence.item(), torch.autograd.grad(divergence, point)[0].numpy()

    found = [minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", tol=1e-13) for start in starts]
    best = min(found, key=lambda result: result.fun)
    return Fit(float(best.x[0]), float(np.exp(best.x[1])), float(best.fun))
