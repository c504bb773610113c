"""Toy densities in one and two dimensions, known exactly.

All are mixtures of Gaussians. Those along a curve have their centers at the nodes of a composite Gauss-Legendre rule,
closer together than their standard deviation: within 1e-9 of the density of a Gaussian whose center runs along it.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from counterfeit.core import Spec
from counterfeit.data.source import SPLITS, InMemory
from counterfeit.data.sources.in_memory import Fixed

__all__ = ["Bimodal1D", "Gaussian1D", "Gaussian2D", "Grid", "Mixture", "Ring", "SwissRoll", "Toy", "TwoMoons"]

SIZES = {"train": 50_000, "valid": 10_000, "test": 10_000}


class Mixture(NamedTuple):
    """A mixture of Gaussians that share a covariance, float64.

    Arguments:
        centers: (K, D).
        weights: (K,), summing to one.
        scale: the lower Cholesky factor of the covariance, (D, D).
    """

    centers: np.ndarray
    weights: np.ndarray
    scale: np.ndarray

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density in nats at `x`, (B, D) -> (B,)."""
        scale = torch.from_numpy(self.scale).to(x.device)
        whiten = torch.linalg.inv(scale).mT
        z, c = x.double() @ whiten, torch.from_numpy(self.centers).to(x.device) @ whiten
        constant = scale.logdet() + 0.5 * z.shape[1] * math.log(2 * math.pi) + 0.5 * z.square().sum(1)
        bias = torch.from_numpy(self.weights).to(x.device).log() - 0.5 * c.square().sum(1)
        rows = [torch.addmm(bias, part, c.mT).logsumexp(1) for part in z.split(4096)]  # (K,) + (B, D) (D, K)
        return (torch.cat(rows) - constant).to(x.dtype)

    def sample(self, n: int, seed: int) -> Tensor:
        """Draw `n` points, float32 (n, D)."""
        random = np.random.RandomState(seed)  # legacy: its stream is frozen
        centers = self.centers[random.choice(len(self.centers), n, p=self.weights)]
        return torch.from_numpy(centers + random.standard_normal(centers.shape) @ self.scale.T).float()


def equal(centers: np.ndarray, std: float) -> Mixture:
    """Equal weights at `centers`, (K, D), and the standard deviation `std` in every direction."""
    return Mixture(centers, np.full(len(centers), 1 / len(centers)), std * np.eye(centers.shape[1]))


def along(curve: Callable[[np.ndarray], np.ndarray], low: float, high: float, std: float, panels: int) -> Mixture:
    """A Gaussian whose center runs along `curve`, t -> (..., D), with t uniform in [low, high]."""
    nodes, weights = np.polynomial.legendre.leggauss(12)
    edges = np.linspace(low, high, panels + 1)
    t = (edges[:-1, None] + (nodes + 1) / 2 * (high - low) / panels).ravel()
    centers = curve(t)
    return Mixture(centers, np.tile(weights / 2 / panels, panels), std * np.eye(2))


