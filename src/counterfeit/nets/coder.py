"""An encoder and a decoder: fully connected, or convolutional for pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from counterfeit.core import Net, Spec
from counterfeit.nets.conv import ConvDiscriminator, ConvGenerator
from counterfeit.nets.mlp import MLP, Activation

__all__ = ["CoderNets", "Decoder", "LabelledEncoder"]


class LabelledEncoder(MLP):
    """Examples (B, *shape) and their labels (B,) -> (B, outputs), by an MLP that sees the label one-hot.

    Arguments:
        spec: what the data are.
        classes: how many labels there are.
        hidden: sizes of the hidden layers.
        outputs: size of the output.
        activation: after each hidden layer.
        dropout: rates at the input and at each hidden layer.
    """

    def __init__(
        self, spec: Spec, classes: int, hidden: tuple[int, ...], outputs: int, activation: Activation,
        dropout: tuple[float, float],
    ) -> None:  # fmt: skip
        super().__init__(spec.dims + classes, hidden, outputs, activation, dropout=dropout)
        self.classes = classes

    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        """(B, *shape), (B,) -> (B, outputs)."""
        return super().forward(torch.cat([x.flatten(1), one_hot(y, self.classes).to(x.dtype)], 1))


class Decoder(MLP):
    """Codes (B, code_dim) -> parameters of each value, (B, *shape, parameters), by an MLP.

    Arguments:
        spec: what the data are.
        code_dim: size of a code.
        hidden: sizes of the hidden layers.
        activation: after each.
        parameters: of each value.
    """

    def __init__(
        self, spec: Spec, code_dim: int, hidden: tuple[int, ...], activation: Activation, parameters: int
    ) -> None:  # fmt: skip
        super().__init__(code_dim, hidden, spec.dims * parameters, activation)
        self.shape = (*spec.shape, parameters)

    def forward(self, z: Tensor) -> Tensor:
        """(B, code_dim) -> (B, *shape, parameters)."""
        return super().forward(z).unflatten(1, self.shape)


@dataclass(frozen=True)
class CoderNets:
    """The sizes of an encoder and a decoder.

    Arguments:
        architecture: mlp: fully connected; conv: strided convolutions and their transposes, for pictures.
        hidden: sizes of a fully connected encoder's hidden layers; the decoder's in reverse.
        activation: of these.
        dropout: rates at a fully connected encoder's input and at its hidden layers.
        width: channels of convolutions at the largest size; each smaller one has twice as many.
    """

    architecture: Literal["mlp", "conv"] = "mlp"
    hidden: tuple[int, ...] = (512,)
    activation: Activation = "relu"
    dropout: tuple[float, float] = (0.0, 0.0)
    width: int = 32

    def encoder(self, spec: Spec, outputs: int, classes: int = 0) -> MLP | ConvDiscriminator:
        """Examples (B, *shape), and labels (B,) where there are classes -> (B, outputs)."""
        if self.architecture == "conv":
            return ConvDiscriminator(spec, self.width, outputs=outputs, classes=classes, condition="concatenate")
        if classes:
            return LabelledEncoder(spec, classes, self.hidden, outputs, self.activation, self.dropout)
        return MLP(spec.dims, self.hidden, outputs, self.activation, dropout=self.dropout)

    def decoder(self, spec: Spec, code_dim: int, parameters: int) -> Net:
        """Codes (B, code_dim) -> parameters of each value, (B, *shape, parameters)."""
        if self.architecture == "conv":
            return ConvGenerator(spec, code_dim, self.width, parameters)
        return Decoder(spec, code_dim, self.hidden[::-1], self.activation, parameters)
