"""Posteriors of codes: independent Gaussians, and what inverse autoregressive transforms make of them.

References:
    Auto-Encoding Variational Bayes, Kingma & Welling, 2014 (arXiv 1312.6114).
    Improving Variational Inference with Inverse Autoregressive Flow, Kingma et al., 2016 (arXiv 1606.04934).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from counterfeit.models.flow.shared.elementwise import GatedShift
from counterfeit.models.flow.shared.masked import MaskedAutoregressive, MaskedConditioner

__all__ = ["CodeDraw", "Posterior", "PosteriorFlow", "kl_to_standard_normal", "log_normal", "log_standard_normal"]


def kl_to_standard_normal(loc: Tensor, log_scale: Tensor) -> Tensor:
    """KL(N(loc, scale²) || N(0, 1)) in nats of each code's dimension: (B, D) -> (B, D) (2014, appendix B)."""
    return 0.5 * (loc.square() + (2 * log_scale).exp() - 1 - 2 * log_scale)


def log_normal(z: Tensor, loc: Tensor, log_scale: Tensor) -> Tensor:
    """Log N(z; loc, scale²) in nats, summed over the last dimension."""
    return (log_standard_normal((z - loc) / log_scale.exp()) - log_scale).sum(-1)


def log_standard_normal(z: Tensor) -> Tensor:
    """Log N(z; 0, 1) of each value in nats, (…)."""
    return -0.5 * (z.square() + math.log(2 * math.pi))


class CodeDraw(NamedTuple):
    """Codes drawn from a posterior, with what each dimension contributes: (B, D) each, in nats.

    Arguments:
        z: the codes.
        log_q: of the log-density of the posterior at them.
        kl: of its divergence from the prior: in closed form of Gaussians, else log q - log p at the codes.
    """

    z: Tensor
    log_q: Tensor
    kl: Tensor


@dataclass(frozen=True)
class PosteriorFlow:
    """What stands behind the Gaussian that the encoder gives.

    Arguments:
        flows: inverse autoregressive transforms of the Gaussian's codes (Kingma et al., 2016); 0 leaves them Gaussian.
        flow_hidden: sizes of the hidden layers of each transform's masked net.
        context_dim: numbers that the encoder gives these nets, beside mean and scale.
        gate_bias: what gates begin with, before their sigmoid; the larger, the nearer to the Gaussian at first.

    Raises:
        ValueError: where a number is negative, or transforms are to see no context.
    """

    flows: int = 0
    flow_hidden: tuple[int, ...] = (320,)
    context_dim: int = 64
    gate_bias: float = 2.0

    def __post_init__(self) -> None:
        if self.flows < 0 or self.context_dim < 1:
            came = f"flows={self.flows} and context_dim={self.context_dim} came"
            raise ValueError(f"{came}; at least 0 transforms and a context of at least 1 are expected. Correct them.")

    def outputs(self, latent_dim: int) -> int:
        """How many numbers an encoder gives for codes of `latent_dim`."""
        return 2 * latent_dim + (self.context_dim if self.flows else 0)

    def layers(self, latent_dim: int) -> list[MaskedAutoregressive]:
        """The transforms, each of which goes through the dimensions in the opposite order of the one before."""
        order, gate = torch.arange(latent_dim), GatedShift(self.gate_bias)
        nets = [
            MaskedConditioner(
                order.flip(0) if i % 2 else order, self.flow_hidden, "relu", gate.parameters, i, self.context_dim
            )
            for i in range(self.flows)
        ]
        return [MaskedAutoregressive(net, gate) for net in nets]


class Posterior(nn.Module):
    """q(z | x), given by what an encoder says of x: mean, log standard deviation and, for transforms, a context.

    Arguments:
        latent_dim: size of a code.
        flow: what stands behind the Gaussian.

    Example:
        >>> Posterior(4, PosteriorFlow(flows=2, context_dim=3)).draw(torch.zeros(5, 11)).z.shape
        torch.Size([5, 4])
    """

    def __init__(self, latent_dim: int, flow: PosteriorFlow) -> None:
        super().__init__()
        self.latent_dim, self.flows = latent_dim, nn.ModuleList(flow.layers(latent_dim))

    def draw(self, raw: Tensor, noise: Tensor | None = None) -> CodeDraw:
        """Draw a code for each example (2016, algorithm 1).

        Arguments:
            raw: what the encoder says, (B, outputs).
            noise: of the Gaussian, (B, D); drawn where None, and the Gaussian's mean where 0.
        """
        loc, log_scale, context = self._parts(raw)
        noise = torch.randn_like(loc) if noise is None else noise
        z, ladj = loc + log_scale.exp() * noise, torch.zeros_like(loc)
        for layer in self._layers:
            z, log_gate = layer.elementwise.forward(z, layer.conditioner(z, context))
            ladj = ladj + log_gate
        log_q = log_standard_normal(noise) - log_scale - ladj
        kl = log_q - log_standard_normal(z) if self._layers else kl_to_standard_normal(loc, log_scale)
        return CodeDraw(z, log_q, kl)

    def center(self, raw: Tensor) -> CodeDraw:
        """What becomes of the Gaussian's mean: the posterior's own mean where nothing stands behind the Gaussian."""
        return self.draw(raw, torch.zeros_like(raw[:, : self.latent_dim]))

    def log_prob(self, z: Tensor, raw: Tensor) -> Tensor:
        """Log q(z | x) of any codes, (B, D), in nats, (B,); through transforms one dimension after another.

        Minus infinity of codes so far out that the way back overflows.
        """
        loc, log_scale, context = self._parts(raw)
        ladj = torch.zeros_like(loc[:, 0])
        for layer in reversed(self._layers):
            z = layer.inverse(z, context)
            ladj = ladj + layer(z, context)[1]
        return (log_normal(z, loc, log_scale) - ladj).nan_to_num(nan=-math.inf, neginf=-math.inf)

    @property
    def _layers(self) -> list[MaskedAutoregressive]:
        return cast(list[MaskedAutoregressive], [*self.flows])

    def _parts(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        loc, log_scale, context = raw.tensor_split([self.latent_dim, 2 * self.latent_dim], 1)
        return loc, log_scale, context
