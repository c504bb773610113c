"""Denoising diffusion: a net learns to remove noise of every strength, and data come of noise by removing all of it.

References:
    Deep Unsupervised Learning using Nonequilibrium Thermodynamics, Sohl-Dickstein et al., 2015 (arXiv 1503.03585).
    Denoising Diffusion Probabilistic Models, Ho, Jain & Abbeel, 2020 (arXiv 2006.11239).
    Improved Denoising Diffusion Probabilistic Models, Nichol & Dhariwal, 2021 (arXiv 2102.09672).
    Progressive Distillation for Fast Sampling of Diffusion Models, Salimans & Ho, 2022 (arXiv 2202.00512): v.
    Efficient Diffusion Training via Min-SNR Weighting Strategy, Hang et al., 2023 (arXiv 2303.09556).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import torch
from torch import Tensor

from counterfeit.core import Clock, Draw, Spec, Update, check_labels, check_request
from counterfeit.models.diffusion.shared.bound import Chain
from counterfeit.models.diffusion.shared.model import DiffusionModel, LabelSettings
from counterfeit.models.diffusion.shared.nets import DenoiserNets
from counterfeit.models.diffusion.shared.noise import NoiseLevel, NoiseSettings
from counterfeit.models.diffusion.shared.samplers import SECOND_ORDER, Predict, Prediction, SamplingSettings

__all__ = ["PREDICTIONS", "Diffusion", "PredictionName"]

PredictionName = Literal["epsilon", "x0", "v"]
VarianceName = Literal["fixed-small", "fixed-large", "learned"]
WeightingName = Literal["simple", "epsilon", "x0", "v", "min-snr"]
BOUND_WEIGHT = 1e-3  # of the bound beside the squared error, where the variance is learned (Nichol & Dhariwal, eq. 16)
MIN_SNR = 5.0  # at which weights of min-snr stop growing (Hang et al., 2023)

PREDICTIONS: Mapping[str, Callable[[Tensor, Tensor, NoiseLevel], tuple[Tensor, Tensor]]] = {
    "epsilon": lambda out, z, level: ((z - level.sigma * out) / level.alpha, out),
    "x0": lambda out, z, level: (out, (z - level.alpha * out) / level.sigma),
    "v": lambda out, z, level: (level.alpha * z - level.sigma * out, level.sigma * z + level.alpha * out),
}
"""(output, z, level) -> x and ε in z = α x + σ ε, for a net that predicts ε, x, or v = α ε - σ x."""


def _target(prediction: str, m: Tensor, noise: Tensor, level: NoiseLevel) -> Tensor:
    """What a net of that prediction is to say of z = α m + σ noise, (B, *shape)."""
    return {"epsilon": noise, "x0": m, "v": level.alpha * noise - level.sigma * m}[prediction]


def _log_weight(weighting: str, log_snr: Tensor) -> Tensor:
    """Log of the weight, (B,), of the squared error of x, by which a loss is that of another prediction."""
    if weighting == "epsilon":
        return log_snr
    if weighting == "min-snr":
        return log_snr.clamp(max=math.log(MIN_SNR))
    return -torch.nn.functional.logsigmoid(-log_snr) if weighting == "v" else torch.zeros_like(log_snr)


class Diffusion(DiffusionModel):
    """A denoising diffusion model: q(z_t | x) = N(α_t x, σ_t² I), and a net that tells x from ε in z_t.

    The loss is a weighted squared error of what the net predicts, at times drawn evenly from [0, 1]. `simple` weighs
    all alike, as L_simple of Ho et al. (2020, eq. 14) does for ε; `epsilon`, `x0` and `v` give the weights that a net
    of this prediction would have; min-snr those of x0, in proportion to the SNR up to 5.

    References:
        Denoising Diffusion Probabilistic Models, Ho, Jain & Abbeel, 2020 (arXiv 2006.11239): epsilon, linear.
        Improved Denoising Diffusion Probabilistic Models, Nichol & Dhariwal, 2021 (arXiv 2102.09672): learned variance.

    Arguments:
        spec: what the data are.
        prediction: what the net predicts: the noise, the data, or v = α ε - σ x, good at every level of noise.
        variance: of a step of the chain: that of the posterior given x (fixed-small), of the noise that the step added
            (fixed-large), or learned between them.
        weighting: of squared errors at different levels of noise.
        noise: which levels there are.
        labels: whether the net sees labels.
        sampling: how samples are drawn.
        nets: what the net is.

    Raises:
        ValueError: where a setting is out of range.

    Example:
        >>> model = Diffusion(Spec((1, 8, 8)), nets=DenoiserNets(width=8, multipliers=(1, 2), blocks=1))
        >>> model.sample(2).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(
        self, spec: Spec, prediction: PredictionName = "v", variance: VarianceName = "fixed-small",
        weighting: WeightingName = "simple", noise: NoiseSettings = NoiseSettings(),  # noqa: B008
        labels: LabelSettings = LabelSettings(), sampling: SamplingSettings = SamplingSettings(),  # noqa: B008
        nets: DenoiserNets = DenoiserNets(),  # noqa: B008
    ) -> None:  # fmt: skip
        super().__init__(spec, nets, labels, sampling, outputs=2 if variance == "learned" else 1)
        self.prediction, self.variance, self.weighting, self.noise = prediction, variance, weighting, noise
        self.chain = Chain(self.scaling, noise.levels(noise.timesteps))

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:  # noqa: ARG002
        """Descend the weighted squared error at random times, and the bound where the variance is learned."""
        batch = draw()
        m, noise, y = self.noisy(batch)
        t, learned = torch.rand(len(m), device=m.device), self.variance == "learned"
        i = (t * self.noise.timesteps).long()
        level = self.chain.level(i, m) if learned else self.level_at(t).like(m)
        z = level.noised(m, noise)
        out = self.net(z, level.log_snr.flatten(), y)
        errors = (out[:, 0] - _target(self.prediction, m, noise, level)).square().flatten(1).mean(1)
        losses = {"squared_error": (self._weight(level.log_snr.flatten()) * errors).mean()}
        if learned:
            found = self._found(z, level, out)
            fixed = found._replace(x=found.x.detach(), noise=found.noise.detach())
            cost = self.chain.cost(i, batch.x, fixed).mean() * self.noise.timesteps / self.spec.dims
            losses["bound"] = BOUND_WEIGHT * cost
        yield Update.of("net", losses)

    def _weight(self, log_snr: Tensor) -> Tensor:
        """Of squared errors of the prediction at levels of noise, (B,)."""
        if self.weighting == "simple":
            return torch.ones_like(log_snr)
        return (_log_weight(self.weighting, log_snr) - _log_weight(self.prediction, log_snr)).exp()

    def level_at(self, t: Tensor) -> NoiseLevel:
        """The level of noise at times in [0, 1], from the least to the most."""
        return NoiseLevel.of(self.noise.log_snr(t))

    def levels_of(self, steps: int) -> list[NoiseLevel]:
        """Where samplers stop, from the most noise on; the data come after them, in the place of the least noise."""
        even = self.noise.spacing == "log-snr" or (self.noise.spacing == "auto" and self.sampler in SECOND_ORDER)
        return (self.noise.even_levels(steps + 1) if even else self.noise.levels(steps + 1))[:-1]

    def denoised(self, z: Tensor, level: NoiseLevel, y: Tensor | None) -> Prediction:
        """What data and noise are in `z`, (B, *shape), as the net says; `y` as it sees labels, (B,)."""
        return self._found(z, level, self.net(z, level.log_snr.to(z).flatten().expand(len(z)), y))

    def _found(self, z: Tensor, level: NoiseLevel, out: Tensor) -> Prediction:
        """What the outputs of the net, (B, outputs, *shape), mean."""
        x, noise = PREDICTIONS[self.prediction](out[:, 0], z, level)
        if self.variance == "learned":
            return Prediction(x, noise, 0.5 * (out[:, 1].clamp(-1, 1) + 1))
        return Prediction(x, noise, float(self.variance == "fixed-large"))

    def elbo(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Evidence lower bound of the chain of `timesteps` in nats of the data as given, (B,).

        Of log p(x), or of log p(x | y) of the labels `y`, (B,), where the model is conditional and they are given.
        """
        self.spec.check(x, "Diffusion.elbo")
        return self.chain.elbo(x, self._unguided(y, len(x)), self.noise.bound_terms)

    def iwae(self, x: Tensor, k: int, y: Tensor | None = None) -> Tensor:
        """Importance-weighted bound with `k` whole paths from the data to noise, in nats, (B,).

        Every path asks the net at all `timesteps`. Of log p(x), or of log p(x | y) where labels are given.
        """
        self.spec.check(x, "Diffusion.iwae")
        if k < 1:
            raise ValueError(f"k={k} came; at least one importance sample is expected. Ask for k >= 1.")
        predict = self._unguided(None if y is None else y.repeat_interleave(k), len(x) * k)
        return self.chain.log_weight(x.repeat_interleave(k, 0), predict).view(-1, k).logsumexp(1) - math.log(k)

    def _unguided(self, y: Tensor | None, n: int) -> Predict:
        """What the chain of the model is asked: likelihoods are of the model without guidance."""
        check_request(max(n, 1), None if self.labels else y)
        seen = None if y is None else check_labels(y, n, self.labels).to(self.device)
        return lambda z, level: self.estimate(z, level, seen, guidance=1.0)
