"""Games whose discriminator can be asked what it knows of an example."""

from __future__ import annotations

from torch import Tensor

from counterfeit.models.adversarial.shared.sampling_gan import SamplingGAN

__all__ = ["FeaturedGAN"]


class FeaturedGAN(SamplingGAN):
    """A game of whose discriminator the last hidden layer can be seen, which its output is linear in.

    References:
        Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks, Radford, Metz &
            Chintala, 2016 (arXiv 1511.06434), section 5.
    """

    def features(self, x: Tensor) -> Tensor:
        """What the discriminator's output is linear in, (B, features); where it reads labels, none is told."""
        self.spec.check(x, f"{type(self).__name__}.features")
        found: Tensor = self.discriminator.features(x)  # type: ignore[operator]
        return found
