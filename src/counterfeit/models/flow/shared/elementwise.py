"""Monotone maps of single values, whose parameters a net says.

References:
    NICE: Non-linear Independent Components Estimation, Dinh, Krueger & Bengio, 2015 (arXiv 1410.8516).
    Density Estimation Using Real NVP, Dinh, Sohl-Dickstein & Bengio, 2017 (arXiv 1605.08803).
    Improving Variational Inference with Inverse Autoregressive Flow, Kingma et al., 2016 (arXiv 1606.04934).
    Masked Autoregressive Flow for Density Estimation, Papamakarios, Pavlakou & Murray, 2017 (arXiv 1705.07057).
    Neural Spline Flows, Durkan, Bekasov, Murray & Papamakarios, 2019 (arXiv 1906.04032).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, pad, softplus

__all__ = ["CenterScale", "Elementwise", "GatedShift", "ScaleShift", "Shift", "Spline", "soft_clamp"]

LEAST = 1e-3  # width and height of a bin, as shares, and slope at a knot


def soft_clamp(x: Tensor, bound: float) -> Tensor:
    """`x` near 0, and never outside of ±`bound`.

    Example:
        >>> soft_clamp(torch.tensor([0.01, 1e9]), 2.0)
        tensor([0.0100, 2.0000])
    """
    return bound * (x / bound).tanh()


class Elementwise(ABC):
    """A monotone map of each value by parameters of its own."""

    parameters: int
    """How many a value."""

    @abstractmethod
    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """What `x`, (…), becomes by `raw`, (…, parameters), and log |dy/dx|, (…)."""

    @abstractmethod
    def inverse(self, y: Tensor, raw: Tensor) -> Tensor:
        """What becomes `y`, (…)."""


class Shift(Elementwise):
    """y = x + t, which keeps volumes (Dinh et al., 2015, section 3.2)."""

    parameters = 1

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Add."""
        return x + raw[..., 0], torch.zeros_like(x)

    def inverse(self, y: Tensor, raw: Tensor) -> Tensor:
        """Subtract."""
        return y - raw[..., 0]


class ScaleShift(Elementwise):
    """y = x exp(s) + t, where s is bounded (Dinh et al., 2017, eq. 4).

    Arguments:
        bound: of |s|, more than 0.
    """

    parameters = 2

    def __init__(self, bound: float) -> None:
        self.bound = _positive("scale_bound", bound)

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift."""
        s, t = soft_clamp(raw[..., 0], self.bound), raw[..., 1]
        return x * s.exp() + t, s

    def inverse(self, y: Tensor, raw: Tensor) -> Tensor:
        """Shift and scale back."""
        return (y - raw[..., 1]) * (-soft_clamp(raw[..., 0], self.bound)).exp()


class CenterScale(Elementwise):
    """y = (x - mu) exp(-alpha): x is Gaussian where y is N(0, 1) (Papamakarios et al., 2017, eqs. 3 to 5).

    Arguments:
        bound: of |alpha|, more than 0.
    """

    parameters = 2

    def __init__(self, bound: float) -> None:
        self.bound = _positive("scale_bound", bound)

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Standardize."""
        alpha, mu = soft_clamp(raw[..., 0], self.bound), raw[..., 1]
        return (x - mu) * (-alpha).exp(), -alpha

    def inverse(self, y: Tensor, raw: Tensor) -> Tensor:
        """A value of that mean and standard deviation."""
        return y * soft_clamp(raw[..., 0], self.bound).exp() + raw[..., 1]


class GatedShift(Elementwise):
    """y = gate x + (1 - gate) m, where the gate is a sigmoid (Kingma et al., 2016, algorithm 1).

    It never stretches, so that a chain of them is stable, and begins near the identity.

    Arguments:
        bias: what is added to a gate's parameter before the sigmoid; the paper takes 1 to 2.
    """

    parameters = 2

    def __init__(self, bias: float) -> None:
        self.bias = bias

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """A mean of the value and m."""
        log_gate = logsigmoid(raw[..., 0] + self.bias)
        gate = log_gate.exp()
        return gate * x + (1 - gate) * raw[..., 1], log_gate

    def inverse(self, y: Tensor, raw: Tensor) -> Tensor:
        """The value of which it is the mean."""
        gate = (raw[..., 0] + self.bias).sigmoid()
        return (y - (1 - gate) * raw[..., 1]) / gate


