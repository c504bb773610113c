"""Deep convolutional adversarial nets.

References:
    Unsupervised Representation Learning with Deep Convolutional GANs, Radford et al., 2015 (arXiv 1511.06434).
"""

from __future__ import annotations

from counterfeit.core import Spec
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.sampling_gan import Noise, SamplingGAN
from counterfeit.nets.conv import ConvPlayers

__all__ = ["DCGAN"]


class DCGAN(SamplingGAN):
    """Deep convolutional adversarial nets, for images of 28, 32, 64 or any side that can be halved.

    References:
        Unsupervised Representation Learning with Deep Convolutional GANs, Radford et al., 2015 (arXiv 1511.06434).

    Arguments:
        spec: what the data are: gray or RGB images.
        nets: sizes and norms of both players.
        noise: the prior over codes, of unit variance.
        noise_dim: size of a code.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the data are no images or their sides cannot be halved.

    Example:
        >>> DCGAN(Spec((3, 32, 32)), ConvPlayers(width=8, discriminator_width=8)).sample(2).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(
        self,
        spec: Spec,
        nets: ConvPlayers = ConvPlayers(),  # noqa: B008
        noise: Noise = "gaussian",
        noise_dim: int = 100,
        settings: GANSettings = GANSettings(),  # noqa: B008
    ) -> None:
        generator, discriminator = nets.generator(spec, noise_dim), nets.discriminator(spec)
        super().__init__(spec, generator, discriminator, noise, noise_dim, settings)
        self.nets = nets
