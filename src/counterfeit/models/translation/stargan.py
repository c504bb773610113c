"""One generator that translates between any number of domains.

References:
    StarGAN: Unified Generative Adversarial Networks for Multi-Domain Image-to-Image Translation, Choi et al., 2018
        (arXiv 1711.09020).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, l1_loss

from counterfeit.core import Batch, Clock, Spec, Update, check_labels
from counterfeit.models.adversarial.shared.alternating import AlternatingGAN, GANSettings
from counterfeit.nets.translation import DomainDiscriminator, TranslationPlayers

__all__ = ["StarGAN"]

SETTINGS = GANSettings(objective="wasserstein", discriminator_steps=5, penalty="gradient")


class Sent(NamedTuple):
    """Images in the domains that they were taken to."""

    x: Tensor
    to: Tensor


class StarGAN(AlternatingGAN[Sent]):
    """StarGAN: one generator, conditioned on the domain to go to, and a discriminator that also names the domain.

    The domains are the data's classes.

    References:
        StarGAN: Unified Generative Adversarial Networks for Multi-Domain Image-to-Image Translation, Choi et al., 2018
            (arXiv 1711.09020).

    Arguments:
        spec: what the data are: gray or RGB images in two classes or more, whose sides can be halved.
        nets: sizes of the players.
        domain_weight: weight of the log-likelihood of the domain.
        cycle_weight: weight of the distance from an image to its translation and back; 0 leaves the cycle out.
        identity_weight: weight of the distance from an image to what becomes of it on the way to its own domain.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the data are no images, or not of two classes at least.

    Example:
        >>> model = StarGAN(Spec((3, 8, 8), classes=3), TranslationPlayers(4, 1, 4))
        >>> model.translate(torch.rand(3, 3, 8, 8), torch.tensor([0, 1, 2])).shape
        torch.Size([3, 3, 8, 8])
    """

    def __init__(
        self, spec: Spec, nets: TranslationPlayers = TranslationPlayers(blocks=6),  # noqa: B008
        domain_weight: float = 1.0, cycle_weight: float = 10.0, identity_weight: float = 0.0,
        settings: GANSettings = SETTINGS,
    ) -> None:  # fmt: skip
        if spec.classes < 2:
            raise ValueError(
                f"data of {spec.classes} classes came; StarGAN expects 2 or more, its domains. Give folders of "
                "pictures in one, or choose data with labels."
            )
        generator = nets.generator(spec, spec.classes)
        super().__init__(spec, generator, DomainDiscriminator(spec, nets.discriminator_width, spec.classes), settings)
        self.domains = spec.classes
        self.nets = nets
        self.domain_weight, self.cycle_weight, self.identity_weight = domain_weight, cycle_weight, identity_weight

    def generate(self, real: Batch) -> Sent:
        """Every image of a minibatch, taken to any domain."""
        to = self._anywhere(len(real.x))
        return Sent(self.generator(real.x, to), to)

    def _anywhere(self, n: int) -> Tensor:
        """Domains, all equally likely, (n,)."""
        return (torch.rand(n, device=self.device) * self.spec.classes).long()

    def _outputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the patches, (B, patches), and of the domains, (B, domains)."""
        out = self.discriminator(self.settings.augmented(x))
        return out[:, : -self.spec.classes], out[:, -self.spec.classes :]

    def discriminator_update(self, real: Batch, fake: Sent, clock: Clock) -> Update:
        """The discriminator tells data from translations, and names the domains of data (eq. 2)."""
        patches, domains = self._outputs(torch.cat([real.x, fake.x.detach()]))
        on_real, on_fake = patches.chunk(2)
        losses = {
            "loss": self.settings.discriminator_loss(on_real, on_fake),
            "domain": self.domain_weight * cross_entropy(domains[: len(real.x)], self._domains(real)),
        }
        losses |= self.penalty(lambda x: self._outputs(x)[0].mean(1), real.x, fake.x, clock)
        return Update.of("discriminator", losses, self.shown(on_real, on_fake))

    def generator_update(self, real: Batch, fake: Sent) -> Update:
        """The generator is taken for data of the domains (eq. 3), and finds the way back (eq. 4)."""
        patches, domains = self._outputs(fake.x)
        losses = {
            "loss": self.objective.generator(patches),
            "domain": self.domain_weight * cross_entropy(domains, fake.to),
        }
        ways = {"cycle": (self.cycle_weight, fake.x), "identity": (self.identity_weight, real.x)}
        for name, (weight, x) in ways.items():
            if weight:
                losses[name] = weight * 2 * l1_loss(self.generator(x, self._domains(real)), real.x)  # in [-1, 1]
        return Update.of("generator", losses)

    def _domains(self, real: Batch) -> Tensor:
        return check_labels(real.y, len(real.x), self.spec.classes, values=False)

    def translate(self, x: Tensor, to: Tensor) -> Tensor:
        """Images `x`, (B, C, H, W), in the domains `to`, (B,), as (B, C, H, W)."""
        self.spec.check(x, "StarGAN.translate")
        return self.generator(x, check_labels(to, len(x), self.spec.classes))
