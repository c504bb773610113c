"""Nets that see noisy data, how noisy they are, and a label: a U-Net for pictures, a perceptron for the rest.

References:
    Denoising Diffusion Probabilistic Models, Ho, Jain & Abbeel, 2020 (arXiv 2006.11239).
    Elucidating the Design Space of Diffusion-Based Generative Models, Karras et al., 2022 (arXiv 2206.00364).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from counterfeit.core import Net, Spec
from counterfeit.models.diffusion.shared.unet import UNet, UNetShape
from counterfeit.nets.layers import at_least_float32

__all__ = ["Condition", "DenoiserMLP", "DenoiserNets"]

UNIT = 8.0  # nats of log-SNR; λ / -8 is what Karras et al. call c_noise
FEATURES = 32  # of a level of noise
SMALLEST = 4  # pixels of a side from which on there is something to convolve


class Condition(nn.Module):
    """Log-SNR (B,) and labels (B,) -> (B, size): waves of several lengths and a vector a label, through two layers.

    Arguments:
        size: of the output.
        classes: how many labels there are, beside which one number more stands for none; 0 where there are none.
    """

    waves: Tensor

    def __init__(self, size: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("waves", math.pi * torch.logspace(-2, 4, FEATURES // 2, base=2), persistent=False)
        self.first, self.second = nn.Linear(FEATURES, size), nn.Linear(size, size)
        self.labels = nn.Embedding(classes + 1, size) if classes else None

    def forward(self, log_snr: Tensor, y: Tensor | None = None) -> Tensor:
        """(B,), (B,) -> (B, size)."""
        angles = (log_snr / UNIT)[:, None] * self.waves
        h = self.first(torch.cat([angles.cos(), angles.sin()], 1))
        if self.labels is not None and y is not None:
            h = h + self.labels(y)
        return silu(self.second(silu(h)))


class DenoiserMLP(Net):
    """Vectors of data with noise (B, *shape) -> (B, outputs, *shape), by a perceptron with residual layers.

    Arguments:
        spec: what the data are.
        hidden: sizes of the hidden layers.
        classes: how many labels there are, 0 for none.
        outputs: for each value.
    """

    def __init__(self, spec: Spec, hidden: tuple[int, ...], classes: int, outputs: int) -> None:
        super().__init__()
        if not hidden or min(hidden) < 1:
            raise ValueError(f"hidden={hidden} came; layers of at least 1 unit are expected. Correct them.")
        self.shape, sizes = (outputs, *spec.shape), (spec.dims, *hidden)
        self.condition = Condition(hidden[0], classes)
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in zip(sizes, hidden, strict=False))
        self.gates = nn.ModuleList(nn.Linear(hidden[0], size) for size in hidden)
        self.last = nn.Linear(hidden[-1], outputs * spec.dims)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, z: Tensor, log_snr: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, *shape), (B,), (B,) -> (B, outputs, *shape), float32 whatever the precision inside."""
        h, c = z.flatten(1), self.condition(log_snr, y)
        for layer, gate in zip(self.layers, self.gates, strict=True):
            moved = silu(layer(h) + gate(c))
            h = h + moved if h.shape == moved.shape else moved
        return at_least_float32(self.last(h)).unflatten(1, self.shape)


@dataclass(frozen=True)
class DenoiserNets:
    """What the net of a diffusion model is.

    Arguments:
        architecture: unet: convolutions at several sizes, for pictures; mlp: fully connected; auto: the former for
            pictures of at least 4 x 4 pixels, the latter for all else.
        width: channels of the U-Net at the size of the pictures.
        multipliers: channels at each size, in widths; every size has half the sides of the one before, rounded up.
        blocks: residual blocks at each size, on the way down.
        attention: sides, in pixels, up to which sizes have self-attention; 0 for none.
        dropout: rate within residual blocks.
        hidden: sizes of the perceptron's hidden layers.
    """

    architecture: Literal["auto", "unet", "mlp"] = "auto"
    width: int = 64
    multipliers: tuple[int, ...] = (1, 2, 2)
    blocks: int = 2
    attention: int = 16
    dropout: float = 0.0
    hidden: tuple[int, ...] = (256, 256, 256)

    def build(self, spec: Spec, classes: int, outputs: int) -> UNet | DenoiserMLP:
        """The net for data of that kind, which sees labels where there are `classes`."""
        picture = len(spec.shape) == 3 and min(spec.shape[1:]) >= SMALLEST
        if self.architecture == "mlp" or (self.architecture == "auto" and not picture):
            return DenoiserMLP(spec, self.hidden, classes, outputs)
        if not picture:
            raise ValueError(f"data of shape {spec.shape} came; a U-Net expects pictures of 4 x 4 pixels. Take mlp.")
        shape = UNetShape(self.width, self.multipliers, self.blocks, self.attention, self.dropout)
        shape.check()
        return UNet(spec, shape, Condition(4 * self.width, classes), 4 * self.width, outputs)
