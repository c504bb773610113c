"""What encodes and decodes without a distribution of codes, whose place the moments of some codes take.

References:
    From Variational to Deterministic Autoencoders, Ghosh, Sajjadi, Vergari, Black & Schölkopf, 2020 (arXiv 1903.12436):
        a density fitted to codes after the fact.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from counterfeit.core import Batch, Model, Spec, check_codes, check_request, without_statistics
from counterfeit.models.autoencoding.shared.reconstruction import ErrorName, reconstruction

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
    """What encodes and decodes.

    Nothing in its training says where codes lie. So the model keeps up to 1,000 training examples, and `like_codes`
    draws from the normal distribution with the mean and covariance of their codes, whatever shape their true one has.

    Arguments:
        spec: what the data are.
        code_dim: size of a code.
        error: of reconstructions.
    """

    examples: Tensor

    def __init__(self, spec: Spec, code_dim: int, error: ErrorName) -> None:
        super().__init__(spec)
        self.code_dim, self.error = code_dim, error
        self.reconstruction = reconstruction(spec, error)
        self.register_buffer("examples", torch.rand(KEPT, *spec.shape))

    @abstractmethod
    def code(self, x: Tensor) -> Tensor:
        """Examples, (B, *shape) -> codes, (B, code_dim)."""

    @abstractmethod
    def raw(self, z: Tensor) -> Tensor:
        """Codes, (B, code_dim) -> what `reconstruction` makes examples of, (B, *shape, 1)."""

    @torch.no_grad()
    def initialize(self, data: Batch) -> None:
        """Keep training examples, evenly spaced; all of them where they are few."""
        positions = torch.arange(KEPT, device=data.x.device) * len(data.x) // KEPT
        self.examples.copy_(data.x[positions])

    def like_codes(self, n: int) -> Tensor:
        """Draw `n` codes, (n, code_dim), from the normal distribution with the moments of training examples' codes."""
        check_request(n)
        with without_statistics(self):
            return like_rows(self.code(self.examples), n)

    def prior(self, n: int) -> Tensor:
        """Draw `n` codes, (n, code_dim), which `sample` decodes."""
        return self.like_codes(n)

    def encode(self, x: Tensor) -> Tensor:
        """The code of each example, (B, code_dim)."""
        self.spec.check(x, f"{type(self).__name__}.encode")
        return self.code(x)

    def decode(self, z: Tensor) -> Tensor:
        """The reconstruction that each code stands for, (B, *shape)."""
        check_codes(z, self.code_dim)
        return self.reconstruction.mean(self.raw(z))
