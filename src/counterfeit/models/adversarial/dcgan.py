"""Deep convolutional adversarial nets.

The first nets of convolutions alone with which adversarial training was stable: strides in place of pooling, batch
normalization in both players, and no hidden layer that is fully connected.

References:
    Unsupervised Representation Learning with Deep Convolutional GANs, Radford et al., 2015 (arXiv 1511.06434).
"""

from __future__ import annotations

from counterfeit.core import Spec
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.featured import FeaturedGAN
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.nets.conv import ConvPlayers

__all__ = ["DCGAN"]


class DCGAN(FeaturedGAN):
    """Deep convolutional adversarial nets, for images of 28, 32, 64 or any side that can be halved.

    References:
        Unsupervised Representation Learning with Deep Convolutional GANs, Radford et al., 2015 (arXiv 1511.06434).

    Arguments:
        spec: what the data are: gray or RGB images.
        nets: sizes and norms of both players.
        prior: over the noise in a code.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the data are no images or their sides cannot be halved.

    Example:
        >>> DCGAN(Spec((3, 32, 32)), ConvPlayers(width=8, discriminator_width=8)).sample(2).shape
        torch.Size([2, 3, 32, 32])
    """

    default_nets = ConvPlayers()
    default_prior = Prior()
    default_settings = GANSettings()

    def __init__(
        self,
        spec: Spec,
        nets: ConvPlayers | None = None,
        prior: Prior | None = None,
        settings: GANSettings | None = None,
    ) -> None:
        nets, prior = nets or self.default_nets, prior or self.default_prior
        generator, discriminator = nets.generator(spec, prior.noise_dim), nets.discriminator(spec)
        super().__init__(spec, generator, discriminator, prior, settings or self.default_settings)
        self.nets = nets
