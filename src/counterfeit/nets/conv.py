"""Convolutional players: a generator that grows an image from a code, and a discriminator that shrinks one.

References:
    Unsupervised Representation Learning with Deep Convolutional GANs, Radford et al., 2015 (arXiv 1511.06434).
    Spectral Normalization for Generative Adversarial Networks, Miyato et al., 2018 (arXiv 1802.05957).
    cGANs with Projection Discriminator, Miyato and Koyama, 2018 (arXiv 1802.05637).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, one_hot
from torch.nn.utils.parametrizations import spectral_norm

from counterfeit.core import Net, Spec, check_labels
from counterfeit.nets.layers import MinibatchDeviation, MinibatchDiscrimination, with_planes

__all__ = [
    "Condition", "ConvDiscriminator", "ConvGenerator", "ConvNorm", "ConvPlayers", "Extras", "Head", "halvings",
    "initialize", "normalize", "widths",
]  # fmt: skip

ConvNorm = Literal["none", "batch", "spectral"]
Condition = Literal["concatenate", "projection"]
WIDEST = 8  # channels stop doubling at this multiple of the width


def halvings(spec: Spec, smallest: int = 4) -> int:
    """How often the sides of an image can be halved and stay whole and at least `smallest`.

    Raises:
        ValueError: where the data are no images in [0, 1], or cannot be halved once.

    Example:
        >>> [halvings(Spec((1, side, side))) for side in (8, 28, 32, 64)]
        [1, 2, 3, 4]
    """
    if len(spec.shape) != 3:
        raise ValueError(f"data of shape {spec.shape} came; images (C, H, W) are expected. Choose another model.")
    if not spec.bounded:
        raise ValueError(
            f"data of kind {spec.kind!r} came; images in [0, 1] are expected. Leave symmetric and logit out of "
            "data.transforms."
        )
    sides, count = list(spec.shape[1:]), 0
    while all(side % 2 == 0 and side // 2 >= smallest for side in sides):
        sides, count = [side // 2 for side in sides], count + 1
    if count == 0:
        raise ValueError(
            f"images of {spec.shape[1]}x{spec.shape[2]} came; sides that are even and at least {2 * smallest} are "
            "expected. Set data.size, to 32 say."
        )
    return count


class ConvGenerator(Net):
    """Codes (B, code_dim) -> images (B, C, H, W) in [0, 1]: transposed convolutions, each doubling the sides.

    Or parameters of each value, (B, C, H, W, parameters), of which a likelihood is made.

    Arguments:
        spec: what the data are; sides of 28, 32, 64 or any that can be halved.
        code_dim: size of a code.
        width: channels before the last convolution; every smaller level has twice those of the next.
        parameters: of each value; 0 for images.
    """

    def __init__(self, spec: Spec, code_dim: int, width: int, parameters: int = 0) -> None:
        super().__init__()
        self.parameters_of_each = parameters
        levels = halvings(spec)
        channels = widths(width, levels)[::-1]
        self.start = (channels[0], *(side >> levels for side in spec.shape[1:]))
        first = nn.Linear(code_dim, self.start[0] * self.start[1] * self.start[2], bias=False)
        ups = [
            module
            for before, after in pairwise(channels)
            for module in (
                nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
            )
        ]  # fmt: skip
        self.project, self.norm = first, nn.BatchNorm2d(self.start[0])
        self.body = nn.Sequential(nn.ReLU(inplace=True), *ups)
        self.last = nn.ConvTranspose2d(channels[-1], spec.shape[0] * max(1, parameters), 4, 2, 1)
        initialize(self)

    def forward(self, z: Tensor) -> Tensor:
        """(B, code_dim) -> (B, C, H, W), or (B, C, H, W, parameters)."""
        h = self.last(self.body(self.norm(self.project(z).unflatten(1, self.start)))).float()
        if not self.parameters_of_each:
            return h.sigmoid()
        return h.unflatten(1, (-1, self.parameters_of_each)).movedim(2, -1)


@dataclass(frozen=True)
class Extras:
    """Layers that keep a discriminator from learning by heart, or a generator from making one image only.

    Arguments:
        deviation: add the standard deviation over the minibatch as a channel before the output.
        discrimination: kernels of minibatch discrimination before the output.
        dropout: rate after every level.
    """

    deviation: bool = False
    discrimination: int = 0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1 or self.discrimination < 0:
            came = f"dropout={self.dropout} and discrimination={self.discrimination} came"
            raise ValueError(f"{came}; a rate in [0, 1) and at least 0 kernels are expected. Correct them.")


class ConvDiscriminator(Net):
    """Images (B, C, H, W) in [0, 1] -> (B, outputs): strided convolutions, each halving the sides.

    Arguments:
        spec: what the data are.
        width: channels after the first convolution; every smaller level has twice those of the one before.
        norm: of every level but the first ("batch"), or of every weight ("spectral").
        outputs: size of the output, of which the first is the logit.
        depth: 3x3 convolutions after each that halves the sides.
        extras: what else its layers are.
        classes: labels it is conditioned on; 0 for none.
        condition: labels as channels of the image, or projected on the features.
    """

    def __init__(
        self,
        spec: Spec,
        width: int,
        norm: ConvNorm = "batch",
        outputs: int = 1,
        depth: int = 0,
        extras: Extras = Extras(),
        classes: int = 0,
        condition: Condition = "projection",
    ) -> None:
        super().__init__()
        if depth < 0:
            raise ValueError(f"discriminator_depth={depth} came; at least 0 convolutions are expected. Correct it.")
        levels = halvings(spec)
        self.classes, maps = classes, classes if condition == "concatenate" else 0
        channels = [spec.shape[0] + maps, *widths(width, levels)]
        layers: list[nn.Module] = []
        for level, (before, after) in enumerate(pairwise(channels)):
            for step in range(1 + depth):
                batch = norm == "batch" and level + step > 0
                sizes = (after, after, 3, 1, 1) if step else (before, after, 4, 2, 1)
                layers += [nn.Conv2d(*sizes, bias=not batch), *([nn.BatchNorm2d(after)] if batch else [])]
                layers += [nn.LeakyReLU(0.2, inplace=True)]
            layers += [nn.Dropout(extras.dropout)] if extras.dropout else []
        layers += [MinibatchDeviation()] if extras.deviation else []
        self.smallest = spec.shape[1] >> levels, spec.shape[2] >> levels
        size = (channels[-1] + extras.deviation) * self.smallest[0] * self.smallest[1]
        self.body, self.maps = nn.Sequential(*layers, nn.Flatten()), maps
        kernels = extras.discrimination
        self.others = MinibatchDiscrimination(size, kernels) if kernels else nn.Identity()
        self.head = Head(size + kernels, outputs, 0 if maps else classes)
        initialize(self)
        if depth and norm == "none":
            keep_variance(self.body)
        if norm == "spectral":
            normalize(self)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> (B, features): all that the output knows of an image by itself; of no label where None."""
        x = 2 * x - 1
        if self.maps:
            x = with_planes(x, x.new_zeros(len(x), self.maps) if y is None else one_hot(y, self.maps))
        return self.body(x)

    def pooled(self, x: Tensor, places: int = 3) -> Tensor:
        """(B, C, H, W) -> (B, channels places²): features averaged over `places` x `places` parts of an image."""
        return adaptive_avg_pool2d(self.features(x).unflatten(1, (-1, *self.smallest)), places).flatten(1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, C, H, W) and labels (B,) where there are classes -> (B, outputs)."""
        y = check_labels(y, len(x), self.classes, values=False) if self.classes else None
        return self.head(self.others(self.features(x, y)), y)


@dataclass(frozen=True)
class ConvPlayers:
    """The sizes and norms of a convolutional generator and discriminator.

    Arguments:
        width: channels of the generator before its last convolution; each smaller level has twice as many.
        discriminator_width: channels of the discriminator after its first convolution.
        discriminator_norm: of the discriminator's levels ("batch") or weights ("spectral").
        deviation: show the discriminator the standard deviation over the minibatch.
        discrimination: kernels by which the discriminator compares the images of a minibatch.
        dropout: rate after every level of the discriminator.
        discriminator_depth: 3x3 convolutions of the discriminator after each that halves the sides.
    """

    width: int = 64
    discriminator_width: int = 64
    discriminator_norm: ConvNorm = "batch"
    deviation: bool = False
    discrimination: int = 0
    dropout: float = 0.0
    discriminator_depth: int = 0

    def generator(self, spec: Spec, code_dim: int) -> ConvGenerator:
        """Codes (B, code_dim) -> images (B, C, H, W)."""
        return ConvGenerator(spec, code_dim, self.width)

    def discriminator(
        self, spec: Spec, outputs: int = 1, classes: int = 0, condition: Condition = "projection"
    ) -> ConvDiscriminator:
        """Images (B, C, H, W), and labels (B,) where there are classes -> (B, outputs)."""
        extras = Extras(self.deviation, self.discrimination, self.dropout)
        return ConvDiscriminator(
            spec, self.discriminator_width, self.discriminator_norm, outputs, self.discriminator_depth, extras, classes,
            condition,
        )  # fmt: skip


class Head(nn.Module):
    """Features (B, features) -> (B, outputs), the first conditioned on labels by projection, if any (2018, eq. 3)."""

    def __init__(self, features: int, outputs: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, outputs)
        self.embedding = nn.Linear(classes, features, bias=False) if classes else None

    def forward(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, features) -> (B, outputs), float32 whatever the precision inside."""
        out = self.linear(h).float()
        if self.embedding is None or y is None:
            return out
        embedded = self.embedding(one_hot(y, self.embedding.in_features).to(h.dtype))
        projected = (embedded * h).sum(1, keepdim=True).float()
        return torch.cat([out[:, :1] + projected, out[:, 1:]], 1)


def initialize(net: nn.Module) -> None:
    """Weights normal with a standard deviation of 0.02, gains around 1, no biases (DCGAN, section 4).

    Of linear maps, convolutions and batch norms; what else a net is made of begins as it says itself.
    """
    for module in net.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def keep_variance(net: nn.Module) -> None:
    """Convolutions that keep the variance of what leaky rectifiers of slope 0.2 give them (He et al., 2015, eq. 15).

    Smaller weights would fade a signal, level by level, where no norm restores it.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, 0.2)


def normalize(net: nn.Module) -> None:
    """Divide every weight by its largest singular value, in place (spectral normalization)."""
    for module in net.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            spectral_norm(module)


def widths(width: int, levels: int) -> Sequence[int]:
    """Channels of so many levels, each of twice those of the one before until they are the widest.

    Example:
        >>> widths(16, 5)
        [16, 32, 64, 128, 128]
    """
    return [width * min(2**level, WIDEST) for level in range(levels)]
