"""Contractive autoencoders, alone and stacked: codes that move little where the data do not vary.

References:
    Contractive Auto-Encoders: Explicit Invariance During Feature Extraction, Rifai, Vincent, Muller, Glorot & Bengio,
        2011.
    A Generative Process for Sampling Contractive Auto-Encoders, Rifai, Bengio, Dauphin & Vincent, 2012
        (arXiv 1206.6434).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from counterfeit.core import Clock, Draw, Net, Spec, Update, check_request
from counterfeit.models.autoencoding.shared.code_model import CodeModel
from counterfeit.models.autoencoding.shared.reconstruction import ErrorName, Reconstruction, reconstruction

__all__ = ["ContractiveAutoencoder", "SigmoidLayer"]


class SigmoidLayer(Net):
    """Codes h = s(W x + b) of inputs x, and their reconstruction from Wᵀ h + c: s is the sigmoid, weights are tied.

    Arguments:
        inputs: size of x.
        hidden: size of h.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        bound = 4 * (6 / (inputs + hidden)) ** 0.5  # of sigmoid units (Glorot & Bengio, 2010)
        self.weight = nn.Parameter(torch.empty(hidden, inputs).uniform_(-bound, bound))
        self.bias, self.visible_bias = nn.Parameter(torch.zeros(hidden)), nn.Parameter(torch.zeros(inputs))

    def forward(self, x: Tensor) -> Tensor:
        """Codes, (B, inputs) -> (B, hidden)."""
        return nn.functional.linear(x, self.weight, self.bias).float().sigmoid()

    def decode(self, h: Tensor) -> Tensor:
        """What inputs are rebuilt from, (B, hidden) -> (B, inputs); bounded ones are its sigmoid."""
        return nn.functional.linear(h, self.weight.T, self.visible_bias).float()

    def contraction(self, h: Tensor) -> Tensor:
        """‖J‖² of the Jacobian J = dh/dx, by its codes: (B, hidden) -> (B,) (2011, equation 7)."""
        return (h * (1 - h)).square() @ self.weight.square().sum(1)


