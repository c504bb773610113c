"""The adversarial game of a generator of samples and a discriminator, which most of the family play.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from counterfeit.core import (
    Batch,
    Clock,
    Net,
    Spec,
    Structure,
    Update,
    check_codes,
    check_labels,
    check_request,
    labels_seen,
)
from counterfeit.models.adversarial.shared.alternating import AlternatingGAN, GANSettings, Losses
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.nets.layers import MinibatchDeviation, MinibatchDiscrimination

__all__ = ["Fake", "SamplingGAN"]

# real and fake must not share what these see
POOLING = (nn.BatchNorm1d, nn.BatchNorm2d, MinibatchDeviation, MinibatchDiscrimination)


class Fake(NamedTuple):
    """Samples in training: `x`, (B, *shape), made from the codes `z`, (B, code_dim).

    The discriminator is conditioned on `y`, (B, …), with samples, and with data on the same, or on `real_y` where it
    is given: labels where the game is conditional, codes where data have some too.
    """

    x: Tensor
    z: Tensor
    y: Tensor | None
    real_y: Tensor | None = None

    def conditioning(self) -> tuple[Tensor | None, Tensor | None]:
        """What the discriminator is conditioned on beside data and beside samples, without gradients."""
        on_real = self.y if self.real_y is None else self.real_y
        return None if on_real is None else on_real.detach(), None if self.y is None else self.y.detach()


class SamplingGAN(AlternatingGAN[Fake]):
    """Two players over one value function: `discriminator` descends, then `generator`, or both at once.

    Arguments:
        spec: what the data are.
        generator: codes (B, code_dim) -> examples (B, *shape).
        discriminator: examples, and labels where it is conditional -> (B, 1 + more): a logit, and what losses beside
            the objective's use. Its `features`, (B, features), are asked for where the objective is a function of them.
        prior: over the noise in a code, which a conditional game lets the label follow, one-hot.
        settings: what the game is played for, and what keeps it stable.
        conditional: whether both players are conditioned on labels.

    Raises:
        ValueError: where a conditional game has data without labels.
    """

    frequencies: Tensor
    compares = True
    makers: tuple[str, ...] = ("generator",)
    """The parts that move with the generator."""
    categories: int = 0
    """Values of a category in every code, which data never show; 0 for none."""

    def __init__(
        self, spec: Spec, generator: Net, discriminator: Net, prior: Prior, settings: GANSettings,
        conditional: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(spec, generator, discriminator, settings)
        labels_seen(spec, conditional)
        self.noise, self.noise_dim, self.conditional = prior, prior.noise_dim, conditional
        if conditional:
            self.register_buffer("frequencies", torch.full((spec.classes,), 1 / spec.classes))
        if self.objective.features and not hasattr(discriminator, "features"):
            came = f"objective {settings.objective} came; a discriminator with features is expected"
            raise ValueError(f"{came}, not {type(discriminator).__name__}.")
        self.separate_batches = any(isinstance(module, POOLING) for module in discriminator.modules())

    @torch.no_grad()
    def initialize(self, data: Batch) -> None:
        """See how frequent labels are, where the game is conditional."""
        if self.conditional:
            y = check_labels(data.y, len(data.x), self.spec.classes)
            self.frequencies.copy_(torch.bincount(y, minlength=self.spec.classes) / len(y))

    def discriminator_losses(self, real: Batch, fake: Fake, on_real: Tensor, on_fake: Tensor) -> Losses:  # noqa: ARG002
        """What the discriminator descends to tell data from samples (2014, eq. 1), and what a paper adds.

        Arguments:
            real: the data.
            fake: the samples.
            on_real: the discriminator's outputs on data, (B, 1 + more).
            on_fake: its outputs on samples.
        """
        return {"loss": self.settings.discriminator_loss(on_real[:, :1], on_fake[:, :1])}

    def generator_losses(self, real: Batch, fake: Fake, on_fake: Tensor) -> Losses:
        """What the generator descends for its samples to be taken for data, and what a paper adds.

        Arguments:
            real: the data.
            fake: the samples.
            on_fake: the discriminator's outputs on samples, (B, 1 + more).
        """
        features, relative, real_y = self.objective.features, self.objective.relative, fake.conditioning()[0]
        if relative:
            with torch.no_grad():
                on_real = self.discriminator_outputs(real.x, real_y)
            return {"loss": relative(on_real[:, :1], on_fake[:, :1])}
        if features:
            with torch.no_grad():
                wanted = self._features(real.x, real_y)
            return {"loss": features(wanted, self._features(fake.x, fake.y))}
        return {"loss": self.objective.generator(on_fake[:, :1])}

    def discriminator_update(self, real: Batch, fake: Fake, clock: Clock) -> Update:
        """The discriminator descends its losses, and the penalty where there is one."""
        on_real, on_fake = self._outputs_on_both(real, fake)
        losses = self.discriminator_losses(real, fake, on_real, on_fake) | self.gradient_penalty(real.x, fake, clock)
        return Update.of("discriminator", losses, self.shown(on_real[:, :1], on_fake[:, :1]))

    def generator_update(self, real: Batch, fake: Fake) -> Update:
        """The generator descends its losses."""
        on_fake = self.discriminator_outputs(fake.x, fake.y)
        return Update.of(self.makers, self.generator_losses(real, fake, on_fake))

    def generate(self, real: Batch) -> Fake:
        """As many samples as there are data, with gradients, of the same labels where the game is conditional."""
        n, y = len(real.x), None
        if self.conditional:
            y = check_labels(real.y, n, self.spec.classes, values=False)  # they are the data's own
        z = self.prior(n, y)
        return Fake(self.generator(z), z, y)

    def discriminator_outputs(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The discriminator's outputs on examples `x`, (B, 1 + more), augmented and blurred while training."""
        if self.training:
            x, y = self.augmented(x, y)
        else:
            self.spec.check(x, f"{type(self).__name__}.discriminator_outputs")
        return self.discriminator(x) if y is None else self.discriminator(x, y)

    def _outputs_on_both(self, real: Batch, fake: Fake) -> tuple[Tensor, Tensor]:
        """Outputs on data and on samples, in one pass where no layer of the discriminator looks at a minibatch."""
        x, (real_y, fake_y) = fake.x.detach(), fake.conditioning()
        if self.separate_batches:
            return self.discriminator_outputs(real.x, real_y), self.discriminator_outputs(x, fake_y)
        y = None if real_y is None or fake_y is None else torch.cat([real_y, fake_y])
        on_real, on_fake = self.discriminator_outputs(torch.cat([real.x, x]), y).chunk(2)
        return on_real, on_fake

    def augmented(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """What the discriminator in training sees of examples `x`, (B, *shape), and of their conditioning, `y`."""
        return self.settings.augmented(x), y

    def _features(self, x: Tensor, y: Tensor | None) -> Tensor:
        shown = [some for some in self.augmented(x, y) if some is not None]
        return self.discriminator.features(*shown)  # type: ignore[operator]

    def gradient_penalty(self, real: Tensor, fake: Fake, clock: Clock) -> Losses:
        """The weighted penalty on the gradient of the discriminator; none where this step has none."""
        y = fake.conditioning()[0]
        return self.penalty(lambda x: self.discriminator_outputs(x, y)[:, :1], real, fake.x, clock)

    @property
    def labels(self) -> int:
        """How many labels `prior` and `sample` choose from: the data's in a conditional game, else the categories."""
        return self.spec.classes if self.conditional else self.categories

    def structure(self) -> Structure:
        """What a code is made of: noise, and a label where there are labels."""
        return Structure(self.noise_dim, self.labels)

    @property
    def code_dim(self) -> int:
        """Dimension of a code."""
        return sum(self.structure())

    def prior(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` codes, (n, code_dim): noise, then the labels `y`, (n,), one-hot where there are labels.

        Labels are as frequent as in the data, and categories equally likely, where `y` is None.
        """
        check_request(n)
        z = self.noise.draw(n, self.device)
        if not self.labels:
            return z
        y = self._labels(n) if y is None else y
        return torch.cat([z, one_hot(y, self.labels).to(z.dtype)], 1)

    def _labels(self, n: int) -> Tensor:
        if self.conditional:
            return torch.multinomial(self.frequencies, n, replacement=True)
        return torch.randint(self.labels, (n,), device=self.device)

    def decode(self, z: Tensor) -> Tensor:
        """The examples that the codes `z`, (B, code_dim), stand for, (B, *shape)."""
        check_codes(z, self.code_dim)
        return self.generator(z)

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` examples in the data's natural unit, (n, *shape), rounded where the data are binary.

        Arguments:
            n: how many.
            y: their labels, (n,), where there are labels; as frequent as in the data where None.
        """
        check_request(n, y if not self.labels else None)
        y = None if y is None else check_labels(y, n, self.labels).to(self.device)
        return self.spec.rounded(self.generator(self.prior(n, y)))
