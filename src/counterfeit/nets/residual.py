"""Residual players: sums of a path of convolutions and a shortcut, spectrally normalized or without any norm.

References:
    Spectral Normalization for Generative Adversarial Networks, Miyato et al., 2018 (arXiv 1802.05957), table 4.
    Fixup Initialization: Residual Learning Without Normalization, Zhang et al., 2019 (arXiv 1901.09321).
    The GAN is dead; long live the GAN! A Modern Baseline GAN, Huang et al., 2024 (arXiv 2501.05441), section 3.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu

from counterfeit.core import Net, Spec
from counterfeit.nets.conv import Head, halvings, normalize, widths
from counterfeit.nets.layers import DoublingConv2d

__all__ = ["PlainResidualDiscriminator", "PlainResidualGenerator", "ResidualDiscriminator", "ResidualGenerator"]

SLOPE = 0.2  # of leaky rectifiers


class Grow(nn.Module):
    """Doubles the sides: normalized convolutions beside an upsampled shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)])
        self.convs = nn.ModuleList([DoublingConv2d(channels, channels), nn.Conv2d(channels, channels, 3, padding=1)])
        self.shortcut = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, 2H, 2W)."""
        h = self.convs[0](self.norms[0](x).relu())
        return self.convs[1](self.norms[1](h).relu()) + _double(self.shortcut(x))  # repeating pixels commutes with 1x1


class Shrink(nn.Module):
    """Convolutions beside a shortcut; halves the sides where `down`."""

    def __init__(self, inputs: int, outputs: int, down: bool, first: bool = False) -> None:
        super().__init__()
        self.down, self.first = down, first
        self.convs = nn.ModuleList([nn.Conv2d(n, outputs, 3, padding=1) for n in (inputs, outputs)])
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if down or inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W), or half of the sides."""
        h = self.convs[1](self.convs[0](x if self.first else x.relu()).relu())  # images keep their negative values
        out = h + self.shortcut(x)
        return avg_pool2d(out, 2) if self.down else out


