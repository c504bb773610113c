"""Noise-contrastive estimation: an energy and its normalizer, learned by telling data from noise.

References:
    Noise-Contrastive Estimation of Unnormalized Statistical Models, with Applications to Natural Image Statistics,
        Gutmann & Hyvärinen, 2012.
    On Distinguishability Criteria for Estimating Generative Models, Goodfellow, 2014 (arXiv 1412.6515).
    Flow Contrastive Estimation of Energy-Based Models, Gao, Nijkamp, Kingma, Xu, Dai & Wu, 2020 (arXiv 1912.00589).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from counterfeit.core import Batch, Clock, Draw, Kind, Spec, Update
from counterfeit.models.autoregressive.shared.model import expect
from counterfeit.models.energy.shared.chain_model import LangevinModel
from counterfeit.models.energy.shared.unnormalized import EnergyName, unnormalized
from counterfeit.models.flow.real_nvp import RealNVP
from counterfeit.models.flow.shared.model import REAL, Flow

__all__ = ["NCE", "Moments"]

NoiseName = Literal["gaussian", "flow", "adaptive"]
COUPLINGS = 4  # of the noise's flow
FITTED = 1 / 3  # of the steps, in which a flow that stays as it is is fitted first


class Moments(nn.Module):
    """The normal distribution with the mean and covariance of examples."""

    loc: Tensor
    factor: Tensor

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(dims))
        self.register_buffer("factor", torch.eye(dims))

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """See examples, (N, D)."""
        self.loc.copy_(x.mean(0))
        covariance = x.double().mT.cov(correction=0).reshape(x.shape[1], x.shape[1])
        ridge = 1e-4 * covariance.diagonal().mean() + 1e-12  # values that never change leave it singular
        self.factor.copy_(torch.linalg.cholesky(covariance + ridge * torch.eye(len(covariance)).to(covariance)))

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density in nats, (B, D) -> (B,)."""
        z = torch.linalg.solve_triangular(self.factor, (x - self.loc).mT, upper=False)
        constant = self.factor.diagonal().log().sum() + len(self.loc) / 2 * math.log(2 * math.pi)
        return -z.square().sum(0) / 2 - constant

    def draw(self, n: int) -> Tensor:
        """Draw `n` points, (n, D)."""
        noise = torch.randn(n, len(self.loc), device=self.loc.device, dtype=self.loc.dtype)
        return self.loc + noise @ self.factor.mT


class Constant(nn.Module):
    """A number that is learned for ln Z."""

    def __init__(self) -> None:
        super().__init__()
        self.log_z = nn.Parameter(torch.zeros(()))


