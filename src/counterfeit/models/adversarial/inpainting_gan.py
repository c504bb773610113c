"""All conditionals p(x_S | x_rest) of images by one pair of adversarial nets: any part, given any other.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661), section 7: "One can approximately model all
        conditionals p(x_S | x_not S) by training a family of conditional models that share parameters."
    Multi-Prediction Deep Boltzmann Machines, Goodfellow et al., 2013.
    Strictly Proper Scoring GANSettings, Prediction, and Estimation, Gneiting & Raftery, 2007.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from counterfeit.core import Batch, Net, Spec
from counterfeit.models.adversarial.shared.alternating import GANSettings, Losses
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.models.adversarial.shared.sampling_gan import Fake, SamplingGAN
from counterfeit.nets.augment import MIDDLE, augment
from counterfeit.nets.conv import ConvDiscriminator, ConvPlayers
from counterfeit.nets.masks import check_mask, random_masks
from counterfeit.nets.unet import Completion

__all__ = ["InpaintingGAN", "energy_score"]

NETS = ConvPlayers(discriminator_norm="none")


def energy_score(x: Tensor, a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
    """Energy score of two draws `a` and `b` for the missing values of `x`, scalar.

    ½ ‖x - a‖ + ½ ‖x - b‖ - ½ ‖a - b‖ in root mean squares over what is missing: its expectation is lowest where the
    draws come from the distribution of `x` and nowhere else, so it asks for accuracy and diversity alike.

    Arguments:
        x: what was there, (B, *shape).
        a: a draw.
        b: another.
        mask: 1 where `x` is known.

    Example:
        >>> x, mask = torch.ones(1, 4), torch.zeros(1, 4)
        >>> energy_score(x, 0 * x, 2 * x, mask)  # both are 1 away, and 2 apart
        tensor(0.)
    """
    missing = (1 - mask).flatten(1)
    share = missing / missing.sum(1, keepdim=True).clamp(min=1)

    def distance(u: Tensor, v: Tensor) -> Tensor:
        return ((u - v).flatten(1).square() * share).sum(1).add(1e-12).sqrt()  # 1e-12: the root has no slope at 0

    return 0.5 * (distance(x, a) + distance(x, b) - distance(a, b)).mean()


class PairDiscriminator(Net):
    """Images and masks (B, C, H, W) -> (B, 1), the higher the likelier what was missing is real."""

    def __init__(self, body: ConvDiscriminator) -> None:
        super().__init__()
        self.body = body

    def features(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, C, H, W) and masks -> (B, features): all that the output knows of each image by itself."""
        return self.body.features(torch.cat([x, mask], 1))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, C, H, W) and masks -> (B, 1)."""
        return self.body(torch.cat([x, mask], 1))


class InpaintingGAN(SamplingGAN):
    """All conditionals of images: one generator draws any missing part given the rest, or the whole given nothing.

    In training, every second example is completed twice under a mask drawn at random, and the discriminator judges
    pairs of an image and a mask. At the optimum completions follow p(x_S | x_rest) for every S that masks cover.

    References:
        Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661), section 7.
        Multi-Prediction Deep Boltzmann Machines, Goodfellow et al., 2013.

    Arguments:
        spec: what the data are: gray or RGB images.
        nets: sizes and norms of both players.
        score_weight: weight of the energy score of two completions, which the right distribution makes lowest.
        prior: over the noise in a code.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the data are no images or their sides cannot be halved.

    Example:
        >>> model = InpaintingGAN(Spec((1, 8, 8)), ConvPlayers(width=8, discriminator_width=8)).eval()
        >>> x, mask = torch.rand(2, 1, 8, 8), torch.ones(2, 1, 8, 8)
        >>> torch.equal(model.complete(x, mask), x)  # nothing is missing
        True
    """

    generator: Completion

    def __init__(
        self, spec: Spec, nets: ConvPlayers = NETS, score_weight: float = 1.0, prior: Prior = Prior(),  # noqa: B008
        settings: GANSettings = GANSettings(),  # noqa: B008
    ) -> None:  # fmt: skip
        if not score_weight >= 0:
            raise ValueError(f"score_weight={score_weight} came; at least 0 is expected. Raise it.")
        pair = replace(spec, shape=(2 * spec.shape[0], *spec.shape[1:]))
        generator, discriminator = (
            Completion(spec, prior.noise_dim, nets.width),
            PairDiscriminator(nets.discriminator(pair)),
        )
        super().__init__(spec, generator, discriminator, prior, settings)
        self.nets = nets
        self.score_weight = score_weight

    def generate(self, real: Batch) -> Fake:
        """As many completions as there are data, two of each in the first half, conditioned on the mask."""
        n, half = len(real.x), (len(real.x) + 1) // 2
        x, mask = real.x[:half], random_masks(half, self.spec.shape, self.device)
        x, mask = (torch.cat([twice, twice])[:n] for twice in (x, mask))
        z = self.prior(n)
        return Fake(self.generator(z, x, mask), z, mask)

    def discriminator_outputs(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The discriminator's outputs on images `x` and masks `y`, (B, 1), moved alike while training.

        Nothing is known where `y` is None: images are taken as samples of the whole are.
        """
        return super().discriminator_outputs(x, torch.zeros_like(x) if y is None else y)

    def augmented(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """What the discriminator in training sees of images `x`, (B, *shape), and of their masks, moved alike."""
        if y is None:
            return super().augmented(x, y)
        names, noise = self.settings.augment, self.settings.instance_noise
        x = augment(x, [name for name in names if name == "color"])
        fill = x.new_tensor([MIDDLE, 0.0]).repeat_interleave(x.shape[1])[:, None, None]  # which nobody knows
        x, mask = augment(torch.cat([x, y], 1), [name for name in names if name != "color"], fill).chunk(2, 1)
        return x + noise * torch.randn_like(x) if noise else x, mask

    def generator_losses(self, real: Batch, fake: Fake, on_fake: Tensor) -> Losses:
        """The objective, and the energy score of both completions of each example."""
        losses = super().generator_losses(real, fake, on_fake)
        pairs, half = len(real.x) // 2, (len(real.x) + 1) // 2
        if self.score_weight and pairs and fake.y is not None:
            a, b = fake.x[:pairs], fake.x[half:]
            losses["score"] = self.score_weight * energy_score(real.x[:pairs], a, b, fake.y[:pairs])
        return losses

    def complete(self, x: Tensor, mask: Tensor) -> Tensor:
        """A draw of what is missing given the rest, (B, C, H, W); what is known stays as it is.

        Arguments:
            x: images; their values where they are missing do not matter.
            mask: 1 where `x` is known and 0 where it is missing, (B, C, H, W).
        """
        self.spec.check(x, "InpaintingGAN.complete")
        mask = check_mask(mask, x, "InpaintingGAN.complete")
        return self.spec.rounded(self.generator(self.prior(len(x)), x, mask))
