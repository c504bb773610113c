"""The adversarial autoencoder: a discriminator tells codes of data from draws of a prior, whatever that is.

References:
    Adversarial Autoencoders, Makhzani, Shlens, Jaitly, Goodfellow & Frey, 2015 (arXiv 1511.05644).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from counterfeit.core import Batch, Clock, Net, Spec, Structure, Update, check_codes, check_request
from counterfeit.models.adversarial.shared.alternating import AlternatingGAN, GANSettings
from counterfeit.models.autoencoding.shared.priors import CodePrior
from counterfeit.models.autoencoding.shared.reconstruction import ErrorName, reconstruction
from counterfeit.nets.coder import CoderNets
from counterfeit.nets.mlp import MLP

__all__ = ["AAE", "AAESettings", "PriorDiscriminator"]


class PriorDiscriminator(Net):
    """Codes (B, code_dim) -> (B, 1), or (B, 2) where there are categories: the style's logit, and the category's.

    Arguments:
        prior: what codes are made of.
        hidden: sizes of the hidden layers of each.
    """

    def __init__(self, prior: CodePrior, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.sizes = [size for size in (prior.latent_dim, prior.categories) if size]
        self.judges = torch.nn.ModuleList(MLP(size, hidden, 1, "leaky-relu") for size in self.sizes)

    def forward(self, z: Tensor) -> Tensor:
        """(B, code_dim) -> (B, 1 or 2)."""
        return torch.cat([judge(part) for judge, part in zip(self.judges, z.split(self.sizes, 1), strict=True)], 1)


@dataclass(frozen=True)
class AAESettings:
    """How an adversarial autoencoder rebuilds examples, and what judges its codes.

    Arguments:
        error: of reconstructions: squared, or the cross-entropy of values in [0, 1]; auto: the latter where it can be.
        reconstruction_weight: weight of the error, mean over values, beside the game.
        discriminator_hidden: sizes of the hidden layers of what judges codes.

    Raises:
        ValueError: where the weight is negative.
    """

    error: ErrorName = "auto"
    reconstruction_weight: float = 10.0
    discriminator_hidden: tuple[int, ...] = (256, 256)

    def __post_init__(self) -> None:
        if not self.reconstruction_weight >= 0:
            came = f"reconstruction_weight={self.reconstruction_weight} came"
            raise ValueError(f"{came}; at least 0 is expected. Raise it.")


class AAE(AlternatingGAN[Tensor]):
    """An adversarial autoencoder: codes of all data together are to look like draws of a prior to a discriminator.

    The encoder is the generator of a game about codes, and with the decoder it rebuilds examples. Where the game ends,
    the aggregated posterior is the prior, and decoded draws of it are samples. Of the prior nothing is asked but draws;
    with categories, a second discriminator judges the softmax of the encoder's logits beside one-hot draws.

    References:
        Adversarial Autoencoders, Makhzani et al., 2015 (arXiv 1511.05644).

    Arguments:
        spec: what the data are.
        codes: the prior.
        aae: how examples are rebuilt, and what judges codes.
        nets: what encoder and decoder are.
        settings: what the game is played for, and what keeps it stable.

    Raises:
        ValueError: where error or prior do not suit, or codes are to be augmented like pictures.

    Example:
        >>> model = AAE(Spec((1, 8, 8)), CodePrior("mixture", latent_dim=2))
        >>> model.decode(model.encode(model.sample(3))).shape
        torch.Size([3, 1, 8, 8])
    """

    def __init__(
        self, spec: Spec, codes: CodePrior = CodePrior(), aae: AAESettings = AAESettings(),  # noqa: B008
        nets: CoderNets = CoderNets(), settings: GANSettings = GANSettings(),  # noqa: B008
    ) -> None:  # fmt: skip
        if settings.augment:
            raise ValueError(f"augment={settings.augment} came; none is expected of codes. Leave it out.")
        encoder = nets.encoder(spec, codes.code_dim)
        super().__init__(spec, encoder, PriorDiscriminator(codes, aae.discriminator_hidden), settings)
        self.decoder = nets.decoder(spec, codes.code_dim, 1)
        self.reconstruction, self.codes = reconstruction(spec, aae.error), codes
        self.aae, self.nets = aae, nets

    def generate(self, real: Batch) -> Tensor:
        """Codes of data, (B, code_dim), with gradients: the style, and the probability of each category."""
        return self._code(real.x)

    def discriminator_update(self, real: Batch, fake: Tensor, clock: Clock) -> Update:
        """The discriminator learns to tell draws of the prior, which stand for data here, from codes of data."""
        z, fake = self.prior(len(real.x)), fake.detach()
        on_prior, on_codes = self.discriminator(self.settings.augmented(torch.cat([z, fake]))).chunk(2)
        losses = {"loss": self.settings.discriminator_loss(on_prior, on_codes)}
        losses |= self.settings.gradient_penalty(self.discriminator, z, fake, clock.step)
        return Update.of("discriminator", losses, self.shown(on_prior, on_codes))

    def generator_update(self, real: Batch, fake: Tensor) -> Update:
        """The encoder lets its codes pass for draws of the prior; it and the decoder rebuild the data of them."""
        error = self.reconstruction.loss(real.x, self.decoder(fake)).mean() / self.spec.dims
        judged = self.objective.generator(self.discriminator(self.settings.augmented(fake)))
        losses = {"loss": judged, "reconstruction": self.aae.reconstruction_weight * error}
        return Update.of(("generator", "decoder"), losses)

    def read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The style, (B, latent), and the logits of the categories, (B, categories), of each example."""
        style, logits = self.generator(x).split([self.codes.latent_dim, self.codes.categories], 1)
        return style, logits

    def _code(self, x: Tensor) -> Tensor:
        style, logits = self.read(x)
        return torch.cat([style, logits.softmax(1)], 1) if self.codes.categories else style

    def prior(self, n: int) -> Tensor:
        """Draw `n` codes of the prior, (n, code_dim)."""
        check_request(n)
        return self.codes.draw(n, self.device)

    def structure(self) -> Structure:
        """What a code is made of: the style, and a category where there are any."""
        return Structure(self.codes.latent_dim, self.codes.categories)

    def encode(self, x: Tensor) -> Tensor:
        """The code of each example, (B, code_dim)."""
        self.spec.check(x, f"{type(self).__name__}.encode")
        return self._code(x)

    def features(self, x: Tensor) -> Tensor:
        """The encoder's last hidden layer, (B, features)."""
        self.spec.check(x, f"{type(self).__name__}.features")
        return self.generator.features(x)  # type: ignore[operator]

    def decode(self, z: Tensor) -> Tensor:
        """The reconstruction that each code stands for, (B, *shape)."""
        check_codes(z, self.codes.code_dim)
        return self.reconstruction.mean(self.decoder(z))

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` examples, (n, *shape); `decode(prior(n))` gives their means."""
        check_request(n, y)
        return self.reconstruction.drawn(self.decode(self.prior(n)))