class NCE(LangevinModel):
    """An energy E and a constant c for ln Z, such that exp(-E(x) - c) tells data from noise as well as can be.

    The classifier's logit is -E(x) - c - ln q(x) - ln ν for noise q, ν times as frequent as data: the discriminator of
    adversarial nets, whose value is descended, with a density in it. Where it is optimal, exp(-E - c) is the data's
    density. The noise stays as it is, or a flow plays the generator's part and makes itself ever harder to tell.

    References:
        Noise-Contrastive Estimation of Unnormalized Statistical Models, Gutmann & Hyvärinen, 2012.
        Flow Contrastive Estimation of Energy-Based Models, Gao et al., 2020 (arXiv 1912.00589).

    Arguments:
        spec: what the data are; real values.
        energy: mlp, a perceptron; or one with a closed form: gaussian, mixture (of Gaussians), ica (independent
            components).
        hidden: sizes of the perceptron's hidden layers.
        components: of the mixture.
        noise: gaussian, with the data's moments; flow, fitted to the data in the first third of training; or adaptive,
            a flow that plays against the energy.
        noise_ratio: ν, examples of noise for each of the data.
        sampling_steps: steps of Langevin dynamics, each accepted or refused, from the noise to a sample.
        langevin_step: size of the first of these, in standard deviations of the data.

    Raises:
        ValueError: where the data are not real values, or a number is none.

    Example:
        >>> model = NCE(Spec((2,), "real"), energy="gaussian")
        >>> model.energy(model.sample(3)).shape
        torch.Size([3])
    """

    transforms: Mapping[Kind, tuple[str, ...]] = {"image": ("dequantize", "logit")}

    def __init__(
        self, spec: Spec, energy: EnergyName = "mlp", hidden: tuple[int, ...] = (128, 128), components: int = 10,
        noise: NoiseName = "gaussian", noise_ratio: int = 1, sampling_steps: int = 200, langevin_step: float = 0.3,
    ) -> None:  # fmt: skip
        expect(spec, "real", "NCE", REAL)
        if min(noise_ratio, components) < 1 or sampling_steps < 0 or not langevin_step > 0:
            came = f"noise_ratio={noise_ratio}, components={components}, sampling_steps={sampling_steps} came"
            raise ValueError(f"{came} with langevin_step={langevin_step}; numbers above 0 are expected. Raise them.")
        net = unnormalized(energy, spec.dims, hidden, components)
        super().__init__(spec, net, sampling_steps, langevin_step)
        self.normalizer = Constant()
        flat = Spec((spec.dims,), "real")
        self.noise: Moments | Flow = Moments(spec.dims) if noise == "gaussian" else RealNVP(flat, couplings=COUPLINGS)
        self.how, self.noise_ratio = noise, noise_ratio

    def initialize(self, data: Batch) -> None:
        """See the moments of the data."""
        x = data.x.flatten(1)
        self.net.fit(x)
        self.noise.initialize(Batch(x)) if isinstance(self.noise, Flow) else self.noise.fit(x)

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        """Descend the classifier's loss; a flow first descends its own, or plays against the classifier after it."""
        x = draw().x.flatten(1)
        if isinstance(self.noise, Flow) and self.how == "flow" and clock.step < FITTED * clock.steps:
            yield Update.of("noise", {"loss": -self.noise.log_prob(x).mean()})
            return
        loss, right = self.contrast(x, self._drawn(len(x) * self.noise_ratio))
        logs = {"loss": loss.detach(), "accuracy": right, "log_normalizer": self.normalizer.log_z.detach().clone()}
        yield Update(loss, ("net", "normalizer"), logs)
        if self.how == "adaptive":
            yield Update.of("noise", {"loss": -self.contrast(x, self._moved(len(x) * self.noise_ratio))[0]})

    def contrast(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The classifier's mean negative log-likelihood for data and noise, and how often it is right (2012, eq. 8)."""
        real, fake = self.logit(x), self.logit(y)
        loss = softplus(-real).mean() + self.noise_ratio * softplus(fake).mean()
        share = 1 / (1 + self.noise_ratio)
        right = share * (real > 0).float().mean() + (1 - share) * (fake < 0).float().mean()
        return loss, right.detach()

    def logit(self, x: Tensor) -> Tensor:
        """Log-odds of being data, (B, D) -> (B,): what a discriminator gives (2014, section 3)."""
        return self.log_ratio(x) - math.log(self.noise_ratio)

    def log_ratio(self, x: Tensor) -> Tensor:
        """-E - c - ln q of values, (B, D) -> (B,)."""
        return -self.net(x) - self.normalizer.log_z - self.noise.log_prob(x)

    def _drawn(self, n: int) -> Tensor:
        """Noise, (n, D)."""
        return self.noise.sample(n) if isinstance(self.noise, Flow) else self.noise.draw(n)

    def _moved(self, n: int) -> Tensor:
        """Noise through which gradients reach the flow, (n, D)."""
        flow = cast(Flow, self.noise)
        return flow(flow.prior(n).to(flow.standardize.loc), inverse=True)

    @torch.no_grad()
    def begin(self, n: int) -> Tensor:
        """Noise, (n, dims)."""
        return self._drawn(n)
