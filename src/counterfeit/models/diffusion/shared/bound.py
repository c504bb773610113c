"""The variational bound of a chain that removes noise step by step.

References:
    Denoising Diffusion Probabilistic Models, Ho, Jain & Abbeel, 2020 (arXiv 2006.11239), eq. 5.
    Improved Denoising Diffusion Probabilistic Models, Nichol & Dhariwal, 2021 (arXiv 2102.09672), section 3.1.
    Importance Weighted Autoencoders, Burda, Grosse & Salakhutdinov, 2016 (arXiv 1509.00519).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from counterfeit.models.diffusion.shared.noise import NoiseLevel
from counterfeit.models.diffusion.shared.samplers import Predict, Prediction, step_mean, step_std
from counterfeit.models.diffusion.shared.scaling import Scaling

__all__ = ["Chain"]


class Chain:
    """p(x, z_1 … z_T): normal noise z_T, steps of less noise, and at last the data, 8-bit values or bits as such.

    Arguments:
        scaling: the unit of the noise.
        levels: of the latent variables, from the most noise to the least.
    """

    def __init__(self, scaling: Scaling, levels: Sequence[NoiseLevel]) -> None:
        self.scaling, self.steps = scaling, len(levels)
        self.alpha, self.sigma = (torch.stack([*values]) for values in zip(*levels, strict=True))

    def level(self, i: Tensor, like: Tensor) -> NoiseLevel:
        """Of the latent variables `i`, (B,), from 0 for the most noise, to multiply `like`, (B, *shape), by."""
        i = i.to(self.alpha.device)
        return NoiseLevel(self.alpha[i], self.sigma[i]).like(like)

    def prior_cost(self, m: Tensor) -> Tensor:
        """KL divergence of q(z_T | x) from normal noise in nats, (B,); `m`, (B, *shape), is x in the unit of noise."""
        alpha, sigma = self.alpha[0], self.sigma[0]
        terms = sigma.square() - 1 - 2 * sigma.log() + alpha.square() * m.square()
        return 0.5 * terms.flatten(1).sum(1).to(m)

    def step_cost(self, i: Tensor, m: Tensor, found: Prediction) -> Tensor:
        """KL divergence of q(z_i+1 | z_i, x) from p(z_i+1 | z_i) in nats, (B,), for latent variables `i`, (B,)."""
        level, lower = self.level(i, m), self.level(i + 1, m)
        off = lower.alpha * level.share(lower) * (m - found.x)
        wider = 2 * found.mix * (level.sigma.log() - lower.sigma.log())  # log-variance beyond that of q
        std = step_std(found.mix, level, lower)
        terms = wider + (-wider).exp() - 1 + (off / std).square()
        return 0.5 * terms.flatten(1).sum(1)

    def emission(self, x: Tensor, found: Prediction) -> Tensor:
        """Log p(x | z_1) in nats of the data as given, (B,), for what is found in z_1.

        Its variance lies between that of the noise in z_1 and, as that of the step before does, below.
        """
        last = self.steps - 1
        level = self.level(torch.full((len(x),), last), x)
        above = self.level(torch.full((len(x),), max(0, last - 1)), x)
        share = above.share(level) if last else torch.ones_like(level.sigma)
        return self.scaling.log_emission(x, found.x, level.sigma * share ** ((1 - found.mix) / 2))

    def cost(self, i: Tensor, x: Tensor, found: Prediction) -> Tensor:
        """What is found in latent variables `i`, (B,), costs in nats, (B,): of the data `x` for the last."""
        last = i == self.steps - 1
        m = self.scaling.inward(x)
        if self.steps == 1:
            return -self.emission(x, found)
        step = self.step_cost(i.clamp(max=self.steps - 2), m, found)
        return torch.where(last, -self.emission(x, found), step)

    def elbo(self, x: Tensor, predict: Predict, terms: int = 0) -> Tensor:
        """Evidence lower bound in nats, (B,), with one z of each step that is looked at (Ho et al., 2020, eq. 5).

        Arguments:
            x: data, (B, *shape).
            predict: what the model is asked.
            terms: how many steps are looked at, to estimate the sum over all; 0 for all.
        """
        m, between = self.scaling.inward(x), self.steps - 1
        total = self.emission(x, self._asked(predict, m, torch.full((len(x),), between, device=x.device)))
        total = total - self.prior_cost(m)
        count = min(terms or between, between)
        offset = torch.rand(len(x), device=x.device) if count < between else torch.zeros(len(x), device=x.device)
        for one in range(count):
            i = ((one + offset) / count * between).long().clamp(max=between - 1)
            total = total - between / count * self.step_cost(i, m, self._asked(predict, m, i))
        return total

    def log_weight(self, x: Tensor, predict: Predict) -> Tensor:
        """Log p(x, z) / q(z | x) in nats, (B,), of one path z through all latent variables, drawn from q.

        Its exponential is the likelihood without bias, so that means of it are importance-weighted bounds.
        """
        m, every = self.scaling.inward(x), torch.ones(len(x), dtype=torch.long)
        level, noise = self.level((self.steps - 1) * every, m), torch.randn_like(m)
        z = level.noised(m, noise)
        log_q = _log_normal(noise, level.sigma)
        found = predict(z, level)
        total = self.emission(x, found)
        for i in reversed(range(self.steps - 1)):
            lower, level = level, self.level(i * every, m)
            fresh, std = torch.randn_like(m), level.sigma * level.share(lower).sqrt()
            z_lower, z = z, level.alpha / lower.alpha * z + std * fresh
            log_q = log_q + _log_normal(fresh, std)
            found = predict(z, level)
            std = step_std(found.mix, level, lower)
            total = total + _log_normal((z_lower - step_mean(found.x, found.noise, level, lower)) / std, std)
        return total + _log_normal(z, torch.ones_like(level.sigma)) - log_q

    def _asked(self, predict: Predict, m: Tensor, i: Tensor) -> Prediction:
        level = self.level(i, m)
        return predict(level.noised(m, torch.randn_like(m)), level)


def _log_normal(z: Tensor, std: Tensor) -> Tensor:
    """Log-density in nats, (B,), of what lies `z`, (B, *shape), standard deviations from the mean."""
    return -(0.5 * (z.square() + math.log(2 * math.pi)) + std.log()).flatten(1).sum(1)