class Toy(Fixed):
    """Draws from a density that is known: 50,000 for training, 10,000 for validation, 10,000 for the test.

    Subclasses set `native` and implement `mixture`.
    """

    curved: ClassVar[bool] = False

    @abstractmethod
    def mixture(self) -> Mixture:
        """The density."""

    def load(self) -> Mapping[str, InMemory]:
        """Every split, float32."""
        return {split: InMemory(self.sample(SIZES[split], seed)) for seed, split in enumerate(SPLITS)}

    def sample(self, n: int, seed: int = 3) -> Tensor:
        """Draw `n` points, float32 (n, D); the seeds 0, 1 and 2 are those of the splits."""
        return self._density.sample(n, seed)

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-likelihood of `x`, (B, D), in nats, (B,)."""
        self.spec.check(x.detach(), self.name)
        return self._density.log_prob(x)

    @property
    def modes(self) -> Tensor | None:
        """Centers of the modes, float32 (K, D); None where the density lies along a curve."""
        return None if self.curved else torch.from_numpy(self._density.centers).float()

    @property
    def std(self) -> float | None:
        """Standard deviation around a mode or the curve; None where it depends on the direction."""
        scale = self._density.scale
        return float(scale[0, 0]) if np.array_equal(scale, scale[0, 0] * np.eye(len(scale))) else None

    @cached_property
    def _density(self) -> Mixture:
        return self.mixture()


class Gaussian1D(Toy):
    """N(2, 0.5²)."""

    name = "gaussian-1d"
    summary = "one Gaussian on the line"
    native = Spec((1,), "real")

    def mixture(self) -> Mixture:
        """One component."""
        return equal(np.array([[2.0]]), 0.5)


class Bimodal1D(Toy):
    """Half N(-2, 0.5²), half N(2, 0.5²)."""

    name = "bimodal-1d"
    summary = "two Gaussians on the line"
    native = Spec((1,), "real")

    def mixture(self) -> Mixture:
        """Two components."""
        return equal(np.array([[-2.0], [2.0]]), 0.5)


class Gaussian2D(Toy):
    """Two standard normal coordinates with correlation 0.8."""

    name = "gaussian-2d"
    summary = "one correlated Gaussian in the plane"
    native = Spec((2,), "real")

    def mixture(self) -> Mixture:
        """One component."""
        return Mixture(np.zeros((1, 2)), np.ones(1), np.array([[1.0, 0.0], [0.8, 0.6]]))


class Ring(Toy):
    """Eight Gaussians of standard deviation 0.02 on a circle of radius 2.

    References:
        Unrolled Generative Adversarial Networks, Metz, Poole, Pfau and Sohl-Dickstein, 2017 (arXiv 1611.02163).
    """

    name = "ring"
    summary = "eight narrow Gaussians on a circle"
    native = Spec((2,), "real")

    def mixture(self) -> Mixture:
        """Eight components."""
        angle = np.arange(8) * (2 * np.pi / 8)
        return equal(2 * np.stack((np.cos(angle), np.sin(angle)), 1), 0.02)


class Grid(Toy):
    """Twenty-five Gaussians of standard deviation 0.05 on a grid from -4 to 4.

    References:
        VEEGAN: Reducing Mode Collapse in GANs, Srivastava et al., 2017 (arXiv 1705.07761).
    """

    name = "grid"
    summary = "twenty-five narrow Gaussians on a grid"
    native = Spec((2,), "real")

    def mixture(self) -> Mixture:
        """Twenty-five components."""
        side = np.linspace(-4.0, 4.0, 5)
        return equal(np.stack(np.meshgrid(side, side, indexing="ij"), -1).reshape(-1, 2), 0.05)


class TwoMoons(Toy):
    """Two half circles of radius 1, (cos t, sin t) and (1 - cos t, 1/2 - sin t), with noise of standard deviation 0.1.

    The same as scikit-learn's `make_moons(noise=0.1)` but for t, which is uniform here and on a regular grid there.
    """

    name = "two-moons"
    summary = "two interleaved half circles in the plane"
    native = Spec((2,), "real")
    curved = True

    def mixture(self) -> Mixture:
        """Components along both arcs."""
        arc = along(lambda t: np.stack((np.cos(t), np.sin(t)), -1), 0, np.pi, 0.1, 10)
        centers = np.concatenate((arc.centers, np.array([1.0, 0.5]) - arc.centers))
        return Mixture(centers, np.tile(arc.weights / 2, 2), arc.scale)


class SwissRoll(Toy):
    """The spiral t (cos t, sin t) / 5 for t uniform in [1.5π, 4.5π], with noise of standard deviation 0.1."""

    name = "swiss-roll"
    summary = "a spiral in the plane"
    native = Spec((2,), "real")
    curved = True

    def mixture(self) -> Mixture:
        """Components along the spiral."""
        return along(lambda t: t[:, None] / 5 * np.stack((np.cos(t), np.sin(t)), -1), 1.5 * np.pi, 4.5 * np.pi, 0.1, 50)
