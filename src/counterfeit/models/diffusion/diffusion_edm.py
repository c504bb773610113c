"""Diffusion with inputs and targets of unit variance at every level of noise, and noise levels drawn where they matter.

References:
    Elucidating the Design Space of Diffusion-Based Generative Models, Karras, Aittala, Aila & Laine, 2022
        (arXiv 2206.00364).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from counterfeit.core import Batch, Clock, Draw, Spec, Update
from counterfeit.models.diffusion.shared.model import DiffusionModel, LabelSettings
from counterfeit.models.diffusion.shared.nets import DenoiserNets
from counterfeit.models.diffusion.shared.noise import NoiseLevel
from counterfeit.models.diffusion.shared.samplers import Prediction, SamplingSettings

__all__ = ["DiffusionEDM", "EDMNoise", "Preconditioning"]


@dataclass(frozen=True)
class EDMNoise:
    """Which levels of noise are trained at, and which are sampled at; σ is beside data in [-1, 1] or of unit variance.

    Arguments:
        log_sigma_mean: of ln σ of training examples, which is normal.
        log_sigma_std: likewise.
        sigma_min: the least noise of samplers.
        sigma_max: the most noise of samplers.
        rho: samplers stop where the `rho`-th root of σ is evenly spread; the higher, the more steps at low noise.

    Raises:
        ValueError: where a number is not above 0, or the least noise is not below the most.
    """

    log_sigma_mean: float = -1.2
    log_sigma_std: float = 1.2
    sigma_min: float = 0.002
    sigma_max: float = 80.0
    rho: float = 7.0

    def __post_init__(self) -> None:
        if min(self.log_sigma_std, self.sigma_min, self.rho) <= 0 or self.sigma_min >= self.sigma_max:
            raise ValueError(f"{self} came; numbers above 0, sigma_min below sigma_max, are expected. Correct them.")

    def drawn(self, like: Tensor) -> Tensor:
        """A level σ for each of `like`, (B, *shape), for training: (B,)."""
        normal = torch.randn(len(like), device=like.device, dtype=like.dtype)
        return (self.log_sigma_mean + self.log_sigma_std * normal).exp()

    def sigma(self, t: Tensor) -> Tensor:
        """σ of times in [0, 1] (eq. 5)."""
        low, high = self.sigma_min ** (1 / self.rho), self.sigma_max ** (1 / self.rho)
        return (low + (high - low) * t) ** self.rho


@dataclass(frozen=True)
class Preconditioning:
    """D(y; σ) = c_skip y + c_out F(c_in y), with which F sees and predicts unit variance (table 1).

    Arguments:
        sigma_data: root mean square of the data.

    Example:
        >>> found = Preconditioning(torch.tensor(1.0))
        >>> [float(c(torch.tensor(1.0))) for c in (found.skip, found.out, found.inward)]
        [0.5, 0.7071067690849304, 0.7071067690849304]
    """

    sigma_data: Tensor

    def skip(self, sigma: Tensor) -> Tensor:
        """c_skip: the share of y that is taken for x."""
        return self.sigma_data.square() / (sigma.square() + self.sigma_data.square())

    def out(self, sigma: Tensor) -> Tensor:
        """c_out: the standard deviation of what the skip leaves to the net."""
        return sigma * self.sigma_data / (sigma.square() + self.sigma_data.square()).sqrt()

    def inward(self, sigma: Tensor) -> Tensor:
        """c_in: one over the standard deviation of y = x + σ ε."""
        return 1 / (sigma.square() + self.sigma_data.square()).sqrt()


class DiffusionEDM(DiffusionModel):
    """The diffusion model of "Elucidating the Design Space": y = x + σ ε, and D(y; σ) = c_skip y + c_out F(c_in y).

    The loss is the squared error of D, weighted by 1 / c_out² so that it is that of F, at levels σ drawn from a
    log-normal distribution. The net is told ln σ. The root mean square of the data, σ_data, is that of training
    examples.

    References:
        Elucidating the Design Space of Diffusion-Based Generative Models, Karras et al., 2022 (arXiv 2206.00364).

    Arguments:
        spec: what the data are.
        noise: which levels there are.
        labels: whether the net sees labels.
        sampling: how samples are drawn; Heun's method in the paper.
        nets: what the net is.

    Raises:
        ValueError: where a setting is out of range.

    Example:
        >>> model = DiffusionEDM(Spec((2,), "real"), nets=DenoiserNets(hidden=(16,)))
        >>> model.sample(3).shape
        torch.Size([3, 2])
    """

    sigma_data: Tensor

    def __init__(
        self, spec: Spec, noise: EDMNoise = EDMNoise(), labels: LabelSettings = LabelSettings(),  # noqa: B008
        sampling: SamplingSettings = SamplingSettings("heun", 18), nets: DenoiserNets = DenoiserNets(),  # noqa: B008
    ) -> None:  # fmt: skip
        super().__init__(spec, nets, labels, sampling)
        self.noise = noise
        self.register_buffer("sigma_data", torch.ones(()))

    @torch.no_grad()
    def initialize(self, data: Batch) -> None:
        """See the moments of the data, and how frequent labels are."""
        super().initialize(data)
        self.sigma_data.copy_(self.scaling.inward(data.x).square().mean().sqrt())

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:  # noqa: ARG002
        """Descend the squared error of F, which is that of D over c_out² (eq. 8)."""
        m, noise, y = self.noisy(draw())
        sigma = self.noise.drawn(m).view(-1, *[1] * (m.ndim - 1))
        seen, loss = m + sigma * noise, Preconditioning(self.sigma_data)
        target = (m - loss.skip(sigma) * seen) / loss.out(sigma)
        errors = (self._net(seen, sigma, y) - target).square()
        yield Update.of("net", {"squared_error": errors.mean()})

    def _net(self, seen: Tensor, sigma: Tensor, y: Tensor | None) -> Tensor:
        """F, (B, *shape), of y = x + σ ε, (B, *shape), where c_noise is ln σ / 4."""
        log_snr = (-2 * sigma.log()).to(seen).flatten().expand(len(seen))
        return self.net(Preconditioning(self.sigma_data).inward(sigma) * seen, log_snr, y)[:, 0]

    def level_at(self, t: Tensor) -> NoiseLevel:
        """The level of noise at times in [0, 1], from the least to the most."""
        sigma = self.noise.sigma(t)
        return NoiseLevel.between(torch.ones_like(sigma), sigma)

    def denoised(self, z: Tensor, level: NoiseLevel, y: Tensor | None) -> Prediction:
        """What data and noise are in `z`, (B, *shape), as the net says; `y` as it sees labels, (B,)."""
        seen, sigma, of = z / level.alpha, level.ratio, Preconditioning(self.sigma_data)
        x = of.skip(sigma) * seen + of.out(sigma) * self._net(seen, sigma, y)
        return Prediction(x, (seen - x) / sigma)
