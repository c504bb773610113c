"""Residual adversarial nets with a spectrally normalized discriminator.

References:
    Spectral Normalization for Generative Adversarial Networks, Miyato et al., 2018 (arXiv 1802.05957).
"""

from __future__ import annotations

from counterfeit.core import Spec
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.featured import FeaturedGAN
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.nets.residual import ResidualDiscriminator, ResidualGenerator

__all__ = ["SNGAN"]

SETTINGS = GANSettings(objective="hinge", discriminator_steps=5)


class SNGAN(FeaturedGAN):
    """Spectrally normalized adversarial nets: residual players, whose discriminator has weights of norm 1.

    References:
        Spectral Normalization for Generative Adversarial Networks, Miyato et al., 2018 (arXiv 1802.05957).

    Arguments:
        spec: what the data are: gray or RGB images whose sides can be halved.
        width: channels of every level of the generator.
        discriminator_width: channels of every level of the discriminator.
        prior: over the noise in a code.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the data are no images or their sides cannot be halved.

    Example:
        >>> SNGAN(Spec((3, 32, 32)), width=8, discriminator_width=8).sample(2).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(
        self, spec: Spec, width: int = 256, discriminator_width: int = 128,
        prior: Prior = Prior(noise_dim=128), settings: GANSettings = SETTINGS,  # noqa: B008
    ) -> None:  # fmt: skip
        generator = ResidualGenerator(spec, prior.noise_dim, width)
        discriminator = ResidualDiscriminator(spec, discriminator_width)
        super().__init__(spec, generator, discriminator, prior, settings)
