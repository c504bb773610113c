"""Least squares adversarial nets.

References:
    Least Squares Generative Adversarial Networks, Mao et al., 2016 (arXiv 1611.04076).
"""

from __future__ import annotations

from counterfeit.core import Spec
from counterfeit.models.adversarial.dcgan import DCGAN
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.sampling_gan import Noise
from counterfeit.nets.conv import ConvPlayers

__all__ = ["LSGAN"]

SETTINGS = GANSettings(objective="least-squares")


class LSGAN(DCGAN):
    """Least squares adversarial nets: the discriminator fits 1 to data and 0 to samples, which the other moves.

    References:
        Least Squares Generative Adversarial Networks, Mao et al., 2016 (arXiv 1611.04076).

    Arguments:
        spec: what the data are: gray or RGB images whose sides can be halved.
        nets: sizes and norms of both players.
        noise: the prior over codes, of unit variance.
        noise_dim: size of a code.
        settings: what the game is played for, and what keeps it stable.

    Example:
        >>> LSGAN(Spec((1, 28, 28)), ConvPlayers(width=8, discriminator_width=8)).sample(2).shape
        torch.Size([2, 1, 28, 28])
    """

    def __init__(
        self,
        spec: Spec,
        nets: ConvPlayers = ConvPlayers(),  # noqa: B008
        noise: Noise = "gaussian",
        noise_dim: int = 100,
        settings: GANSettings = SETTINGS,
    ) -> None:
        super().__init__(spec, nets, noise, noise_dim, settings)
