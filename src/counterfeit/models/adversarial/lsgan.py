"""Least squares adversarial nets.

References:
    Least Squares Generative Adversarial Networks, Mao et al., 2016 (arXiv 1611.04076).
"""

from __future__ import annotations

from counterfeit.models.adversarial.dcgan import DCGAN
from counterfeit.models.adversarial.shared.alternating import GANSettings

__all__ = ["LSGAN"]


class LSGAN(DCGAN):
    """Least squares adversarial nets: the discriminator fits 1 to data and 0 to samples, which the other moves.

    References:
        Least Squares Generative Adversarial Networks, Mao et al., 2016 (arXiv 1611.04076).

    Arguments: those of `DCGAN`.

    Example:
        >>> from counterfeit.core import Spec
        >>> from counterfeit.nets.conv import ConvPlayers
        >>> LSGAN(Spec((1, 28, 28)), ConvPlayers(width=8, discriminator_width=8)).sample(2).shape
        torch.Size([2, 1, 28, 28])
    """

    default_settings = GANSettings(objective="least-squares")