class Bin(NamedTuple):
    """The piece of a spline that a value lies in: lower left corner, sizes and slopes at both ends, (…) each."""

    x: Tensor
    y: Tensor
    width: Tensor
    height: Tensor
    low: Tensor
    high: Tensor


class Spline(Elementwise):
    """A monotone rational-quadratic spline on ±`tail`, and the identity elsewhere (Durkan et al., 2019, section 3.1).

    Arguments:
        bins: pieces of the spline, at least 2.
        tail: where the identity begins, more than 0.
    """

    def __init__(self, bins: int, tail: float) -> None:
        if not 2 <= bins <= 1 / (2 * LEAST):
            raise ValueError(f"bins={bins} came; a number from 2 to {int(1 / (2 * LEAST))} is expected. Take 8.")
        self.bins, self.tail, self.parameters = bins, _positive("tail", tail), 3 * bins - 1

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Along the spline (eqs. 4 and 5)."""
        inside, near = x.abs() < self.tail, x.clamp(-self.tail, self.tail)
        at = self._bin(near, raw, by_height=False)
        delta, t = at.height / at.width, (near - at.x) / at.width
        both = t * (1 - t)
        below = delta + (at.high + at.low - 2 * delta) * both
        y = at.y + at.height * (delta * t.square() + at.low * both) / below
        slope = at.high * t.square() + 2 * delta * both + at.low * (1 - t).square()
        ladj = 2 * delta.log() + slope.log() - 2 * below.log()
        return torch.where(inside, y, x), torch.where(inside, ladj, 0)

    def inverse(self, y: Tensor, raw: Tensor) -> Tensor:
        """The root of a quadratic equation, in the form that loses no digits (eqs. 6 to 8)."""
        inside, near = y.abs() < self.tail, y.clamp(-self.tail, self.tail)
        at = self._bin(near, raw, by_height=True)
        delta, rise = at.height / at.width, near - at.y
        bend = rise * (at.high + at.low - 2 * delta)
        a, b, c = at.height * (delta - at.low) + bend, at.height * at.low - bend, -delta * rise
        t = 2 * c / (-b - (b.square() - 4 * a * c).clamp(min=0).sqrt())
        return torch.where(inside, at.x + t * at.width, y)

    def _bin(self, value: Tensor, raw: Tensor, by_height: bool) -> Bin:
        widths, heights, slopes = raw.split([self.bins, self.bins, self.bins - 1], -1)
        xs, ys = self._knots(widths), self._knots(heights)
        # slopes of 1 where parameters are 0, and always at both ends, where the identity goes on
        slopes = pad(LEAST + softplus(slopes + math.log(math.expm1(1 - LEAST))), (1, 1), value=1.0)
        inner = (ys if by_height else xs)[..., 1:-1].detach().contiguous()
        k = torch.searchsorted(inner, value.detach()[..., None].contiguous(), right=True)
        x, y, low = (t.gather(-1, k)[..., 0] for t in (xs, ys, slopes))
        right, top, high = (t.gather(-1, k + 1)[..., 0] for t in (xs, ys, slopes))
        return Bin(x, y, right - x, top - y, low, high)

    def _knots(self, raw: Tensor) -> Tensor:
        """Places between ±`tail` that never meet, (…, bins) -> (…, bins + 1)."""
        shares = LEAST + (1 - LEAST * self.bins) * raw.softmax(-1)
        inner = self.tail * (2 * shares.cumsum(-1)[..., :-1] - 1)
        return pad(pad(inner, (1, 0), value=-self.tail), (0, 1), value=self.tail)


def _positive(name: str, value: float) -> float:
    if not 0 < value < math.inf:
        raise ValueError(f"{name}={value} came; a finite number above 0 is expected. Raise it.")
    return value
