"""Layers that players share: what looks at a whole minibatch, what doubles the sides, what keeps lengths.

References:
    Improved Techniques for Training GANs, Salimans et al., 2016 (arXiv 1606.03498): minibatch discrimination.
    Progressive Growing of GANs, Karras et al., 2017 (arXiv 1710.10196): minibatch deviation, pixel norm.
    Attention Is All You Need, Vaswani et al., 2017 (arXiv 1706.03762).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d, group_norm, scaled_dot_product_attention

__all__ = [
    "DoublingConv2d", "GroupNorm", "MinibatchDeviation", "MinibatchDiscrimination", "at_least_float32", "attend",
    "doubled", "incoming", "pixel_norm", "with_planes",
]  # fmt: skip


def with_planes(x: Tensor, values: Tensor) -> Tensor:
    """Images `x`, (B, C, H, W), and `values`, (B, K), as planes that are the same everywhere: (B, C + K, H, W)."""
    planes = values.to(x.dtype)[:, :, None, None]
    return torch.cat([x, planes.expand(-1, -1, *x.shape[2:])], 1)


class DoublingConv2d(nn.Conv2d):
    """A 3x3 convolution of an image whose pixels are repeated 2x2 times.

    Arguments:
        inputs: channels that come.
        outputs: channels that leave.

    Example:
        >>> DoublingConv2d(3, 5)(torch.rand(1, 3, 4, 4)).shape
        torch.Size([1, 5, 8, 8])
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, 2H, 2W)."""
        return doubled(x, self.weight, self.bias)


def doubled(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Images (B, inputs, H, W), pixels repeated 2x2 times and convolved by `weight`, (outputs, inputs, 3, 3).

    Repeating pixels and convolving is linear, and the same at every second pixel: a transposed convolution of stride 2,
    whose 4x4 kernel sums weights that meet the same pixel, with 4 products a pixel in place of 9.
    """
    meet = weight.new_tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    kernel = torch.einsum("ka,oiab,lb->iokl", meet, weight, meet)
    kernel = kernel.contiguous(memory_format=torch.channels_last)  # as all else is, or every layer after copies
    return conv_transpose2d(x, kernel, bias, stride=2, padding=1)


class MinibatchDeviation(nn.Module):
    """Adds the standard deviation over the minibatch, averaged over places and channels, as a channel.

    References:
        Progressive Growing of GANs, Karras et al., 2017 (arXiv 1710.10196), section 3.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C + 1, H, W)."""
        deviation = x.float().var(0, correction=0).add(1e-8).sqrt().mean().to(x.dtype)
        return torch.cat([x, deviation.expand(len(x), 1, *x.shape[2:])], 1)


class MinibatchDiscrimination(nn.Module):
    """Adds to the features of each example how near those of all others are, by learnt kernels.

    References:
        Improved Techniques for Training GANs, Salimans et al., 2016 (arXiv 1606.03498), section 3.2.

    Arguments:
        features: of an example.
        kernels: how many closenesses are added.
        size: of the vectors that a kernel compares.
    """

    def __init__(self, features: int, kernels: int, size: int = 5) -> None:
        super().__init__()
        self.kernels, self.linear = kernels, nn.Linear(features, kernels * size, bias=False)

    def forward(self, h: Tensor) -> Tensor:
        """(B, features) -> (B, features + kernels)."""
        m = self.linear(h).float().unflatten(1, (self.kernels, -1))  # (B, kernels, size)
        near = (-(m[:, None] - m).abs().sum(3)).exp().sum(1) - 1  # all but an example itself
        return torch.cat([h, near.to(h.dtype)], 1)


class GroupNorm(nn.GroupNorm):
    """Groups of channels, normalized over all places of an example in float32, and given in the precision that came.

    Processors take five times as long over it in bfloat16.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, …) -> (B, C, …)."""
        gain, shift = at_least_float32(self.weight), at_least_float32(self.bias)
        return group_norm(at_least_float32(x), self.num_groups, gain, shift, self.eps).to(x.dtype)


def attend(queries: Tensor, keys: Tensor, values: Tensor, causal: bool = False) -> Tensor:
    """What queries (…, N, size) find among keys and values (…, M, size): (…, N, size) (Vaswani et al., 2017, eq. 1).

    A processor does so in float32 at least: its way back in bfloat16 takes up to six times as long.

    Arguments:
        queries: what looks.
        keys: what is looked at.
        values: what is seen there.
        causal: whether no query sees what stands after it.
    """
    if queries.device.type != "cpu":
        return scaled_dot_product_attention(queries, keys, values, is_causal=causal)
    q, k, v = (at_least_float32(x) for x in (queries, keys, values))
    with torch.autocast("cpu", enabled=False):
        return scaled_dot_product_attention(q, k, v, is_causal=causal).to(queries.dtype)


def pixel_norm(x: Tensor) -> Tensor:
    """Each place of (B, C, …) divided by the root mean square of its channels (Karras et al., 2017, section 4.2).

    Example:
        >>> pixel_norm(torch.tensor([[3.0, 3.0]]))
        tensor([[1., 1.]])
    """
    return x * x.float().square().mean(1, keepdim=True).add(1e-8).rsqrt().to(x.dtype)


def at_least_float32(x: Tensor) -> Tensor:
    """What autocast has made shorter in float32; float64 as it came.

    Example:
        >>> [at_least_float32(torch.zeros(1, dtype=t)).dtype for t in (torch.bfloat16, torch.float64)]
        [torch.float32, torch.float64]
    """
    return x if x.dtype == torch.float64 else x.float()


def incoming(layer: nn.Module) -> Iterator[Tensor]:
    """What comes into each unit of a linear map or a convolution: views of its weight, (units, …), one a group.

    Transposed convolutions have their units in the second dimension. Embeddings, gains and biases are no units, and
    weights that a parametrization makes are not looked at: none comes of them.

    Example:
        >>> [tuple(weight.shape) for weight in incoming(nn.ConvTranspose2d(6, 4, 3, groups=2))]
        [(2, 3, 3, 3), (2, 3, 3, 3)]
    """
    weight = layer._parameters.get("weight")
    if weight is not None and isinstance(layer, nn.modules.conv._ConvTransposeNd):
        yield from (group.transpose(0, 1) for group in weight.chunk(layer.groups))
    elif weight is not None and isinstance(layer, (nn.Linear, nn.modules.conv._ConvNd)):
        yield weight
