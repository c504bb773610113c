"""The autoencoder: a net that rebuilds its input from a short code.

References:
    Reducing the Dimensionality of Data with Neural Networks, Hinton & Salakhutdinov, 2006.
    Neural Networks and Principal Component Analysis: Learning from Examples Without Local Minima, Baldi & Hornik, 1989.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from counterfeit.core import Clock, Draw, Spec, Update, check_request
from counterfeit.models.autoencoding.shared.code_model import CodeModel
from counterfeit.models.autoencoding.shared.reconstruction import ErrorName
from counterfeit.nets.coder import CoderNets

__all__ = ["Autoencoder"]


class Autoencoder(CodeModel):
    """An autoencoder: an encoder and a decoder that rebuild examples from short codes.

    It is no generative model: nothing makes codes between those of the data stand for anything. What it samples are
    decoded draws from the normal distribution with the mean and covariance of the codes of training examples.

    References:
        Reducing the Dimensionality of Data with Neural Networks, Hinton & Salakhutdinov, 2006.

    Arguments:
        spec: what the data are.
        latent_dim: size of the code; without hidden layers and with squared error, it spans principal components.
        error: of reconstructions: squared, or the cross-entropy of values in [0, 1]; auto: the latter where it can be.
        nets: what encoder and decoder are.

    Raises:
        ValueError: where the error does not suit the data.

    Example:
        >>> model = Autoencoder(Spec((1, 8, 8)), latent_dim=2)
        >>> model.decode(model.encode(model.sample(3))).shape
        torch.Size([3, 1, 8, 8])
    """

    def __init__(
        self, spec: Spec, latent_dim: int = 16, error: ErrorName = "auto", nets: CoderNets = CoderNets(),  # noqa: B008
    ) -> None:  # fmt: skip
        super().__init__(spec, latent_dim, error)
        self.latent_dim, self.nets = latent_dim, nets
        self.encoder, self.decoder = nets.encoder(spec, latent_dim), nets.decoder(spec, latent_dim, 1)

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:  # noqa: ARG002
        """Descend the mean error of reconstructions."""
        loss = self.loss(draw().x)
        yield Update(loss, logs={"loss": loss.detach()})

    def loss(self, x: Tensor) -> Tensor:
        """The mean error of reconstructions of `x`, (B, *shape), a scalar."""
        return self.reconstruction.loss(x, self.raw(self.code(x))).mean()

    def code(self, x: Tensor) -> Tensor:
        """Examples, (B, *shape) -> codes, (B, latent)."""
        return self.encoder(x)

    def raw(self, z: Tensor) -> Tensor:
        """Codes, (B, latent) -> what `reconstruction` makes examples of, (B, *shape, 1)."""
        return self.decoder(z)

    def features(self, x: Tensor) -> Tensor:
        """The encoder's last hidden layer, (B, features)."""
        self.spec.check(x, f"{type(self).__name__}.features")
        return self.encoder.features(x)

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` examples, (n, *shape); `decode(prior(n))` gives their means."""
        check_request(n, y)
        return self.reconstruction.drawn(self.decode(self.prior(n)))
