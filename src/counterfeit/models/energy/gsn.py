"""The generative stochastic network: a chain whose steps are learned by backpropagation, and no energy at all.

References:
    Generalized Denoising Auto-Encoders as Generative Models, Bengio, Yao, Alain & Vincent, 2013 (arXiv 1305.6663).
    Deep Generative Stochastic Networks Trainable by Backprop, Bengio, Thibodeau-Laufer, Alain & Yosinski, 2014
        (arXiv 1306.1091).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from counterfeit.core import Batch, Clock, Draw, Net, Spec, Update
from counterfeit.corruption import Corruption
from counterfeit.models.energy.shared.bipartite import base_rates, bits
from counterfeit.models.energy.shared.chain_model import ChainModel
from counterfeit.nets.layers import at_least_float32
from counterfeit.nets.masks import check_mask

__all__ = ["GSN", "GSNSettings"]

ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid}


@dataclass(frozen=True)
class GSNSettings:
    """How the chain of a generative stochastic network moves.

    Arguments:
        activation: of the hidden units.
        noise_before: standard deviation of the normal noise on the inputs of hidden units.
        noise_after: standard deviation of the normal noise on hidden units themselves.
        noiseless_layers: how many hidden layers, from the lowest on, have no noise of either kind.
        walkback: steps of the chain in training, from each of which the example is to be rebuilt.
        sampling_steps: steps of the chain before a sample.
    """

    activation: Literal["tanh", "relu", "sigmoid"] = "tanh"
    noise_before: float = 0.0
    noise_after: float = 2.0
    noiseless_layers: int = 0
    walkback: int = 5
    sampling_steps: int = 200

    def __post_init__(self) -> None:
        least = min(self.noise_before, self.noise_after, self.noiseless_layers, self.sampling_steps)
        if least < 0 or self.walkback < 1:
            came = f"noise_before={self.noise_before}, noise_after={self.noise_after}, walkback={self.walkback}"
            came = f"{came}, noiseless_layers={self.noiseless_layers}, sampling_steps={self.sampling_steps} came"
            raise ValueError(f"{came}; at least 0, and at least 1 step in training, are expected. Raise them.")


class Transition(Net):
    """One step of the chain: odd hidden layers given their neighbours, then even ones and what is to be seen.

    Arguments:
        sizes: units of every layer, those of an example first.
        settings: activation and noise.
    """

    def __init__(self, sizes: Sequence[int], settings: GSNSettings) -> None:
        super().__init__()
        self.weights = nn.ParameterList(nn.init.xavier_uniform_(torch.empty(*pair)) for pair in pairwise(sizes))
        self.biases = nn.ParameterList(torch.zeros(size) for size in sizes)
        self.settings, self.activation = settings, ACTIVATIONS[settings.activation]

    def forward(self, v: Tensor, hidden: Sequence[Tensor], noisy: bool = True) -> tuple[Tensor, list[Tensor]]:
        """Examples, (B, D), and hidden layers, (B, units) each -> log-odds of the next examples, hidden layers."""
        layers = [v, *hidden]
        for start in (1, 2):
            for i in range(start, len(layers), 2):
                layers[i] = self.drawn(self.inputs(i, layers), noisy and i > self.settings.noiseless_layers)
        return at_least_float32(self.inputs(0, layers)), layers[1:]

    def inputs(self, i: int, layers: Sequence[Tensor]) -> Tensor:
        """What reaches layer `i` from its neighbours, (B, units)."""
        total = self.biases[i]
        if i > 0:
            total = total + layers[i - 1] @ self.weights[i - 1]
        return total + layers[i + 1] @ self.weights[i].mT if i + 1 < len(layers) else total

    def drawn(self, inputs: Tensor, noisy: bool) -> Tensor:
        """Hidden units of these inputs."""
        before, after = (self.settings.noise_before, self.settings.noise_after) if noisy else (0.0, 0.0)
        h = self.activation(inputs + before * torch.randn_like(inputs) if before else inputs)
        return h + after * torch.randn_like(h) if after else h


class GSN(ChainModel):
    """A deep generative stochastic network: a Markov chain over examples and hidden layers, trained to find back.

    Of each step the example before it is to be rebuilt, as in a denoising autoencoder whose corruption has hidden
    layers of its own; where P(x | h) is learned well, the chain's stationary distribution is that of the data (2014,
    theorem 2). In training, chains go on for some steps (walkback), which teaches them the way back from where they
    stray.

    Values of pictures in [0, 1] are taken for probabilities, and samples are such probabilities.

    References:
        Deep Generative Stochastic Networks Trainable by Backprop, Bengio et al., 2014 (arXiv 1306.1091).

    Arguments:
        spec: what the data are, in [0, 1].
        hidden: how many units each hidden layer has, from the lowest on.
        noise: how examples are corrupted at every step.
        gsn: how the chain moves.

    Raises:
        ValueError: where the data are not in [0, 1], or there is no hidden unit.

    Example:
        >>> model = GSN(Spec((1, 4, 4), "binary"), hidden=(8, 6))
        >>> model.sample(3).shape
        torch.Size([3, 1, 4, 4])
    """

    kinds = ("image", "binary")
    rates: Tensor

    def __init__(
        self, spec: Spec, hidden: tuple[int, ...] = (1_500, 1_500),
        noise: Corruption = Corruption("salt-and-pepper", 0.4), gsn: GSNSettings = GSNSettings(),  # noqa: B008
    ) -> None:  # fmt: skip
        if not spec.bounded:
            raise ValueError(f"{spec.kind} data came; a GSN expects values in [0, 1]. Take a denoising autoencoder.")
        if min(hidden, default=0) < 1:
            raise ValueError(f"hidden={hidden} came; a layer of at least one unit is expected. Raise it.")
        super().__init__(spec, gsn.sampling_steps)
        self.hidden, self.noise, self.gsn = hidden, noise, gsn
        self.transition = Transition((spec.dims, *hidden), gsn)
        self.register_buffer("rates", torch.full((spec.dims,), 0.5))

    @torch.no_grad()
    def initialize(self, data: Batch) -> None:
        """See the mean of every value, from which chains begin."""
        logits = base_rates(data.x.flatten(1))
        self.rates.copy_(logits.sigmoid())
        self.transition.biases[0].copy_(logits)

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:  # noqa: ARG002
        """Descend the cross-entropy of the example in what each step of the chain that left it says."""
        x = draw().x.flatten(1)
        v, hidden, losses = x, self.blank(len(x)), []
        for _ in range(self.gsn.walkback):
            logits, hidden = self.transition(self.noise(v, self.spec), hidden)
            losses.append(binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1).mean())
            v = bits(logits.detach().sigmoid())
        loss = torch.stack(losses).mean()
        yield Update(loss, logs={"loss": loss.detach(), "first": losses[0].detach(), "last": losses[-1].detach()})

    def blank(self, n: int) -> list[Tensor]:
        """Hidden layers before the first step, all 0, (n, units) each."""
        return [self.rates.new_zeros(n, size) for size in self.hidden]

    def begin(self, n: int) -> Tensor:
        """Independent bits at the base rates, and blank hidden layers, (n, units of all layers)."""
        return torch.cat([bits(self.rates.expand(n, -1)), *self.blank(n)], 1)

    @torch.no_grad()
    def move(self, state: Tensor, steps: int) -> Tensor:
        """Bits and hidden layers so many steps on, (n, units of all layers)."""
        for _ in range(steps):
            logits, hidden = self._step(state)
            state = torch.cat([bits(logits.sigmoid()), *hidden], 1)
        return state

    @torch.no_grad()
    def seen(self, state: Tensor) -> Tensor:
        """What the next step says: probabilities where the data are pictures, else bits, (n, *shape)."""
        p = self._step(state)[0].sigmoid()
        return (p if self.spec.kind == "image" else bits(p)).unflatten(1, self.spec.shape)

    def _step(self, state: Tensor) -> tuple[Tensor, list[Tensor]]:
        v, *hidden = state.split([self.spec.dims, *self.hidden], 1)
        return self.transition(self.noise(v, self.spec), hidden)

    @torch.no_grad()
    def complete(self, x: Tensor, mask: Tensor) -> Tensor:
        """`x` with what is missing drawn by a chain that what is known holds, `mask` 1 there; (B, *shape) each."""
        self.spec.check(x, "GSN.complete")
        known, x = check_mask(mask, x, "GSN.complete").flatten(1), x.flatten(1)
        state = self.begin(len(x))
        for step in range(self.sampling_steps + 1):
            v = torch.where(known == 1, x, state[:, : self.spec.dims])
            logits, hidden = self._step(torch.cat([v, state[:, self.spec.dims :]], 1))
            p = logits.sigmoid()
            last = step == self.sampling_steps and self.spec.kind == "image"
            state = torch.cat([p if last else bits(p), *hidden], 1)
        return torch.where(known == 1, x, state[:, : self.spec.dims]).unflatten(1, self.spec.shape)

    def encode(self, x: Tensor) -> Tensor:
        """Hidden layers after as many steps without noise as there are layers, (B, units)."""
        self.spec.check(x, "GSN.encode")
        v, hidden = x.flatten(1), self.blank(len(x))
        for _ in self.hidden:
            hidden = self.transition(v, hidden, noisy=False)[1]
        return torch.cat(hidden, 1)

    def filters(self) -> Tensor:
        """What each of the lowest hidden units looks for: its weights, (hidden, *shape)."""
        return self.transition.weights[0].detach().mT.unflatten(1, self.spec.shape)
