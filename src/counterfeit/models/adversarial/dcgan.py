"""Deep convolutional adversarial nets.

References:
    Unsupervised Representation Learning with Deep Convolutional GANs, Radford et al., 2015 (arXiv 1511.06434).
"""

from __future__ import annotations

from counterfeit.core import Spec
from counterfeit.models.adversarial.contest import Rules
from counterfeit.models.adversarial.game import Game, Noise
from counterfeit.nets.conv import ConvPlayers

__all__ = ["DCGAN"]


class DCGAN(Game):
    """Deep convolutional adversarial nets, for images of 28, 32, 64 or any side that can be halved.

    References:
        Unsupervised Representation Learning with Deep Convolutional GANs, Radford et al., 2015 (arXiv 1511.06434).

    Arguments:
        spec: what the data are: gray or RGB images.
        nets: sizes and norms of both players.
        noise: the prior over codes, of unit variance.
        noise_size: size of a code.
        rules: what the game is played for, and what keeps it stable.

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
        noise_size: int = 100,
        rules: Rules = Rules(),  # noqa: B008
    ) -> None:
        generator, discriminator = nets.generator(spec, noise_size), nets.discriminator(spec)
        super().__init__(spec, generator, discriminator, noise, noise_size, rules)
        self.nets = nets
