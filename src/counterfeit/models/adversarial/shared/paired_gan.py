"""A generator that has a target for everything it makes, and an adversary beside the error.

References:
    Context Encoders: Feature Learning by Inpainting, Pathak et al., 2016 (arXiv 1604.07379), for the sum of both.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor

from counterfeit.core import Batch, Clock, Draw, Net, Spec, Update
from counterfeit.models.adversarial.shared.alternating import AlternatingGAN, GANSettings, Losses

__all__ = ["PairedGAN"]


class PairedGAN(AlternatingGAN[Tensor]):
    """The generator descends its errors and, weighted, an adversarial loss: errors alone blur what they cannot tell.

    Arguments:
        spec: what the data are.
        generator: what `generate` asks.
        discriminator: examples (B, *shape) -> (B, 1), a logit.
        adversarial_weight: of the adversarial loss; at 0 the generator is trained by itself.
        settings: what the game is played for, and what keeps it stable; new samples would be the same, so none are
            drawn.

    Raises:
        ValueError: where the weight is negative, or the objective is no function of the discriminator's output.
    """

    def __init__(
        self, spec: Spec, generator: Net, discriminator: Net, adversarial_weight: float, settings: GANSettings
    ) -> None:
        super().__init__(spec, generator, discriminator, replace(settings, resample_noise=False))
        if not adversarial_weight >= 0:
            raise ValueError(f"adversarial_weight={adversarial_weight} came; at least 0 is expected. Raise it.")
        self.adversarial_weight = adversarial_weight

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        """Algorithm 1, or the generator's move alone where there is no game."""
        if self.adversarial_weight:
            yield from super().updates(draw, clock)
        else:
            real = draw()
            yield self.generator_update(real, self.generate(real))

    @abstractmethod
    def errors(self, x: Tensor, fake: Tensor) -> Losses:
        """Named and weighted errors of what was made in the place of `x`, scalars."""

    def generator_update(self, real: Batch, fake: Tensor) -> Update:
        """The generator descends its errors, and an adversarial loss where there is a game."""
        losses = self.errors(real.x, fake)
        if self.adversarial_weight:
            adversarial = self.objective.generator(self.judged(real, fake))
            losses["adversarial"] = self.adversarial_weight * adversarial
        return Update.of("generator", losses)

    def discriminator_update(self, real: Batch, fake: Tensor, clock: Clock) -> Update:
        """The discriminator tells data from what was made in their place."""
        fake = fake.detach()
        on_real, on_fake = self.judged(real, real.x), self.judged(real, fake)
        losses = {"loss": self.settings.discriminator_loss(on_real, on_fake)}
        losses |= self.penalty(lambda x: self.judged(real, x).mean(1), real.x, fake, clock)
        return Update.of("discriminator", losses, self.shown(on_real, on_fake))

    def judged(self, real: Batch, x: Tensor) -> Tensor:  # noqa: ARG002
        """What the discriminator says of `x`, made in the place of a minibatch or its own: (B, outputs) to play for."""
        return self.discriminator_outputs(x)[:, :1]

    def discriminator_outputs(self, x: Tensor, y: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """The discriminator's logit of examples `x`, (B, 1), augmented and blurred while training."""
        if self.training:
            return self.discriminator(self.settings.augmented(x))
        self.spec.check(x, f"{type(self).__name__}.discriminator_outputs")
        return self.discriminator(x)
