"""An encoder and a decoder without a distribution of codes, whose place the moments of some codes take.

References:
    From Variational to Deterministic Autoencoders, Ghosh, Sajjadi, Vergari, Black & Schölkopf, 2020 (arXiv 1903.12436):
        a density fitted to codes after the fact.
"""

from __future__ import annotations

import torch
from torch import Tensor

from counterfeit.core import Batch, Model, Spec, check_codes, check_request, without_statistics
from counterfeit.models.autoencoding.shared.reconstruction import ErrorName, reconstruction
from counterfeit.nets.coder import CoderNets

__all__ = ["CodeModel", "like_rows"]

KEPT = 1_000  # training examples at most whose codes say where codes lie


def like_rows(rows: Tensor, n: int) -> Tensor:
    """Draw `n` from the normal distribution with the mean and covariance of the `rows`, (K, D): (n, D).

    As a random combination of the rows it asks for no inverse, so that they may be fewer than dimensions, or all equal.
    """
    mean = rows.mean(0)
    noise = torch.randn(n, len(rows), dtype=rows.dtype, device=rows.device)
    return mean + noise @ (rows - mean) / max(1, len(rows) - 1) ** 0.5


class CodeModel(Model):
    """An encoder and a decoder.

    Nothing in their training says where codes lie. So the model keeps up to 1,000 training examples, and `prior` draws
    from the normal distribution with the mean and covariance of their codes, whatever shape their true one has.

    Arguments:
        spec: what the data are.
        latent_dim: size of the code.
        error: of reconstructions.
        nets: what encoder and decoder are.
    """

    examples: Tensor

    def __init__(self, spec: Spec, latent_dim: int, error: ErrorName, nets: CoderNets) -> None:
        super().__init__(spec)
        self.latent_dim, self.error, self.nets = latent_dim, error, nets
        self.reconstruction = reconstruction(spec, error)
        self.encoder = nets.encoder(spec, latent_dim)
        self.decoder = nets.decoder(spec, latent_dim, 1)
        self.register_buffer("examples", torch.rand(KEPT, *spec.shape))

    @torch.no_grad()
    def initialize(self, data: Batch) -> None:
        """Keep training examples, evenly spaced; all of them where they are few."""
        positions = torch.arange(KEPT, device=data.x.device) * len(data.x) // KEPT
        self.examples.copy_(data.x[positions])

    def reconstruct_loss(self, x: Tensor, seen: Tensor) -> Tensor:
        """The error, (B,), of the examples `x` as reconstructed from what was `seen` of them, (B, *shape) each."""
        return self.reconstruction.loss(x, self.decoder(self.encoder(seen)))

    def prior(self, n: int) -> Tensor:
        """Draw `n` codes, (n, latent), from the normal distribution with the moments of codes of training examples."""
        check_request(n)
        with without_statistics(self):
            return like_rows(self.encoder(self.examples), n)

    def encode(self, x: Tensor) -> Tensor:
        """The code of each example, (B, latent)."""
        self.spec.check(x, f"{type(self).__name__}.encode")
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        """The reconstruction that each code stands for, (B, *shape)."""
        check_codes(z, self.latent_dim)
        return self.reconstruction.mean(self.decoder(z))

    def features(self, x: Tensor) -> Tensor:
        """The encoder's last hidden layer, (B, features)."""
        self.spec.check(x, f"{type(self).__name__}.features")
        return self.encoder.features(x)
