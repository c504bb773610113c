"""The PixelCNN: masked convolutions, which see what is before a pixel, in residual blocks.

References:
    Pixel Recurrent Neural Networks, van den Oord, Kalchbrenner & Kavukcuoglu, 2016 (arXiv 1601.06759), section 3.5.
"""

from __future__ import annotations

from torch import nn

from counterfeit.core import Spec
from counterfeit.models.autoregressive.shared.causal import CausalConv2d, pointwise
from counterfeit.models.autoregressive.shared.pixel_nets import Residual
from counterfeit.models.autoregressive.shared.pixels import PixelSettings, ResidualModel, odd, square

__all__ = ["PixelCNN"]


class PixelCNN(ResidualModel):
    """Masked convolutions give all conditionals of a picture in one pass, though they are blind in one direction.

    A kernel is masked to the rows above and the pixels to the left. Stacked, such kernels never reach pixels far to the
    right in the rows just above, however many layers there are: the blind spot, which `gated-pixelcnn` does not have.
    Pixels come row by row; the channels of each follow each other.

    References:
        Pixel Recurrent Neural Networks, van den Oord et al., 2016 (arXiv 1601.06759).

    Arguments:
        spec: what the data are; pictures, binary or of 8 bits.
        hidden: features inside of each block; between blocks there are twice as many.
        layers: residual blocks.
        kernel: side of each block's convolution, odd.
        settings: what models of pixels have in common.

    Raises:
        ValueError: where data are no pictures or have no labels to see, a kernel is even, or a layer has no features.

    Example:
        >>> import torch
        >>> PixelCNN(Spec((3, 5, 7)), hidden=6, layers=2).log_prob(torch.rand(2, 3, 5, 7)).shape
        torch.Size([2])
    """

    def __init__(
        self, spec: Spec, hidden: int = 32, layers: int = 7, kernel: int = 3,
        settings: PixelSettings = PixelSettings(),  # noqa: B008
    ) -> None:  # fmt: skip
        channels, reach = spec.shape[0], square(odd("kernel", kernel))

        def block(labels: int) -> Residual:
            before = nn.Sequential(nn.ReLU(), pointwise(2 * hidden, hidden, channels), nn.ReLU())
            layer = CausalConv2d(hidden, hidden, reach, "B", channels)
            up = nn.Sequential(nn.ReLU(), pointwise(hidden, 2 * hidden, channels))
            return Residual(before, layer, up, hidden, labels)

        super().__init__(spec, hidden, layers, block, settings)
        self.kernel = kernel
