"""Score matching: an energy learned by the gradient of its logarithm, in which the normalizer has no part.

References:
    Estimation of Non-Normalized Statistical Models by Score Matching, Hyvärinen, 2005.
    A Connection Between Score Matching and Denoising Autoencoders, Vincent, 2011.
    Sliced Score Matching, Song, Garg, Shi & Ermon, 2019 (arXiv 1905.07088).
    Generative Modeling by Estimating Gradients of the Data Distribution, Song & Ermon, 2019 (arXiv 1907.05600).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import torch
from torch import Tensor

from counterfeit.core import Batch, Clock, Draw, Kind, Spec, Update
from counterfeit.models.autoregressive.shared.model import expect
from counterfeit.models.energy.shared.chain_model import LangevinModel
from counterfeit.models.energy.shared.unnormalized import EnergyName, Unnormalized, unnormalized
from counterfeit.models.flow.shared.model import REAL

__all__ = ["ScoreMatching", "denoising", "exact", "sliced"]

Criterion = Literal["exact", "sliced", "denoising"]
MOST = 100  # values of which every second derivative is taken


def exact(energy: Unnormalized, x: Tensor) -> Tensor:
    """Tr ∇s + |s|²/2 of the score s, (B, D) -> (B,) (2005, eq. 4): D more derivatives."""
    x = x.detach().requires_grad_()
    s = energy.score(x)
    trace = [torch.autograd.grad(s[:, i].sum(), x, create_graph=True)[0][:, i] for i in range(x.shape[1])]
    return torch.stack(trace, 1).sum(1) + s.square().sum(1) / 2


def sliced(energy: Unnormalized, x: Tensor) -> Tensor:
    """V·∇(v·s) + |s|²/2 for a random direction v of signs, (B,): the exact criterion on average (2019, eq. 8)."""
    x = x.detach().requires_grad_()
    s, v = energy.score(x), torch.randn_like(x).sign()
    (along,) = torch.autograd.grad((s * v).sum(), x, create_graph=True)
    return (along * v).sum(1) + s.square().sum(1) / 2


def denoising(energy: Unnormalized, x: Tensor, scale: float) -> Tensor:
    """|σ s(x + σ ε) + ε|²/2, (B,), whose σ is `scale` standard deviations of the data (2011, eq. 11, times σ²)."""
    noise, width = torch.randn_like(x), scale * energy.std
    return (width * energy.score(x + width * noise) + noise).square().sum(1) / 2


class ScoreMatching(LangevinModel):
    """An energy whose score -∇E is fitted to that of the data, which needs neither normalizer nor samples.

    Integration by parts rids the expected distance between both scores of that of the data, which nobody knows (exact);
    random directions make it cheap (sliced); and the score of data with noise has a closed form example by example
    (denoising), for the price of learning the density of data with noise.

    References:
        Estimation of Non-Normalized Statistical Models by Score Matching, Hyvärinen, 2005.
        A Connection Between Score Matching and Denoising Autoencoders, Vincent, 2011.
        Sliced Score Matching, Song et al., 2019 (arXiv 1905.07088).

    Arguments:
        spec: what the data are; real values.
        energy: mlp, a perceptron; or one with a closed form: gaussian, mixture (of Gaussians), ica (independent
            components).
        hidden: sizes of the perceptron's hidden layers.
        components: of the mixture.
        criterion: exact, sliced or denoising.
        noise_scale: standard deviation of the noise of denoising, in those of the data.
        sampling_steps: steps of Langevin dynamics, each accepted or refused, to a sample.
        langevin_step: size of the first of these, in standard deviations of the data.

    Raises:
        ValueError: where the data are not real values, are too many for exact derivatives, or a number is none.

    Example:
        >>> model = ScoreMatching(Spec((2,), "real"))
        >>> model.score(model.sample(3), torch.zeros(3)).shape
        torch.Size([3, 2])
    """

    transforms: Mapping[Kind, tuple[str, ...]] = {"image": ("dequantize", "logit")}

    def __init__(
        self, spec: Spec, energy: EnergyName = "mlp", hidden: tuple[int, ...] = (128, 128), components: int = 10,
        criterion: Criterion = "sliced", noise_scale: float = 0.1, sampling_steps: int = 500,
        langevin_step: float = 0.3,
    ) -> None:  # fmt: skip
        expect(spec, "real", "ScoreMatching", REAL)
        if criterion == "exact" and spec.dims > MOST:
            raise ValueError(f"{spec.dims} values came; exact derivatives are for up to {MOST}. Take criterion sliced.")
        if components < 1 or sampling_steps < 0 or not min(noise_scale, langevin_step) > 0:
            came = f"components={components}, noise_scale={noise_scale}, sampling_steps={sampling_steps} came"
            raise ValueError(f"{came} with langevin_step={langevin_step}; numbers above 0 are expected. Raise them.")
        net = unnormalized(energy, spec.dims, hidden, components)
        super().__init__(spec, net, sampling_steps, langevin_step)
        self.criterion, self.noise_scale = criterion, noise_scale

    def initialize(self, data: Batch) -> None:
        """See the moments of the data."""
        self.net.fit(data.x.flatten(1))

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:  # noqa: ARG002
        """Descend the criterion."""
        x = draw().x.flatten(1)
        of: dict[Criterion, Callable[[], Tensor]] = {
            "exact": lambda: exact(self.net, x),
            "sliced": lambda: sliced(self.net, x),
            "denoising": lambda: denoising(self.net, x, self.noise_scale),
        }
        loss = of[self.criterion]().mean()
        yield Update(loss, logs={"loss": loss.detach()})

    def begin(self, n: int) -> Tensor:
        """Draws of the normal distribution with the data's mean and twice their standard deviation, (n, dims)."""
        return self.net.loc + 2 * self.net.std * torch.randn(n, self.spec.dims, device=self.device)
