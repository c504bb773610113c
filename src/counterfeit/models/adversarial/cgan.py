"""Conditional adversarial nets: both players are conditioned on the label.

References:
    Conditional Generative Adversarial Nets, Mirza and Osindero, 2014 (arXiv 1411.1784).
    cGANs with Projection Discriminator, Miyato and Koyama, 2018 (arXiv 1802.05637).
"""

from __future__ import annotations

from counterfeit.core import Spec
from counterfeit.losses import OBJECTIVES
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.featured import FeaturedGAN
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.nets.conv import Condition, ConvPlayers

__all__ = ["CGAN"]


class CGAN(FeaturedGAN):
    """Conditional adversarial nets: the generator draws from p(x | y), and the discriminator separates pairs (x, y).

    References:
        Conditional Generative Adversarial Nets, Mirza and Osindero, 2014 (arXiv 1411.1784).
        cGANs with Projection Discriminator, Miyato and Koyama, 2018 (arXiv 1802.05637).

    Arguments:
        spec: what the data are: gray or RGB images with labels.
        condition: how the discriminator sees the label: as channels of the image, or projected on its features.
        nets: sizes and norms of both players.
        prior: over the noise in a code.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the data are no images, or have no labels, or features that know none are to be matched.

    Example:
        >>> model = CGAN(Spec((1, 8, 8), classes=10), nets=ConvPlayers(width=8, discriminator_width=8))
        >>> model.sample(2).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(
        self, spec: Spec, condition: Condition = "projection", nets: ConvPlayers = ConvPlayers(),  # noqa: B008
        prior: Prior = Prior(), settings: GANSettings = GANSettings(),  # noqa: B008
    ) -> None:  # fmt: skip
        if OBJECTIVES[settings.objective].features and condition == "projection":
            raise ValueError(
                f"objective {settings.objective} came with condition projection, by which features know no label; "
                "those that do are expected. Take condition concatenate, or another objective."
            )
        generator = nets.generator(spec, prior.noise_dim + spec.classes)
        discriminator = nets.discriminator(spec, classes=spec.classes, condition=condition)
        super().__init__(spec, generator, discriminator, prior, settings, conditional=True)
        self.nets = nets
