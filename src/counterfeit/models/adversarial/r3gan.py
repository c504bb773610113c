"""A relativistic game whose gradients are penalized on data and on samples, between residual nets without norms.

References:
    The GAN is dead; long live the GAN! A Modern Baseline GAN, Huang et al., 2024 (arXiv 2501.05441).
    The Relativistic Discriminator: A Key Element Missing from Standard GAN, Jolicoeur-Martineau, 2018 (arXiv
        1807.00734).
"""

from __future__ import annotations

from counterfeit.core import Spec
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.featured import FeaturedGAN
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.nets.mlp import MLPPlayers
from counterfeit.nets.residual import PlainResidualDiscriminator, PlainResidualGenerator

__all__ = ["R3GAN"]

SETTINGS = GANSettings(objective="relativistic", penalty="r1-r2", penalty_weight=1.0, resample_noise=False)
POINTS = MLPPlayers(hidden=(128, 128), norm="none", discriminator_hidden=(128, 128))


class R3GAN(FeaturedGAN):
    """A modern baseline: a regularized relativistic game, which converges locally, and residual nets without any norm.

    The discriminator compares: -E log σ(a(x) - a(G(z))) is low where data stand above samples, and samples descend the
    same with the sides exchanged, so that each is drawn towards the data rather than over one threshold. R1 and R2
    penalize the gradient on both. What is no image is played for by perceptrons.

    References:
        The GAN is dead; long live the GAN! A Modern Baseline GAN, Huang et al., 2024 (arXiv 2501.05441).

    Arguments:
        spec: what the data are: images whose sides can be halved, or vectors.
        width: channels of the generator of images at half of their sides; smaller levels have more.
        discriminator_width: likewise of the discriminator.
        blocks: residual blocks of each level.
        prior: over the noise in a code.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where images have sides that cannot be halved, or a number is none.

    Example:
        >>> R3GAN(Spec((3, 32, 32)), width=8, discriminator_width=8).sample(2).shape
        torch.Size([2, 3, 32, 32])
        >>> R3GAN(Spec((2,), "real")).sample(3).shape
        torch.Size([3, 2])
    """

    def __init__(
        self, spec: Spec, width: int = 32, discriminator_width: int = 32, blocks: int = 1,
        prior: Prior = Prior(noise_dim=64), settings: GANSettings = SETTINGS,  # noqa: B008
    ) -> None:  # fmt: skip
        for name, value in (("width", width), ("discriminator_width", discriminator_width), ("blocks", blocks)):
            if value < 1:
                raise ValueError(f"{name}={value} came; at least 1 is expected. Raise it.")
        if len(spec.shape) == 3:
            generator = PlainResidualGenerator(spec, prior.noise_dim, width, blocks)
            discriminator = PlainResidualDiscriminator(spec, discriminator_width, blocks)
            super().__init__(spec, generator, discriminator, prior, settings)
        else:
            super().__init__(spec, POINTS.generator(spec, prior.noise_dim), POINTS.discriminator(spec), prior, settings)
