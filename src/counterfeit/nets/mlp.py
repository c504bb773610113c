"""Fully connected nets: maxout, dropout and the multilayer perceptron."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from counterfeit.core import Net, Spec
from counterfeit.nets.layers import at_least_float32

__all__ = ["MLP", "Activation", "Dropout", "Gated", "GaussianNoise", "MLPGenerator", "MLPPlayers", "Maxout", "Norm"]

Activation = Literal["relu", "leaky-relu", "sigmoid", "tanh", "softplus", "gated", "maxout"]
Norm = Literal["none", "batch"]
LEVELS = 2**16
POINTWISE: dict[Activation, Callable[[], nn.Module]] = {
    "relu": nn.ReLU, "leaky-relu": partial(nn.LeakyReLU, 0.2), "sigmoid": nn.Sigmoid, "tanh": nn.Tanh,
    "softplus": nn.Softplus,
}  # fmt: skip


class Maxout(nn.Module):
    """The maximum of `pieces` linear maps (Maxout Networks, Goodfellow et al., 2013, arXiv 1302.4389)."""

    def __init__(self, inputs: int, outputs: int, pieces: int) -> None:
        super().__init__()
        self.linear, self.pieces = nn.Linear(inputs, pieces * outputs), pieces

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs) -> (B, outputs)."""
        return self.linear(x).unflatten(1, (self.pieces, -1)).amax(1)  # amax over the middle: 20x faster than max(-1)


class Gated(nn.Module):
    """A linear map times the sigmoid of another (Dauphin et al., 2016, arXiv 1612.08083)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, 2 * outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs) -> (B, outputs)."""
        return nn.functional.glu(self.linear(x))


