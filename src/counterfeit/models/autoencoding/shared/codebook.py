"""A codebook: vectors that the outputs of an encoder are replaced by, each by the nearest.

References:
    Neural Discrete Representation Learning, van den Oord, Vinyals & Kavukcuoglu, 2017 (arXiv 1711.00937).
    Jukebox: A Generative Model for Music, Dhariwal et al., 2020 (arXiv 2005.00341): restarts of vectors without use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

__all__ = ["Codebook", "CodebookSettings"]


@dataclass(frozen=True)
class CodebookSettings:
    """How outputs of the encoder become codes.

    Arguments:
        codebook_size: vectors that there are, the values of a code.
        code_dim: size of each.
        codebook: how they learn: ema: as moving averages of the outputs that they stand for (2017, appendix A.1); loss:
            by the gradient of their squared distance from these (eq. 3).
        codebook_decay: of the moving averages.
        restart_below: share of an even use below which a moving average begins anew at a random output; 0 for never.
        commitment: weight β of the squared distance of outputs from their vectors (eq. 3).

    Raises:
        ValueError: where there are no two vectors, no decay in [0, 1), or a weight is negative.
    """

    codebook_size: int = 256
    code_dim: int = 32
    codebook: Literal["ema", "loss"] = "ema"
    codebook_decay: float = 0.99
    restart_below: float = 0.1
    commitment: float = 0.25

    def __post_init__(self) -> None:
        if self.codebook_size < 2 or self.code_dim < 1:
            came = f"codebook_size={self.codebook_size} and code_dim={self.code_dim} came"
            raise ValueError(f"{came}; two vectors of at least one number each are expected. Raise them.")
        if not 0 <= self.codebook_decay < 1 or not 0 <= self.restart_below < 1 or self.commitment < 0:
            came = f"codebook_decay={self.codebook_decay}, restart_below={self.restart_below}, "
            came += f"commitment={self.commitment} came"
            raise ValueError(f"{came}; two shares in [0, 1) and at least 0 are expected. Correct them.")

    @property
    def averaged(self) -> bool:
        """Whether vectors are moving averages, which nothing descends."""
        return self.codebook == "ema"


class Codebook(nn.Module):
    """Vectors, (K, D), of which each place of a grid takes the nearest.

    Arguments:
        settings: how many there are, and how they learn.

    Example:
        >>> book = Codebook(CodebookSettings(codebook_size=8, code_dim=3))
        >>> book(book.nearest(torch.randn(2, 3, 4, 5))).shape
        torch.Size([2, 3, 4, 5])
    """

    usage: Tensor
    sums: Tensor
    vectors: Tensor

    def __init__(self, settings: CodebookSettings) -> None:
        super().__init__()
        self.settings, vectors = settings, torch.randn(settings.codebook_size, settings.code_dim).mul_(0.1)
        if not settings.averaged:
            self.vectors = nn.Parameter(vectors)
            return
        self.register_buffer("vectors", vectors)
        self.register_buffer("usage", torch.full((len(vectors),), 1 / len(vectors)))  # share of all outputs, N
        self.register_buffer("sums", vectors / len(vectors))  # of these outputs, m, a share of all

    def distances(self, z: Tensor) -> Tensor:
        """Squared distance of each place, (B, D, h, w), from each vector: (B, h, w, K)."""
        with torch.autocast(z.device.type, enabled=False):  # few bits would choose wrong vectors
            rows, vectors = z.float().movedim(1, -1), self.vectors.float()
            return rows.square().sum(-1, keepdim=True) - 2 * rows @ vectors.mT + vectors.square().sum(1)

    def nearest(self, z: Tensor) -> Tensor:
        """The number of the vector that is nearest to each place, (B, D, h, w) -> int64 (B, h, w) (eq. 1)."""
        return self.distances(z.detach()).argmin(-1)

    def forward(self, codes: Tensor) -> Tensor:
        """Vectors of these numbers, int64 (B, h, w) -> (B, D, h, w) (eq. 2)."""
        return self.vectors[codes].movedim(-1, 1)

    def perplexity(self, codes: Tensor) -> Tensor:
        """The exponential of the entropy of the use of vectors, scalar in 1 … K: how many are in use."""
        p = torch.bincount(codes.flatten(), minlength=self.settings.codebook_size) / codes.numel()
        return torch.special.entr(p).sum().exp()

    @torch.no_grad()
    def follow(self, z: Tensor, codes: Tensor) -> None:
        """Move the averages to the outputs, (B, D, h, w), that chose the vectors `codes`, (B, h, w); no other form."""
        if not self.settings.averaged:
            return
        rows = z.float().movedim(1, -1).flatten(0, -2)  # (B h w, D)
        chosen = one_hot(codes.flatten(), len(self.vectors)).to(rows.dtype)
        with torch.autocast(z.device.type, enabled=False):
            sums = chosen.mT @ rows / len(rows)
        self.usage.lerp_(chosen.mean(0), 1 - self.settings.codebook_decay)  # eq. 6
        self.sums.lerp_(sums, 1 - self.settings.codebook_decay)  # eq. 7
        alive = self.usage > 1e-12  # a vector without use stays where it is
        self.vectors.copy_(torch.where(alive[:, None], self.sums / self.usage[:, None], self.vectors))  # eq. 8
        self._restart(rows)

    def _restart(self, rows: Tensor) -> None:
        """Put each vector of too little use on one of the outputs, (N, D), drawn without replacement, and even use."""
        even = 1 / len(self.vectors)
        dead = (self.usage < self.settings.restart_below * even).nonzero()[: len(rows), 0]
        drawn = rows[torch.rand(len(rows), device=rows.device).argsort()[: len(dead)]]
        self.vectors[dead], self.usage[dead], self.sums[dead] = drawn, even, drawn * even
