"""What every diffusion model does once it can say what is data and what is noise: samples, scores, completions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from counterfeit.core import Batch, Model, Spec, check_labels, check_request
from counterfeit.models.diffusion.shared.likelihood import flow_levels, integrate
from counterfeit.models.diffusion.shared.nets import DenoiserNets
from counterfeit.models.diffusion.shared.noise import CLEAN, NoiseLevel
from counterfeit.models.diffusion.shared.samplers import (
    SAMPLERS,
    VARIANCE_EXPLODING,
    Path,
    Predict,
    Prediction,
    SamplingSettings,
    ancestral,
    walk,
)
from counterfeit.models.diffusion.shared.scaling import Scaling
from counterfeit.models.diffusion.shared.shrinking import Shrinking
from counterfeit.nets.masks import check_mask

__all__ = ["DiffusionModel", "LabelSettings"]


@dataclass(frozen=True)
class LabelSettings:
    """Whether a model sees labels, and how strongly samples follow them.

    Arguments:
        conditional: whether it sees them, where the data have some, and `sample` takes them.
        label_dropout: share of training examples whose label is hidden, so that the model also knows p(x) (Ho &
            Salimans, 2022, arXiv 2207.12598).
        guidance: by how much samples follow the label: predictions are those without it plus so many times what the
            label changes; 1 is the conditional model, 0 the unconditional one, and more sharpens.

    Raises:
        ValueError: where the share is not between 0 and 1, or guidance is negative.
    """

    conditional: bool = False
    label_dropout: float = 0.1
    guidance: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.label_dropout < 1 or self.guidance < 0:
            came = f"label_dropout={self.label_dropout}, guidance={self.guidance} came"
            raise ValueError(f"{came}; a share between 0 and 1, and at least 0, are expected. Correct them.")


class DiffusionModel(Model):
    """A model that says at every level of noise z = α x + σ ε what x and ε are.

    Arguments:
        spec: what the data are.
        nets: what the net is.
        labels: whether it sees labels.
        sampling: how samples are drawn.
        outputs: of the net, for each value.
    """

    shows_samples = True
    samplers = tuple(SAMPLERS)
    path: Path = VARIANCE_EXPLODING
    frequencies: Tensor

    def __init__(
        self, spec: Spec, nets: DenoiserNets, labels: LabelSettings, sampling: SamplingSettings, outputs: int = 1
    ) -> None:  # fmt: skip
        known = spec.classes if labels.conditional else 0
        super().__init__(spec)
        self.levels = spec.kind == "image"
        self.conditional, self.labels, self.label_settings = known > 0, known, labels
        self.nets, self.sampling, self.guidance = nets, sampling, labels.guidance
        self.sampler, self.sampling_steps = str(sampling.sampler), sampling.sampling_steps
        self.scaling, self.net = Scaling(spec), nets.build(spec, known, outputs)
        self.register_buffer("frequencies", torch.full((max(1, known),), 1 / max(1, known)))
        if known:
            self.domains = known  # without which it does not translate
        if spec.kind == "image":
            self.factor = sampling.factor  # without which it does not upscale

    @abstractmethod
    def level_at(self, t: Tensor) -> NoiseLevel:
        """The level of noise at times in [0, 1], from the least to the most."""

    @abstractmethod
    def denoised(self, z: Tensor, level: NoiseLevel, y: Tensor | None) -> Prediction:
        """What data and noise are in `z`, (B, *shape), as the net says; `y` as it sees labels, (B,)."""

    @torch.no_grad()
    def initialize(self, data: Batch) -> None:
        """See the moments of real values, and how frequent labels are."""
        self.scaling.fit(data.x)
        if self.labels:
            y = check_labels(data.y, len(data.x), self.labels)
            self.frequencies.copy_(torch.bincount(y, minlength=self.labels) / len(y))

    def noisy(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
        """Data of a minibatch in the unit of the noise, noise for them, and labels, of which some are hidden."""
        m = self.scaling.inward(batch.x)
        noise = torch.randn_like(m)
        if not self.labels:
            return m, noise, None
        hidden = torch.rand(len(m), device=m.device) < self.label_settings.label_dropout
        return m, noise, torch.where(hidden, self.labels, batch.labels)

    def estimate(
        self, z: Tensor, level: NoiseLevel, y: Tensor | None = None, clip: bool = True, guidance: float | None = None
    ) -> Prediction:  # fmt: skip
        """What data and noise are in `z`, (B, *shape), guided by the labels `y`, (B,).

        Arguments:
            z: examples at this level of noise.
            level: of noise.
            y: labels; where None, the prediction is that of the unconditional model.
            clip: whether predicted data are held to the range of pictures, if the settings say so.
            guidance: in place of the model's own.
        """
        hidden = torch.full((len(z),), self.labels, device=z.device) if self.labels else None
        weight = self.guidance if guidance is None else guidance
        found = self.denoised(z, level, hidden if y is None or weight == 0 else y)
        if y is not None and weight not in (0, 1):
            found = _guided(self.denoised(z, level, hidden), found, weight)
        x = self.scaling.clipped(found.x) if clip and self.sampling.clip else found.x
        return found if x is found.x else found._replace(x=x, noise=_rest(z, x, level, found.noise))

    def levels_of(self, steps: int) -> list[NoiseLevel]:
        """Where samplers stop, from the most noise on; the data come after them."""
        times = torch.linspace(1, 0, steps + self.path.closed, dtype=torch.float64)[:steps]
        return [self.level_at(t) for t in times]

    def trajectory(self, n: int, y: Tensor | None = None) -> Iterator[Tensor]:
        """What samples are after each of `sampling_steps`, (n, *shape), of the labels `y`, (n,), where there are some.

        Labels are as frequent as in the data where `y` is None.
        """
        check_request(n, None if self.labels else y)
        if self.labels:
            free = torch.multinomial(self.frequencies, n, replacement=True) if y is None else y
            y = check_labels(free, n, self.labels).to(self.device)
        z = torch.randn(n, *self.spec.shape, device=self.device)
        return (self.scaling.outward(z) for z in self._steps(lambda z, level: self.estimate(z, level, y), z))

    def _steps(self, predict: Predict, z: Tensor) -> Iterator[Tensor]:
        """Where z, (B, *shape), is after each step to the data, by the sampler in use."""
        ways = self.sampler, self.path, self.sampling.eta, self.sampling.churn
        return (z for _, z in walk(predict, z, self.levels_of(self.sampling_steps), *ways))

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` examples, (n, *shape), of the labels `y`, (n,), where there are labels and they are given."""
        *_, x = self.trajectory(n, y)
        return x

    @torch.no_grad()
    def complete(self, x: Tensor, mask: Tensor, y: Tensor | None = None) -> Tensor:
        """`x` with what is missing drawn by the chain, in which what is known, `mask` 1 there, is noised data.

        Every step is taken `resampling` times, with its noise added again in between, so that both parts fit together
        (RePaint, Lugmayr et al., 2022, arXiv 2201.09865, algorithm 1).

        Arguments:
            x: examples, of which the missing values do not matter.
            mask: what is known, (B, *shape).
            y: labels, (B,), where the model is conditional.
        """
        self.spec.check(x, f"{type(self).__name__}.complete")
        known, m = check_mask(mask, x, f"{type(self).__name__}.complete") == 1, self.scaling.inward(x)
        z = torch.randn_like(m)
        for level, lower in pairwise([*self.levels_of(self.sampling_steps), CLEAN]):
            for turn in range(self.sampling.resampling):
                z = torch.where(known, level.noised(m, torch.randn_like(m)), z)
                below = ancestral(self.estimate(z, level, y), level, lower)
                if turn + 1 < self.sampling.resampling:
                    new = (level.sigma * level.share(lower).sqrt()) * torch.randn_like(m)
                    z = level.alpha / lower.alpha * below + new
            z = below
        return torch.where(known, x, self.scaling.outward(z))

    @torch.no_grad()
    def upscale(self, x: Tensor) -> Tensor:
        """Draw pictures that are `x`, (B, C, H, W), when made small: (B, C, factor H, factor W).

        At every step, what the predicted picture is when made small is replaced by `x`, and its details stay (Wang et
        al., 2023, arXiv 2212.00490, algorithm 1). The net sees pictures of the size asked for, and knows best those of
        the size it learned.

        Raises:
            ValueError: these are no such pictures.
        """
        sides = tuple(x.shape[2:]) if isinstance(x, Tensor) and x.ndim == 4 else self.spec.shape[1:]
        replace(self.spec, shape=(self.spec.shape[0], *sides)).check(x, f"{type(self).__name__}.upscale")
        shrinking = Shrinking(sides, self.factor, x)
        known = shrinking.large(2 * x - 1)

        def held(z: Tensor, level: NoiseLevel) -> Prediction:
            found = self.estimate(z, level)
            data = shrinking.held(found.x, known)
            return found._replace(x=data, noise=_rest(z, data, level, found.noise))

        *_, z = self._steps(held, torch.randn_like(known))
        return (0.5 + 0.5 * shrinking.held(z, known)).clamp(0, 1)

    @torch.no_grad()
    def translate(self, x: Tensor, to: Tensor) -> Tensor:
        """Each of `x`, (B, *shape), as if of the label that `to`, (B,), names for it.

        The differential equation takes data to their noise without labels, and the noise back to data with the label
        (Su, Song, Meng & Ermon, 2023, arXiv 2203.08382); guidance counts on the way back. Both ways by Heun's steps.
        """
        self.spec.check(x, f"{type(self).__name__}.translate")
        to = check_labels(to, len(x), self.labels).to(self.device)
        up = [self.level_at(t) for t in torch.linspace(0, 1, self.sampling_steps + 1, dtype=torch.float64)]
        free, told = partial(self.estimate, clip=False), partial(self.estimate, y=to)
        z = (up[0].alpha * self.scaling.inward(x)).to(x.dtype)
        *_, (_, z) = walk(free, z, up[:-1], "heun", self.path, end=up[-1])
        *_, (_, z) = walk(told, z, self.levels_of(self.sampling_steps), "heun", self.path)
        return self.scaling.outward(z)

    def score(self, x: Tensor, t: Tensor) -> Tensor:
        """Gradient in `x`, (B, *shape), of the log-density of data to which the noise of times `t` in [0, 1] was added.

        The noise is added to the data as they are, and not to a part α of them: p_t is the density of x + σ/α ε, in the
        unit of the data, without labels.

        Arguments:
            x: examples, (B, *shape).
            t: times, (B,), from 0 for the least noise to 1 for the most; nothing below 0.001 is looked at.
        """
        self.spec.check(x, f"{type(self).__name__}.score")
        level, m = self.level_at(t.clamp(min=1e-3)).like(x), self.scaling.inward(x)
        found = self.estimate(level.alpha * m, level, clip=False)
        return -found.noise / level.ratio / self.scaling.scale

    def flow_log_prob(self, x: Tensor) -> Tensor:
        """Log-likelihood in nats, (B,), of the differential equation between data and normal noise.

        In up to 8 dimensions by the exact trace of its Jacobian, in more by a random estimate without bias (Song et
        al., 2021, arXiv 2011.13456, eq. 39 and 40). 8-bit values are spread evenly over their 1/256 of [0, 1].
        """
        self.spec.check(x, f"{type(self).__name__}.flow_log_prob")
        ends = self.level_at(torch.zeros((), dtype=torch.float64)), self.level_at(torch.ones((), dtype=torch.float64))
        m, levels = self.scaling.inward(self.scaling.spread(x)), flow_levels(*ends, self.sampling.likelihood_steps)
        found = integrate(lambda z, level: self.estimate(z, level, clip=False), levels[0].alpha * m, levels)
        return found + self.spec.dims * levels[0].alpha.log().to(found) + self.scaling.log_volume()


def _guided(free: Prediction, told: Prediction, weight: float) -> Prediction:
    """Predictions without the label, and `weight` times what the label changes (Ho & Salimans, 2022, eq. 6)."""
    return told._replace(x=torch.lerp(free.x, told.x, weight), noise=torch.lerp(free.noise, told.noise, weight))


def _rest(z: Tensor, x: Tensor, level: NoiseLevel, noise: Tensor) -> Tensor:
    """The noise in z beside x; what it was taken to be where there is none."""
    return torch.where(level.sigma > 0, (z - level.alpha * x) / level.sigma, noise)