class ContractiveAutoencoder(CodeModel):
    """Contractive autoencoders: sigmoid layers whose codes hold still where the data do not vary, by ‖dh/dx‖².

    Several layers are trained one after the other, each on the codes of the one below, for equal shares of training.

    The directions in which codes still move span the tangents of the data's manifold. Samples are the end of chains
    x -> g(h + J Jᵀ ε), h = f(x), ε normal, that move along them (2012, algorithm 1). They start at decoded draws from
    the normal distribution with the moments of the codes of training examples, not at examples.

    References:
        Contractive Auto-Encoders: Explicit Invariance During Feature Extraction, Rifai et al., 2011.
        A Generative Process for Sampling Contractive Auto-Encoders, Rifai et al., 2012 (arXiv 1206.6434).

    Arguments:
        spec: what the data are.
        hidden: units of each layer, from the data up.
        contraction: weight of the squared Frobenius norm of a layer's Jacobian.
        error: of reconstructions: squared, or the cross-entropy of values in [0, 1]; auto: the latter where it can be.
        sampling_steps: steps of the chain before a sample.
        chain_scale: standard deviation of the noise ε.

    Raises:
        ValueError: where there is no layer, a setting is negative, or the error does not suit the data.

    Example:
        >>> model = ContractiveAutoencoder(Spec((1, 8, 8)), hidden=(20, 10), sampling_steps=3)
        >>> model.encode(model.sample(2)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self, spec: Spec, hidden: tuple[int, ...] = (1_000,), contraction: float = 0.1, error: ErrorName = "auto",
        sampling_steps: int = 10, chain_scale: float = 0.3,
    ) -> None:  # fmt: skip
        if min(hidden, default=0) < 1 or sampling_steps < 0 or not min(contraction, chain_scale) >= 0:
            came = f"hidden={hidden}, contraction={contraction}, sampling_steps={sampling_steps}"
            came = f"{came}, chain_scale={chain_scale} came"
            raise ValueError(f"{came}; layers of at least 1 unit, and at least 0, are expected. Correct them.")
        super().__init__(spec, hidden[-1], error)
        self.hidden, self.contraction = hidden, contraction
        self.sampling_steps, self.chain_scale = sampling_steps, chain_scale
        self.layers = nn.ModuleList(SigmoidLayer(*sizes) for sizes in pairwise((spec.dims, *hidden)))

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        """Descend the error of one layer's reconstructions, and the norm of its Jacobian."""
        x, (stage, time) = draw().x.flatten(1), clock.shared((1,) * len(self.layers))
        with torch.no_grad():
            for layer in self._stack()[:stage]:
                x = layer(x)
        layer = self._stack()[stage]
        h = layer(x)
        error = self._reconstruction(stage).loss(x, layer.decode(h).unsqueeze(-1)).mean()
        losses = {"loss": error, "contraction": self.contraction * layer.contraction(h).mean()}
        yield Update.of(f"layers.{stage}", losses).during(time)

    def stage(self, clock: Clock) -> int:
        """The layer that is trained at `clock`, from 0.

        Example:
            >>> model = ContractiveAutoencoder(Spec((4,)), hidden=(3, 2))
            >>> [model.stage(Clock(step, 10)) for step in (0, 4, 5, 9, 10)]
            [0, 0, 1, 1, 1]
        """
        return clock.stage(len(self.layers))

    def code(self, x: Tensor) -> Tensor:
        """Examples, (B, *shape) -> codes of the last layer, (B, hidden)."""
        return self._codes(x)[-1]

    def raw(self, z: Tensor) -> Tensor:
        """Codes of the last layer, (B, hidden) -> what `reconstruction` makes examples of, (B, *shape, 1)."""
        *above, first = reversed(self._stack())
        for stage, layer in enumerate(above, 1):
            z = self._reconstruction(len(self.layers) - stage).mean(layer.decode(z).unsqueeze(-1))
        return first.decode(z).unflatten(1, (*self.spec.shape, 1))

    def prior(self, n: int) -> Tensor:
        """The codes, (n, hidden), at which `n` chains end."""
        return self.move(self.begin(n), self.sampling_steps)

    def begin(self, n: int) -> Tensor:
        """Codes from the normal distribution with the moments of the codes of training examples, (n, hidden)."""
        return self.like_codes(n)

    def move(self, state: Tensor, steps: int) -> Tensor:
        """Codes so many steps on, (n, hidden)."""
        for _ in range(steps):
            state = self.walk(self.decode(state))
        return state

    def seen(self, state: Tensor) -> Tensor:
        """Means of examples, of which binary ones are drawn, (n, *shape)."""
        return self.reconstruction.drawn(self.decode(state))

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """The ends of `n` chains, (n, *shape): means of examples, of which binary ones are drawn."""
        check_request(n, y)
        return self.seen(self.prior(n))

    def walk(self, x: Tensor) -> Tensor:
        """The codes h + J Jᵀ ε of examples, (B, *shape), which decode to the next of each chain (2012, algorithm 1)."""
        h = self._codes(x)
        return h[-1] + self.along_tangents(h, self.chain_scale * torch.randn_like(h[-1]))

    def along_tangents(self, codes: list[Tensor], v: Tensor) -> Tensor:
        """J Jᵀ v of the Jacobian J of the last layer's codes in the data, by products with weights alone.

        Arguments:
            codes: of every layer, (B, hidden) each.
            v: what is multiplied, (B, hidden) of the last layer.
        """
        slopes = [h * (1 - h) for h in codes]
        stack = self._stack()
        for layer, slope in zip(reversed(stack), reversed(slopes), strict=True):
            v = (v * slope) @ layer.weight
        for layer, slope in zip(stack, slopes, strict=True):
            v = slope * (v @ layer.weight.T)
        return v

    def _codes(self, x: Tensor) -> list[Tensor]:
        """Codes of every layer, (B, hidden) each."""
        inputs = [x.flatten(1)]
        for layer in self._stack():
            inputs.append(layer(inputs[-1]))
        return inputs[1:]

    def _stack(self) -> list[SigmoidLayer]:
        return cast(list[SigmoidLayer], [*self.layers])

    def _reconstruction(self, stage: int) -> Reconstruction:
        """Of the inputs of a layer: the data, flat, or codes in (0, 1)."""
        kind = "image" if stage else self.spec.kind
        return reconstruction(Spec((self._stack()[stage].weight.shape[1],), kind), self.error)
