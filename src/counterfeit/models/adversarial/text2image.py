"""Images from captions.

References:
    Generative Adversarial Text to Image Synthesis, Reed et al., 2016 (arXiv 1605.05396).
"""

from __future__ import annotations

import torch
from torch import Tensor

from counterfeit.core import Batch, Spec, check_captions, check_request, without_statistics
from counterfeit.models.adversarial.shared.alternating import GANSettings, Losses
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.models.adversarial.shared.sampling_gan import Fake, SamplingGAN
from counterfeit.nets.conv import ConvPlayers
from counterfeit.nets.text import TextDiscriminator, TextGenerator

__all__ = ["Text2Image"]

KEPT = 4_096  # captions of the training data, from which samples without a caption draw theirs


class Text2Image(SamplingGAN):
    """Images from captions: a discriminator that also refuses real images with a caption of another (GAN-CLS).

    Each player has an encoder of captions, which learns by what that player descends. Samples for which no caption is
    given take one of the training data, some thousands of which the model keeps.

    References:
        Generative Adversarial Text to Image Synthesis, Reed et al., 2016 (arXiv 1605.05396).

    Arguments:
        spec: what the data are: images with captions.
        mismatch: weight of telling images with their caption from images with another's (Algorithm 1).
        interpolation: weight of samples for what lies between two captions (GAN-INT, eq. 5); 0 for none.
        crossing: weight of samples for captions made of the words of two; 0 for none.
        caption_dim: size of a caption's code.
        nets: sizes and norms of both players.
        prior: over the noise in a code, which stands for all that a caption leaves open: pose, place and background
            of what it names.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where the data are no images, or have no captions.

    Example:
        >>> spec = Spec((3, 16, 16), vocabulary=("a", "red", "seven"), max_tokens=4)
        >>> model = Text2Image(spec, nets=ConvPlayers(width=8, discriminator_width=8))
        >>> model.sample(2, torch.tensor([[1, 2, 3, 0], [1, 3, 0, 0]])).shape
        torch.Size([2, 3, 16, 16])
    """

    compares = False  # samples are played for in more places than one

    generator: TextGenerator
    discriminator: TextDiscriminator

    def __init__(
        self, spec: Spec, mismatch: float = 1.0, interpolation: float = 0.0, crossing: float = 0.0,
        caption_dim: int = 64, nets: ConvPlayers = ConvPlayers(), prior: Prior = Prior(noise_dim=64),  # noqa: B008
        settings: GANSettings = GANSettings(),  # noqa: B008
    ) -> None:  # fmt: skip
        if not spec.captioned:
            raise ValueError("data without captions came; text2image expects some. Take captioned-digits, for example.")
        if min(mismatch, interpolation, crossing) < 0 or caption_dim < 1:
            raise ValueError(
                f"mismatch={mismatch}, interpolation={interpolation}, crossing={crossing} and "
                f"caption_dim={caption_dim} came; weights of at least 0 and a size of at least 1 are expected. Raise "
                "them."
            )
        generator = TextGenerator(spec, nets, prior.noise_dim, caption_dim)
        super().__init__(spec, generator, TextDiscriminator(spec, nets, caption_dim), prior, settings)
        self.nets = nets
        self.mismatch, self.interpolation, self.crossing = mismatch, interpolation, crossing
        self.caption_dim = caption_dim
        hardest = {"model.mismatch": mismatch, "model.crossing": crossing}  # of a minibatch
        self.undivided += tuple(name for name, weight in hardest.items() if weight)
        self.conditional = True  # both players are conditioned on what belongs to an image, though it is no label
        self.captions: Tensor
        self.register_buffer("captions", torch.zeros(KEPT, spec.max_tokens, dtype=torch.int64))

    def initialize(self, data: Batch) -> None:
        """Keep captions, evenly spaced through those of the training data."""
        y = check_captions(data.y, len(data.x), self.spec)
        self.captions.copy_(y[torch.arange(KEPT, device=y.device) * len(y) // KEPT])

    def generate(self, real: Batch) -> Fake:
        """A sample for the caption of each of the data, with gradients."""
        y = check_captions(real.y, len(real.x), self.spec, values=False)
        z = self.prior(len(y), y)
        return Fake(self.generator(z), z, y)

    def discriminator_losses(self, real: Batch, fake: Fake, on_real: Tensor, on_fake: Tensor) -> Losses:
        """To tell images with their captions from samples, and from images with those of others (Algorithm 1)."""
        losses = super().discriminator_losses(real, fake, on_real, on_fake)
        known = on_real[~on_real[:, 1].isnan()]  # for which the minibatch holds a caption that is wrong
        if self.mismatch and len(known):
            losses["mismatch"] = self.mismatch * self.settings.discriminator_loss(*known.chunk(2, 1))
        return losses

    def generator_losses(self, real: Batch, fake: Fake, on_fake: Tensor) -> Losses:
        """To please with captions of data, with what lies between two (eq. 5), and with the words of two."""
        losses, y = (
            super().generator_losses(real, fake, on_fake),
            check_captions(fake.y, len(fake.x), self.spec, values=False),
        )
        with without_statistics(self.generator):  # which is for captions of data
            if self.interpolation:
                losses["between"] = self.interpolation * self._between(y[::2], y.roll(1, 0)[::2])
            if self.crossing:
                losses["crossed"] = self.crossing * self._taken(crossed(y)[::2])
        return losses

    def _between(self, one: Tensor, other: Tensor) -> Tensor:
        """The objective of samples for what lies between captions."""
        share = torch.rand(len(one), 1, device=self.device)
        x = self.generator(self._code(self.generator.encoder(one).lerp(self.generator.encoder(other), share)))
        between = self.discriminator.encoder(one).lerp(self.discriminator.encoder(other), share)
        return self.objective.generator(self.discriminator_outputs(x, between)[:, :1])

    def _taken(self, y: Tensor) -> Tensor:
        """The objective of samples for captions."""
        x = self.generator(self.prior(len(y), y))
        return self.objective.generator(self.discriminator_outputs(x, y)[:, :1])

    @property
    def code_dim(self) -> int:
        """Size of a code: the noise and a caption's."""
        return self.noise_dim + self.caption_dim

    def prior(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` codes, (n, code_dim): noise, then the codes of the captions `y`, (n, length), or of kept ones."""
        check_request(n)
        y = self.captions[torch.randint(KEPT, (n,), device=self.device)] if y is None else y
        return self._code(self.generator.encoder(y))

    def _code(self, caption: Tensor) -> Tensor:
        """Noise before the codes of captions, (n, caption_dim) -> (n, code_dim)."""
        return torch.cat([super().prior(len(caption)), caption], 1)

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` images, (n, C, H, W), rounded where the data are binary.

        Arguments:
            n: how many.
            y: their captions as tokens, (n, length); some of the training data's where None.
        """
        check_request(n)
        y = None if y is None else check_captions(y, n, self.spec).to(self.device)
        return self.spec.rounded(self.generator(self.prior(n, y)))


def crossed(y: Tensor) -> Tensor:
    """Captions of the words of two, (B, length): each with that other which has the most words at the same places.

    Such two say alike what differs, so that most of what comes is a caption too, perhaps of what no data show together.
    """
    alike = y[:, None] == y
    partner = alike.sum(2).masked_fill(alike.all(2), -1).argmax(1)
    return y.where(torch.rand(y.shape, device=y.device) < 0.5, y[partner])