class ResidualGenerator(Net):
    """Codes (B, code_dim) -> images (B, C, H, W) in [0, 1].

    Arguments:
        spec: what the data are.
        code_dim: size of a code.
        width: channels of every level.
    """

    def __init__(self, spec: Spec, code_dim: int, width: int) -> None:
        super().__init__()
        levels = halvings(spec)
        self.start = (width, *(side >> levels for side in spec.shape[1:]))
        self.project = nn.Linear(code_dim, width * self.start[1] * self.start[2])
        self.body = nn.Sequential(*(Grow(width) for _ in range(levels)), nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        self.last = nn.Conv2d(width, spec.shape[0], 3, padding=1)
        initialize(self)

    def forward(self, z: Tensor) -> Tensor:
        """(B, code_dim) -> (B, C, H, W)."""
        return self.last(self.body(self.project(z).unflatten(1, self.start))).float().sigmoid()


class ResidualDiscriminator(Net):
    """Images (B, C, H, W) in [0, 1] -> (B, outputs), every weight spectrally normalized.

    Arguments:
        spec: what the data are.
        width: channels of every level.
        outputs: size of the output, of which the first is the logit.
        classes: labels that are projected on the features; 0 for none.
    """

    def __init__(self, spec: Spec, width: int, outputs: int = 1, classes: int = 0) -> None:
        super().__init__()
        downs = max(1, halvings(spec) - 1)
        blocks = [Shrink(width, width, down=level < downs) for level in range(1, downs + 2)]
        self.body = nn.Sequential(Shrink(spec.shape[0], width, down=True, first=True), *blocks, nn.ReLU(inplace=True))
        self.head = Head(width, outputs, classes)
        initialize(self)
        normalize(self)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:  # noqa: ARG002 (labels come after them)
        """(B, C, H, W) -> (B, width), summed over places."""
        return self.body(2 * x - 1).sum((2, 3))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, C, H, W) and labels (B,) where there are classes -> (B, outputs)."""
        return self.head(self.features(x), y)


class PlainBlock(nn.Module):
    """Two convolutions beside the identity, without any norm.

    The last one begins at 0, so that the block begins as the identity; the first is the smaller, the more blocks a net
    has, so that a step changes what comes out as much in deep nets (Zhang et al., 2019).

    Arguments:
        channels: that come and leave.
        blocks: of the whole net.
    """

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(self.first.weight, SLOPE)
        self.first.weight.data.mul_(blocks**-0.5)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.first.get_parameter("bias"))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return x + self.second(leaky_relu(self.first(leaky_relu(x, SLOPE)), SLOPE))


class PlainResidualGenerator(Net):
    """Codes (B, code_dim) -> images (B, C, H, W) in [0, 1], without any normalization.

    Arguments:
        spec: what the data are.
        code_dim: size of a code.
        width: channels of the level below the image's own; every smaller one has twice as many.
        blocks: of each level.
    """

    def __init__(self, spec: Spec, code_dim: int, width: int, blocks: int) -> None:
        super().__init__()
        levels = halvings(spec)
        channels = widths(width, levels)[::-1]
        self.start = (channels[0], *(side >> levels for side in spec.shape[1:]))
        self.project = nn.Linear(code_dim, channels[0] * self.start[1] * self.start[2])
        self.body = nn.Sequential(
            *_level(channels[0], blocks, levels),
            *(
                module
                for before, after in pairwise(channels)
                for module in (nn.ConvTranspose2d(before, after, 4, 2, 1), *_level(after, blocks, levels))
            ),
            nn.LeakyReLU(SLOPE),
        )
        self.last = nn.ConvTranspose2d(channels[-1], spec.shape[0], 4, 2, 1)
        keep_scale(self)

    def forward(self, z: Tensor) -> Tensor:
        """(B, code_dim) -> (B, C, H, W)."""
        return self.last(self.body(self.project(z).unflatten(1, self.start))).float().sigmoid()


class PlainResidualDiscriminator(Net):
    """Images (B, C, H, W) in [0, 1] -> (B, outputs), without any normalization.

    Arguments:
        spec: what the data are.
        width: channels of the level below the image's own; every smaller one has twice as many.
        blocks: of each level.
        outputs: size of the output, of which the first is the logit.
        classes: labels that are projected on the features; 0 for none.
    """

    def __init__(self, spec: Spec, width: int, blocks: int, outputs: int = 1, classes: int = 0) -> None:
        super().__init__()
        levels = halvings(spec)
        channels = [spec.shape[0], *widths(width, levels)]
        self.body = nn.Sequential(
            *(
                module
                for before, after in pairwise(channels)
                for module in (nn.Conv2d(before, after, 4, 2, 1), *_level(after, blocks, levels))
            ),
            nn.LeakyReLU(SLOPE),
            nn.Flatten(),
        )
        places = (spec.shape[1] >> levels) * (spec.shape[2] >> levels)
        self.head = Head(channels[-1] * places, outputs, classes)
        keep_scale(self)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:  # noqa: ARG002 (labels come after them)
        """(B, C, H, W) -> (B, features)."""
        return self.body(2 * x - 1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, C, H, W) and labels (B,) where there are classes -> (B, outputs)."""
        return self.head(self.features(x, y), y)


def keep_scale(net: nn.Module) -> None:
    """Maps beside the blocks keep the mean square of what comes, and begin without biases."""
    blocks = [block for block in net.modules() if isinstance(block, PlainBlock)]
    inside = {conv for block in blocks for conv in (block.first, block.second)}
    for module in net.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)) and module not in inside:
            wide = isinstance(module, nn.ConvTranspose2d)
            fan = module.weight[:, 0].numel() / 4 if wide else module.weight[0].numel()  # of 4 places at a stride of 2
            nn.init.normal_(module.weight, 0.0, fan**-0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _level(channels: int, blocks: int, levels: int) -> list[nn.Module]:
    """Blocks of a net that has so many levels."""
    return [PlainBlock(channels, blocks * levels) for _ in range(blocks)]


def initialize(net: nn.Module) -> None:
    """Weights uniform by fan-in and fan-out with a gain of √2, 1 in shortcuts and at the ends, and no biases."""
    ending = getattr(net, "last", None)
    for module in net.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            wide = isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3) and module is not ending
            nn.init.xavier_uniform_(module.weight, 2**0.5 if wide else 1.0)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _double(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2.0, mode="nearest")
