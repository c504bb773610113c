"""An encoder of pictures to grids of vectors, and a decoder back: strided convolutions and residual blocks.

References:
    Neural Discrete Representation Learning, van den Oord, Vinyals & Kavukcuoglu, 2017 (arXiv 1711.00937), section 4.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import pad

from counterfeit.core import Net, Spec
from counterfeit.nets.layers import at_least_float32

__all__ = ["GridDecoder", "GridEncoder", "GridNets"]


class Residual(nn.Module):
    """A 3x3 and a 1x1 convolution beside the identity (section 4.1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(channels, channels, 3, padding=1), nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), kept."""
        return x + self.last(self.first(x.relu()).relu())


@dataclass(frozen=True)
class GridNets:
    """The sizes of an encoder to a grid and of a decoder from it.

    Arguments:
        width: channels of all their layers.
        halvings: how often the sides of pictures are halved; what is over is filled up by repeating the last pixels.
        residual_blocks: of each of them.

    Raises:
        ValueError: where there are no channels, or nothing is halved.
    """

    width: int = 64
    halvings: int = 2
    residual_blocks: int = 2

    def __post_init__(self) -> None:
        if min(self.width, self.halvings) < 1 or self.residual_blocks < 0:
            came = f"width={self.width}, halvings={self.halvings}, residual_blocks={self.residual_blocks} came"
            raise ValueError(f"{came}; at least 1, 1 and 0 are expected. Raise them.")

    def grid(self, spec: Spec) -> tuple[int, int]:
        """Rows and columns of the grid.

        Raises:
            ValueError: where the data are no images.

        Example:
            >>> GridNets(halvings=2).grid(Spec((3, 20, 30)))
            (5, 8)
        """
        if len(spec.shape) != 3:
            raise ValueError(f"data of shape {spec.shape} came; images (C, H, W) are expected. Choose another model.")
        cell = 2**self.halvings
        return -(-spec.shape[1] // cell), -(-spec.shape[2] // cell)

    def body(self) -> list[nn.Module]:
        """The residual blocks and what follows them."""
        return [*(Residual(self.width) for _ in range(self.residual_blocks)), nn.ReLU(inplace=True)]


class GridEncoder(Net):
    """Images (B, C, H, W) -> grids of vectors (B, outputs, h, w).

    Arguments:
        spec: what the data are; images of any size.
        nets: how large it is.
        outputs: size of a vector.
    """

    def __init__(self, spec: Spec, nets: GridNets, outputs: int) -> None:
        super().__init__()
        rows, columns = (side << nets.halvings for side in nets.grid(spec))
        self.missing = (0, columns - spec.shape[2], 0, rows - spec.shape[1])
        sizes = [spec.shape[0], *[nets.width] * nets.halvings]
        downs = [
            layer
            for before, after in pairwise(sizes)
            for layer in (nn.Conv2d(before, after, 4, 2, 1), nn.ReLU(inplace=True))
        ]
        self.body = nn.Sequential(*downs, nn.Conv2d(nets.width, nets.width, 3, padding=1), *nets.body())
        self.last = nn.Conv2d(nets.width, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, outputs, h, w)."""
        x = pad(2 * x - 1, self.missing, mode="replicate") if any(self.missing) else 2 * x - 1
        return at_least_float32(self.last(self.body(x)))


class GridDecoder(Net):
    """Grids of vectors (B, inputs, h, w) -> parameters of each value, (B, C, H, W, parameters).

    Arguments:
        spec: what the data are; images of any size.
        nets: how large it is.
        inputs: size of a vector.
        parameters: of each value.
    """

    def __init__(self, spec: Spec, nets: GridNets, inputs: int, parameters: int) -> None:
        super().__init__()
        self.shape, self.each = spec.shape, parameters
        ups = [
            layer
            for _ in range(nets.halvings - 1)
            for layer in (nn.ConvTranspose2d(nets.width, nets.width, 4, 2, 1), nn.ReLU(inplace=True))
        ]
        self.body = nn.Sequential(nn.Conv2d(inputs, nets.width, 3, padding=1), *nets.body(), *ups)
        self.last = nn.ConvTranspose2d(nets.width, spec.shape[0] * parameters, 4, 2, 1)

    def forward(self, z: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, C, H, W, parameters)."""
        h = at_least_float32(self.last(self.body(z)))[:, :, : self.shape[1], : self.shape[2]]
        return h.unflatten(1, (-1, self.each)).movedim(2, -1)
