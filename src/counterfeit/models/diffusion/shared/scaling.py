"""The unit in which data are noised: [-1, 1] for pictures and bits, mean 0 and standard deviation 1 for real values."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from counterfeit.core import Spec
from counterfeit.transforms import LEVELS, moments

__all__ = ["Scaling"]


class Scaling(nn.Module):
    """x = loc + scale m between data x in their natural unit and m, to which noise is added.

    Arguments:
        spec: what the data are.

    Example:
        >>> Scaling(Spec((2,), "binary")).inward(torch.tensor([[0.0, 1.0]]))
        tensor([[-1.,  1.]])
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        start = 0.5 if spec.bounded else 0.0
        self.spec = spec
        self.register_buffer("loc", torch.full(spec.shape, start))
        self.register_buffer("scale", torch.full(spec.shape, start or 1.0))

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """See the moments of real values, (N, *shape); [0, 1] stays what it is."""
        if not self.spec.bounded:
            loc, scale = moments(x)
            self.loc.copy_(loc)
            self.scale.copy_(scale)

    def inward(self, x: Tensor) -> Tensor:
        """From the natural unit, (B, *shape)."""
        return (x - self.loc) / self.scale

    def outward(self, m: Tensor) -> Tensor:
        """To the natural unit, within the range of the data; bits are rounded."""
        return self.spec.rounded(self.spec.within(self.loc + self.scale * m))

    def clipped(self, m: Tensor) -> Tensor:
        """Predicted data, held where data can be."""
        return m.clamp(-1, 1) if self.spec.bounded else m

    def spread(self, x: Tensor) -> Tensor:
        """8-bit values (B, *shape), each anywhere in its 1/256 of [0, 1]; real values as they are."""
        if self.spec.kind != "image":
            return x
        return ((x * (LEVELS - 1)).round() + torch.rand_like(x)) / LEVELS

    def log_volume(self) -> Tensor:
        """Log |dm/dx| in nats, scalar: what densities of m lack to be those of x."""
        return -self.scale.log().sum()

    def log_emission(self, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """Log-likelihood in nats, (B,), of data `x` where m is normal: of its interval for 8-bit values and for bits.

        Those of 8-bit values are densities on [0, 1], even over each level; the intervals at both ends are open.

        Arguments:
            x: in the natural unit, (B, *shape).
            mean: of m, (B, *shape).
            std: of m, (B, *shape) or to be expanded to it.
        """
        m = self.inward(x)
        if not self.spec.bounded:
            z = (m - mean) / std
            return (-0.5 * (z.square() + math.log(2 * math.pi)) - std.log()).flatten(1).sum(1) + self.log_volume()
        levels = LEVELS if self.spec.kind == "image" else 2
        half, inner = 1 / (levels - 1), 0.5 / (levels - 1)
        above = torch.where(x > 1 - inner, math.inf, (m + half - mean) / std)
        below = torch.where(x < inner, -math.inf, (m - half - mean) / std)
        found = _log_interval(below, above).flatten(1).sum(1)
        return found + self.spec.dims * math.log(levels) if self.spec.kind == "image" else found


def _log_interval(low: Tensor, high: Tensor) -> Tensor:
    """Log of Φ(high) - Φ(low), in the tail where it is precise: by symmetry, the one below 0."""
    flip = low + high > 0
    a, b = torch.where(flip, -high, low), torch.where(flip, -low, high)
    log_b = torch.special.log_ndtr(b)
    return log_b + torch.log(-torch.expm1((torch.special.log_ndtr(a) - log_b).clamp(max=-1e-6)))
