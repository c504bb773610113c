"""Conditional adversarial nets whose discriminator also names the class.

Where a conditional discriminator is told the label and asks whether an image has it, this one is not told: it says
itself which class it sees, and the generator is rewarded for images whose class can be seen.

References:
    Conditional Image Synthesis with Auxiliary Classifier GANs, Odena et al., 2016 (arXiv 1610.09585).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from counterfeit.core import Batch, Spec, check_labels
from counterfeit.models.adversarial.shared.alternating import GANSettings, Losses
from counterfeit.models.adversarial.shared.featured import FeaturedGAN
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.models.adversarial.shared.sampling_gan import Fake
from counterfeit.nets.conv import ConvPlayers

__all__ = ["ACGAN"]


class ACGAN(FeaturedGAN):
    """Auxiliary classifier adversarial nets: both players want the class of every image to be seen.

    The discriminator maximizes L_S + L_C, the log-likelihood of the source (data or samples) and that of the class;
    the generator maximizes L_C - L_S.

    References:
        Conditional Image Synthesis with Auxiliary Classifier GANs, Odena et al., 2016 (arXiv 1610.09585).

    Arguments:
        spec: what the data are: gray or RGB images with labels.
        auxiliary_weight: weight of the log-likelihood of the class.
        nets: sizes and norms of both players; the discriminator gives the logit of being data and, beside it, one logit
            for every class.
        prior: over the noise in a code.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the data are no images, or have no labels.

    Example:
        >>> model = ACGAN(Spec((1, 8, 8), classes=10), nets=ConvPlayers(width=8, discriminator_width=8))
        >>> model.classify(model.sample(2)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self, spec: Spec, auxiliary_weight: float = 1.0, nets: ConvPlayers = ConvPlayers(),  # noqa: B008
        prior: Prior = Prior(), settings: GANSettings = GANSettings(),  # noqa: B008
    ) -> None:  # fmt: skip
        generator = nets.generator(spec, prior.noise_dim + spec.classes)
        discriminator = nets.discriminator(spec, outputs=1 + spec.classes)
        super().__init__(spec, generator, discriminator, prior, settings, conditional=True)
        self.nets = nets
        self.auxiliary_weight = auxiliary_weight

    def discriminator_outputs(self, x: Tensor, y: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """The logit and the logits of the classes, (B, 1 + classes); the label stays hidden, for it is to be named."""
        return super().discriminator_outputs(x)

    def discriminator_losses(self, real: Batch, fake: Fake, on_real: Tensor, on_fake: Tensor) -> Losses:
        """L_S, and less the log-likelihood L_C of the class of data and of samples (eq. 2 and 3)."""
        source = super().discriminator_losses(real, fake, on_real, on_fake)
        return source | {"class": self._class_loss(torch.cat([on_real, on_fake]), real)}

    def generator_losses(self, real: Batch, fake: Fake, on_fake: Tensor) -> Losses:
        """L_S from the other side, and less L_C, which both players raise (eq. 3)."""
        return super().generator_losses(real, fake, on_fake) | {"class": self._class_loss(on_fake, real)}

    def _class_loss(self, outputs: Tensor, real: Batch) -> Tensor:
        labels = check_labels(real.y, len(real.x), self.spec.classes, values=False)
        repeated = labels.repeat(len(outputs) // len(labels))
        return self.auxiliary_weight * cross_entropy(outputs[:, 1:], repeated)

    def classify(self, x: Tensor) -> Tensor:
        """Log-probability of each class in nats, (B, classes)."""
        self.spec.check(x, "ACGAN.classify")
        return self.discriminator(x)[:, 1:].log_softmax(1)