class Dropout(nn.Module):
    """Inverted dropout that keeps a value with probability 1 - `rate`, to the nearest 1/65536.

    Sixteen random bits decide a value, four values to a random integer: half the time of `rand_like(x) < keep`.

    Arguments:
        rate: at which values are dropped.
        always: drop values in evaluation, too: as noise that makes samples differ, not as a means against overfitting.
    """

    def __init__(self, rate: float, always: bool = False) -> None:
        super().__init__()
        self.always = always
        self.keep = min(max(round((1.0 - rate) * LEVELS), 1), LEVELS - 1) / LEVELS

    def forward(self, x: Tensor) -> Tensor:
        """(B, …), kept."""
        if not (self.training or self.always):
            return x
        rows = x.unsqueeze(1).flatten(1)  # each example its own bits
        bits = torch.empty(len(x), -(-rows.shape[1] // 4), dtype=torch.int64, device=x.device).random_(-(2**63), None)
        kept = bits.view(torch.int16)[:, : rows.shape[1]].view(x.shape) < int(self.keep * LEVELS) - LEVELS // 2
        return x * (kept / self.keep)

    def extra_repr(self) -> str:
        """Show the rate in `print(model)`."""
        return f"rate={1 - self.keep:g}"


class GaussianNoise(nn.Module):
    """Gaussian noise of standard deviation `std` on every value, in training and in evaluation."""

    def __init__(self, std: float) -> None:
        super().__init__()
        self.std = std

    def forward(self, x: Tensor) -> Tensor:
        """(B, …), with noise."""
        return x + self.std * torch.randn_like(x)

    def extra_repr(self) -> str:
        """Show the standard deviation in `print(model)`."""
        return f"std={self.std:g}"


class MLP(Net):
    """A multilayer perceptron, linear at the output, which is float32 whatever the precision inside.

    Arguments:
        inputs: size of an example; inputs of any shape are flattened.
        hidden: sizes of the hidden layers.
        outputs: size of the output.
        activation: after each hidden layer; "maxout" takes `maxout_pieces` linear maps a unit, "gated" two.
        norm: "batch" normalizes before the activation.
        dropout: rates at the input and at each hidden layer.
        init: weights uniform in ±`init` and zero biases; PyTorch's default where None.

    Raises:
        ValueError: where a layer has no units.

    Example:
        >>> MLP(784, (240, 240), 1, activation="maxout", dropout=(0.2, 0.5))(torch.rand(3, 1, 28, 28)).shape
        torch.Size([3, 1])
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        outputs: int,
        activation: Activation = "relu",
        norm: Norm = "none",
        dropout: tuple[float, float] = (0.0, 0.0),
        maxout_pieces: int = 5,
        init: float | None = None,
    ) -> None:
        super().__init__()
        self.center: Tensor | None
        self.register_buffer("center", None)
        self.inputs = inputs
        if min(inputs, *hidden, outputs) < 1:
            raise ValueError(f"layers of {(inputs, *hidden, outputs)} units came; at least 1 is expected. Raise it.")
        if maxout_pieces < 1 or not all(0 <= rate < 1 for rate in dropout):
            raise ValueError(
                f"maxout_pieces={maxout_pieces}, dropout={dropout} came; at least 1 and rates in [0, 1) are expected."
            )
        layers: list[nn.Module] = [Dropout(dropout[0])] if dropout[0] else []
        for size in hidden:
            layers += _layer(inputs, size, activation, norm, maxout_pieces)
            layers += [Dropout(dropout[1])] if dropout[1] else []
            inputs = size
        self.hidden, self.last = nn.Sequential(*layers), nn.Linear(inputs, outputs)
        if init is not None:
            _initialize(self, init)

    def centered(self) -> MLP:
        """Itself, which subtracts from inputs the buffer `center`, (inputs,), zero until it is set."""
        self.register_buffer("center", torch.zeros(self.inputs))
        return self

    def noisy(self, dropout: float, std: float) -> MLP:
        """Itself, with noise behind every hidden layer that samples have as well: dropout, then Gaussian noise.

        Arguments:
            dropout: rate at which units are dropped.
            std: standard deviation of the noise on units.

        Raises:
            ValueError: where there is no such rate or standard deviation.
        """
        if not (0 <= dropout < 1 and 0 <= std < math.inf):
            came = f"generator_dropout={dropout} and generator_noise={std} came"
            raise ValueError(f"{came}; a rate in [0, 1) and a standard deviation from 0 are expected. Correct them.")
        noise = [*([Dropout(dropout, always=True)] if dropout else []), *([GaussianNoise(std)] if std else [])]
        layers: list[nn.Module] = []
        for layer in self.hidden:  # behind activations
            layers += [layer, *([] if isinstance(layer, (nn.Linear, nn.BatchNorm1d, Dropout)) else noise)]
        self.hidden = nn.Sequential(*layers)
        return self

    def features(self, x: Tensor) -> Tensor:
        """(B, *event) -> (B, last hidden layer's units), what the output is linear in."""
        return self.hidden(x.flatten(1) if self.center is None else x.flatten(1) - self.center)

    def forward(self, x: Tensor) -> Tensor:
        """(B, *event) -> (B, outputs)."""
        return at_least_float32(self.last(self.features(x)))


class MLPGenerator(Net):
    """Codes (B, code_dim) -> examples (B, *shape): an MLP with a sigmoid where the data are bounded."""

    def __init__(self, spec: Spec, body: MLP) -> None:
        super().__init__()
        self.body, self.shape, self.bounded = body, spec.shape, spec.bounded

    def forward(self, z: Tensor) -> Tensor:
        """(B, code_dim) -> (B, *shape)."""
        x = self.body(z).unflatten(1, self.shape)
        return x.sigmoid() if self.bounded else x


@dataclass(frozen=True)
class MLPPlayers:
    """The sizes, activations and initial weights of a generator and a discriminator that are multilayer perceptrons.

    Arguments:
        hidden: sizes of the generator's hidden layers.
        activation: of the generator's hidden layers.
        norm: of the generator's hidden layers.
        init: generator weights uniform in ±init; PyTorch's default where null.
        discriminator_hidden: sizes of the discriminator's hidden layers.
        discriminator_activation: of the discriminator's hidden layers.
        discriminator_init: discriminator weights uniform in ±init; PyTorch's default where null.
        maxout_pieces: linear maps of a maxout unit.
        dropout: rates at the discriminator's input and hidden layers.
        center_inputs: let the discriminator see examples minus the mean of the training data.
        generator_dropout: rate at the generator's hidden layers, in training and when samples are drawn: it is noise as
            the code is.
        generator_noise: standard deviation of Gaussian noise on the units of the generator's hidden layers, likewise.
    """

    hidden: tuple[int, ...] = (512, 1024)
    activation: Activation = "relu"
    norm: Norm = "batch"
    init: float | None = None
    discriminator_hidden: tuple[int, ...] = (1024, 512)
    discriminator_activation: Activation = "leaky-relu"
    discriminator_init: float | None = None
    maxout_pieces: int = 5
    dropout: tuple[float, float] = (0.0, 0.0)
    center_inputs: bool = False
    generator_dropout: float = 0.0
    generator_noise: float = 0.0

    def generator(self, spec: Spec, code_dim: int) -> MLPGenerator:
        """Codes (B, code_dim) -> examples (B, *shape)."""
        body = MLP(
            code_dim, self.hidden, spec.dims, self.activation, self.norm, maxout_pieces=self.maxout_pieces,
            init=self.init,
        )  # fmt: skip
        return MLPGenerator(spec, body.noisy(self.generator_dropout, self.generator_noise))

    def discriminator(self, spec: Spec) -> MLP:
        """Examples (B, *shape) -> (B, 1)."""
        net = MLP(
            spec.dims, self.discriminator_hidden, 1, self.discriminator_activation, dropout=self.dropout,
            maxout_pieces=self.maxout_pieces, init=self.discriminator_init,
        )  # fmt: skip
        return net.centered() if self.center_inputs else net


def _layer(inputs: int, outputs: int, activation: Activation, norm: Norm, pieces: int) -> list[nn.Module]:
    if activation == "maxout":
        return [Maxout(inputs, outputs, pieces)]
    if activation == "gated":
        return [Gated(inputs, outputs)]
    linear = nn.Linear(inputs, outputs, bias=norm == "none")
    normalize = [nn.BatchNorm1d(outputs)] if norm == "batch" else []
    return [linear, *normalize, POINTWISE[activation]()]


def _initialize(net: nn.Module, bound: float) -> None:
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.uniform_(module.weight, -bound, bound)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
