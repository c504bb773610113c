"""Adversarial nets for any f-divergence.

References:
    f-GAN: Training Generative Neural Samplers using Variational Divergence Minimization, Nowozin et al., 2016
        (arXiv 1606.00709).
"""

from __future__ import annotations

from counterfeit.core import Spec
from counterfeit.models.adversarial.gan import GAN
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.sampling_gan import Noise
from counterfeit.nets.mlp import Activation, Norm

__all__ = ["FGAN"]

SETTINGS = GANSettings(objective="kl", resample_noise=False)


class FGAN(GAN):
    """Adversarial nets for an f-divergence: the discriminator raises a variational bound, the generator lowers it.

    References:
        f-GAN: Training Generative Neural Samplers using Variational Divergence Minimization, Nowozin et al., 2016
            (arXiv 1606.00709).

    Arguments:
        spec: what the data are.
        hidden: sizes of the generator's hidden layers.
        norm: of the generator's hidden layers.
        discriminator_hidden: sizes of the discriminator's hidden layers.
        discriminator_activation: of the discriminator's hidden layers.
        noise: the prior over codes, of unit variance.
        noise_dim: size of a code.
        settings: what the game is played for, and what keeps it stable; objective is the divergence.

    Example:
        >>> FGAN(Spec((1, 8, 8))).sample(2).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(
        self,
        spec: Spec,
        hidden: tuple[int, ...] = (512, 512),
        norm: Norm = "batch",
        discriminator_hidden: tuple[int, ...] = (240, 240),
        discriminator_activation: Activation = "leaky-relu",
        noise: Noise = "uniform",
        noise_dim: int = 100,
        settings: GANSettings = SETTINGS,
    ) -> None:
        super().__init__(
            spec, hidden, norm=norm, discriminator_hidden=discriminator_hidden,
            discriminator_activation=discriminator_activation, noise=noise, noise_dim=noise_dim, settings=settings,
        )  # fmt: skip
