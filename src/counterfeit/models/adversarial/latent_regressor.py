"""Adversarial nets with an auxiliary net that learns to read codes off their samples.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661), section 7: learned approximate inference.
    The Helmholtz Machine, Dayan et al., 1995; The Wake-Sleep Algorithm for Unsupervised Neural Networks, Hinton et al.,
        1995: an inference net trained on samples.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from counterfeit.core import Clock, Draw, Spec, Update, frozen
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.models.adversarial.shared.sampling_gan import SamplingGAN
from counterfeit.nets.conv import ConvDiscriminator, ConvPlayers

__all__ = ["LatentRegressor"]


class LatentRegressor(SamplingGAN):
    """Adversarial nets with an auxiliary encoder that learns z from G(z), at last for a generator that is finished.

    The encoder descends the negative log-likelihood of the code under a Gaussian of fixed scale, as in the sleep phase
    of wake-sleep. It sees samples alone, and the players do not see it. From `generator_frozen_from` on only it learns.

    References:
        Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661), section 7.

    Arguments:
        spec: what the data are: gray or RGB images.
        generator_frozen_from: fraction of training from which the generator is fixed and the encoder learns alone.
        image_weight: weight of the squared error of samples made again from inferred codes, mean over pixels in
            [0, 1].
        encoder_noise: standard deviation, in [0, 1], of Gaussian noise on the samples that the encoder learns from, for
            data never lie exactly where samples do.
        encoder_width: channels of the encoder after its first convolution; each smaller level has twice as many.
        nets: sizes and norms of both players.
        prior: over the noise in a code.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the data are no images, or `generator_frozen_from` is no fraction.

    Example:
        >>> model = LatentRegressor(Spec((1, 8, 8)), nets=ConvPlayers(width=8, discriminator_width=8), encoder_width=8)
        >>> model.decode(model.encode(model.sample(2))).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(
        self, spec: Spec, generator_frozen_from: float = 0.6, image_weight: float = 0.0,
        encoder_noise: float = 0.0, encoder_width: int = 64, nets: ConvPlayers = ConvPlayers(),  # noqa: B008
        prior: Prior = Prior(), settings: GANSettings = GANSettings(),  # noqa: B008
    ) -> None:  # fmt: skip
        if not 0 <= generator_frozen_from <= 1:
            raise ValueError(
                f"generator_frozen_from={generator_frozen_from} came; a fraction of training is expected. Correct it."
            )
        if not min(image_weight, encoder_noise) >= 0:
            came = f"image_weight={image_weight} and encoder_noise={encoder_noise} came"
            raise ValueError(f"{came}; at least 0 is expected of both. Raise them.")
        generator, discriminator = nets.generator(spec, prior.noise_dim), nets.discriminator(spec)
        super().__init__(spec, generator, discriminator, prior, settings)
        self.nets = nets
        self.encoder = ConvDiscriminator(spec, encoder_width, "batch", outputs=prior.noise_dim)
        self.generator_frozen_from, self.image_weight, self.encoder_noise = (
            generator_frozen_from,
            image_weight,
            encoder_noise,
        )

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        """Algorithm 1 while the game lasts, then one step of the encoder."""
        if clock.step < self.generator_frozen_from * clock.steps:
            yield from super().updates(draw, clock)
        yield self._inference(len(draw().x))

    def _inference(self, n: int) -> Update:
        z = self.prior(n)
        with frozen(self.generator):
            x = self.generator(z)
            found = self.encoder(x + self.encoder_noise * torch.randn_like(x) if self.encoder_noise else x)
            loss = 0.5 * (found - z).square().mean()
            logs = {"encoder/code": loss.detach()}
            if self.image_weight:
                error = (self.generator(found) - x).square().mean()
                loss, logs["encoder/image"] = loss + self.image_weight * error, error.detach()
        return Update(loss, ("encoder",), logs)

    def encode(self, x: Tensor) -> Tensor:
        """The mean of the code given each example, (B, code_dim)."""
        self.spec.check(x, "LatentRegressor.encode")
        return self.encoder(x)

    def features(self, x: Tensor) -> Tensor:
        """The encoder's last level, averaged over 3 x 3 places of the image, (B, features)."""
        self.spec.check(x, "LatentRegressor.features")
        return self.encoder.pooled(x)
