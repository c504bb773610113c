"""Transition kernels: moves that leave an unnormalized density as it is, for many chains at once.

References:
    MCMC Using Hamiltonian Dynamics, Neal, 2011 (arXiv 1206.1901).
    A Langevin-like Sampler for Discrete Distributions, Zhang, Liu & Liu, 2022 (arXiv 2206.09914).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["HMC", "DiscreteLangevin", "Kernel", "LogDensity"]

LogDensity = Callable[[Tensor], Tensor]  # (R, D) -> nats up to a constant, (R,), differentiable
GROWTH = 1.05  # of the step, by which it seeks the acceptance aimed at


class Kernel(ABC):
    """A Metropolis-Hastings move; its step grows while more than `target` of the chains accept, else shrinks.

    Arguments:
        step: size of the first step, in the unit of the kernel.
        target: share of proposals to accept.
    """

    def __init__(self, step: float, target: float) -> None:
        self.step, self.target = step, target

    def __call__(self, x: Tensor, log_f: LogDensity) -> Tensor:
        """Move the chains `x`, (R, D), so that the density exp(`log_f`) stays as it is."""
        proposal, log_ratio = self.propose(x, log_f)
        accepted = torch.rand_like(log_ratio).log() < log_ratio  # a proposal that diverged is nan, and refused
        self.step *= GROWTH if float(accepted.float().mean()) > self.target else 1 / GROWTH
        return torch.where(accepted[:, None], proposal, x)

    @abstractmethod
    def propose(self, x: Tensor, log_f: LogDensity) -> tuple[Tensor, Tensor]:
        """Where to go, (R, D), and the logarithm of the Metropolis-Hastings ratio, (R,)."""


class HMC(Kernel):
    """Hamiltonian Monte Carlo with unit masses, for densities on R^D.

    Arguments:
        step: of a leapfrog, at first.
        leapfrogs: of one move.
        target: share of proposals to accept.
    """

    def __init__(self, step: float = 0.1, leapfrogs: int = 10, target: float = 0.65) -> None:
        super().__init__(step, target)
        self.leapfrogs = leapfrogs

    def propose(self, x: Tensor, log_f: LogDensity) -> tuple[Tensor, Tensor]:
        """Follow the dynamics from a fresh momentum."""
        momentum = torch.randn_like(x)
        before, gradient = _with_gradient(x, log_f)
        energy = momentum.square().sum(1) / 2 - before
        for _ in range(self.leapfrogs):
            momentum = momentum + self.step / 2 * gradient
            x = x + self.step * momentum
            after, gradient = _with_gradient(x, log_f)
            momentum = momentum + self.step / 2 * gradient
        return x, energy - (momentum.square().sum(1) / 2 - after)


class DiscreteLangevin(Kernel):
    """Flips many of the binary values at once, each with a probability that the gradient gives.

    Arguments:
        step: alpha of the paper, at first: the larger, the more values flip.
        target: share of proposals to accept.
    """

    def __init__(self, step: float = 0.2, target: float = 0.57) -> None:
        super().__init__(step, target)

    def propose(self, x: Tensor, log_f: LogDensity) -> tuple[Tensor, Tensor]:
        """Flip, and weigh the way there against the way back."""
        before, there = self._flips(x, log_f)
        flipped = torch.rand_like(x) < there.sigmoid()
        proposal = torch.where(flipped, 1 - x, x)
        after, back = self._flips(proposal, log_f)
        sign = torch.where(flipped, 1.0, -1.0)
        ways = torch.nn.functional.logsigmoid(sign * back) - torch.nn.functional.logsigmoid(sign * there)
        return proposal, after - before + ways.sum(1)

    def _flips(self, x: Tensor, log_f: LogDensity) -> tuple[Tensor, Tensor]:
        """Log-density and the logits of flipping each value (eq. 4)."""
        value, gradient = _with_gradient(x, log_f)
        return value, gradient * (0.5 - x) - 0.5 / self.step


def _with_gradient(x: Tensor, log_f: LogDensity) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        value = log_f(x)
        (gradient,) = torch.autograd.grad(value.sum(), x)
    return value.detach(), gradient
