"""Players that translate images: a residual generator with instance norm, and discriminators of patches.

References:
    Perceptual Losses for Real-Time Style Transfer and Super-Resolution, Johnson et al., 2016 (arXiv 1603.08155).
    Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, Zhu et al., 2017 (arXiv
        1703.10593), section 7.2.
    A Learned Representation For Artistic Style, Dumoulin et al., 2016 (arXiv 1610.07629).
    StarGAN: Unified Generative Adversarial Networks for Multi-Domain Image-to-Image Translation, Choi et al., 2018
        (arXiv 1711.09020), tables 4 and 5.
    Image-to-Image Translation with Conditional Adversarial Networks, Isola et al., 2017 (arXiv 1611.07004), section
        6.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import instance_norm, one_hot

from counterfeit.core import Net, Spec
from counterfeit.nets.conv import halvings, initialize, widths
from counterfeit.nets.layers import with_planes
from counterfeit.nets.mlp import Dropout

__all__ = [
    "DomainDiscriminator", "ImagePool", "PatchDiscriminator", "ResnetGenerator", "SkipGenerator", "TranslationPlayers",
]  # fmt: skip

DOWN = 2  # halvings of the sides before the residual blocks
PATCH = 3  # halvings of the discriminator of patches, of 54 pixels at full size


class DomainNorm(nn.Module):
    """Instance norm whose gain and bias are those of the domain to go to (conditional instance normalization, eq. 5).

    Labels as channels vanish behind an instance norm, which takes away what is the same at every place; these stay.

    References:
        A Learned Representation For Artistic Style, Dumoulin et al., 2016 (arXiv 1610.07629).

    Arguments:
        channels: of what comes.
        domains: how many there are.
    """

    def __init__(self, channels: int, domains: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(1 + 0.1 * torch.randn(domains, channels))  # domains differ from the start
        self.bias = nn.Parameter(0.1 * torch.randn(domains, channels))

    def forward(self, x: Tensor, domain: Tensor) -> Tensor:
        """(B, C, H, W), and the domains one-hot, (B, domains) -> (B, C, H, W)."""
        gain, bias = ((domain @ each)[:, :, None, None] for each in (self.weight, self.bias))
        return instance_norm(x) * gain + bias


class Layers(nn.Sequential):
    """Layers one after another, of which some are conditioned on the domain to go to."""

    def forward(self, x: Tensor, domain: Tensor | None = None) -> Tensor:
        """(B, C, H, W), and the domains one-hot, (B, domains), where there are any -> (B, …)."""
        for layer in self:
            x = layer(x, domain) if isinstance(layer, (DomainNorm, NormalizedResidual)) else layer(x)
        return x


class NormalizedResidual(nn.Module):
    """Two convolutions with instance norm, added to what came."""

    def __init__(self, channels: int, domains: int = 0) -> None:
        super().__init__()
        self.body = Layers(
            nn.Conv2d(channels, channels, 3, 1, 1, padding_mode="reflect", bias=False), _norm(channels, domains),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, 1, 1, padding_mode="reflect", bias=False), _norm(channels, domains),
        )  # fmt: skip

    def forward(self, x: Tensor, domain: Tensor | None = None) -> Tensor:
        """(B, C, H, W), and the domains one-hot, (B, domains), where there are any -> (B, C, H, W)."""
        return x + self.body(x, domain)


class ResnetGenerator(Net):
    """Images (B, C, H, W) in [0, 1] -> images of the same shape: halved twice, residual blocks, doubled twice.

    Arguments:
        spec: what the data are; sides that can be halved.
        width: channels at full size; half the side has twice as many.
        blocks: residual blocks at the smallest side.
        domains: labels that it is conditioned on, as channels of the image and by the gain and bias of every norm; 0
            for none. The first layer then has no norm, behind which a picture and its negative would differ in their
            signs alone.

    Raises:
        ValueError: where the data are no images in [0, 1] or their sides cannot be halved.

    Example:
        >>> ResnetGenerator(Spec((3, 32, 32)), 8, 2)(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(self, spec: Spec, width: int, blocks: int, domains: int = 0) -> None:
        super().__init__()
        if spec.kind != "image":
            raise ValueError(f"data of kind {spec.kind!r} came; images in [0, 1] are expected. Leave transforms out.")
        if width < 1 or blocks < 0:
            raise ValueError(f"width={width} and blocks={blocks} came; at least 1 and 0 are expected. Raise them.")
        self.domains = domains
        channels = [width << level for level in range(min(DOWN, halvings(spec)) + 1)]
        downs, ups = (
            [layer for a, b in pairs for layer in _layer(kind(a, b, 4, 2, 1, bias=False), b, domains)]
            for kind, pairs in ((nn.Conv2d, pairwise(channels)), (nn.ConvTranspose2d, pairwise(reversed(channels))))
        )
        convolution = nn.Conv2d(spec.shape[0] + domains, width, 7, 1, 3, padding_mode="reflect", bias=domains > 0)
        first = (convolution, nn.ReLU(inplace=True)) if domains else _layer(convolution, width)
        body = [NormalizedResidual(channels[-1], domains) for _ in range(blocks)]
        self.body = Layers(*first, *downs, *body, *ups)
        self.last = nn.Conv2d(width, spec.shape[0], 7, 1, 3, padding_mode="reflect")
        initialize(self)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, C, H, W), and the domains to go to, (B,), where it is conditioned on any -> (B, C, H, W)."""
        x, domain = 2 * x - 1, None
        if y is not None:
            domain = one_hot(y, self.domains).to(x.dtype)
            x = with_planes(x, domain)
        return self.last(self.body(x, domain)).float().sigmoid()


class SkipGenerator(Net):
    """Pictures (B, C', H, W) in [0, 1] -> (B, C, H, W): halved level by level, and doubled with each level beside it.

    What is at the same place in both, such as edges, need not pass through the smallest level (a U-Net).

    Arguments:
        spec: what the pictures to make are; their sides can be halved.
        given: channels of the pictures that come.
        width: channels of the largest level; every smaller one has twice those of the one before, up to eight times.
        dropout: rate on the way up, at all levels but the largest.
    """

    def __init__(self, spec: Spec, given: int, width: int, dropout: float) -> None:
        super().__init__()
        if width < 1 or not 0 <= dropout < 1:
            raise ValueError(f"width={width} and dropout={dropout} came; at least 1 and a rate in [0, 1) are expected.")
        channels = widths(width, halvings(spec))
        self.downs = nn.ModuleList(
            nn.Sequential(
                *([] if level == 0 else [nn.LeakyReLU(0.2)]), nn.Conv2d(a, b, 4, 2, 1, bias=level == 0),
                *([] if level == 0 else [_norm(b)]),
            )
            for level, (a, b) in enumerate(pairwise([given, *channels]))
        )  # fmt: skip
        self.ups = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(), nn.ConvTranspose2d(a * (1 + (level > 0)), b, 4, 2, 1, bias=False), _norm(b),
                *([Dropout(dropout)] if dropout else []),
            )
            for level, (a, b) in enumerate(pairwise(channels[::-1]))
        )  # fmt: skip
        last = channels[0] * (1 + (len(channels) > 1))
        self.last = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(last, spec.shape[0], 4, 2, 1))
        initialize(self)

    def forward(self, given: Tensor) -> Tensor:
        """(B, C', H, W) -> (B, C, H, W)."""
        h, levels = 2 * given - 1, []
        for down in self.downs:
            h = down(h)
            levels.append(h)
        for up, beside in zip(self.ups, levels[-2::-1], strict=True):
            h = torch.cat([up(h), beside], 1)
        return self.last(h).float().sigmoid()


@dataclass(frozen=True)
class TranslationPlayers:
    """The sizes of players that translate images.

    Arguments:
        width: channels of a generator at full size; half the side has twice as many.
        blocks: residual blocks of a generator.
        discriminator_width: channels of a discriminator after its first convolution; later levels have more.
    """

    width: int = 64
    blocks: int = 9
    discriminator_width: int = 64

    def generator(self, spec: Spec, domains: int = 0) -> ResnetGenerator:
        """Images (B, C, H, W), and the domains to go to, (B,), where it is conditioned on any -> (B, C, H, W)."""
        return ResnetGenerator(spec, self.width, self.blocks, domains)


class PatchDiscriminator(Net):
    """Images (B, C, H, W) in [0, 1] -> (B, patches): one logit for each of many overlapping patches.

    Arguments:
        spec: what the data are.
        width: channels after the first convolution; every later level has twice those of the one before.
    """

    def __init__(self, spec: Spec, width: int) -> None:
        super().__init__()
        levels = min(PATCH, halvings(spec))
        channels = [width << level for level in range(levels + 1)]
        layers: list[nn.Module] = [nn.Conv2d(spec.shape[0], width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        for level, (a, b) in enumerate(pairwise(channels), 2):
            stride = 2 if level <= levels else 1
            convolution = nn.Conv2d(a, b, 2 + stride, stride, 1, bias=False)
            layers += [convolution, _norm(b), nn.LeakyReLU(0.2, inplace=True)]
        self.body, self.head = nn.Sequential(*layers), nn.Conv2d(channels[-1], 1, 3, 1, 1)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, patches), float32 whatever the precision inside."""
        return self.head(self.body(2 * x - 1)).float().flatten(1)


class DomainDiscriminator(Net):
    """Images (B, C, H, W) in [0, 1] -> (B, patches + domains): logits of patches, then of the image's domain.

    Without any norm, under which the gradient at an image would depend on more than a penalty means.

    Arguments:
        spec: what the data are.
        width: channels after the first convolution; every smaller level has twice those of the one before.
        domains: how many there are.
    """

    def __init__(self, spec: Spec, width: int, domains: int) -> None:
        super().__init__()
        levels = halvings(spec)
        channels = [spec.shape[0], *(width << level for level in range(levels))]
        layers = [
            layer
            for a, b in pairwise(channels)
            for layer in (nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(0.01, inplace=True))
        ]
        rest = (spec.shape[1] >> levels, spec.shape[2] >> levels)
        self.body = nn.Sequential(*layers)
        self.head, self.domain = nn.Conv2d(channels[-1], 1, 3, 1, 1), nn.Conv2d(channels[-1], domains, rest)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, patches + domains), float32 whatever the precision inside."""
        h = self.body(2 * x - 1)
        return torch.cat([self.head(h).flatten(1), self.domain(h).flatten(1)], 1).float()


class ImagePool(nn.Module):
    """Fakes of earlier steps, which a discriminator is shown in place of half of the new ones.

    Until it is full it keeps what comes and hands it back; then each image is, by the toss of a coin, handed back, or
    exchanged for one that was kept. What it keeps is part of the model's state.

    References:
        Learning from Simulated and Unsupervised Images through Adversarial Training, Shrivastava et al., 2017
            (arXiv 1612.07828), section 2.3.

    Arguments:
        size: how many are kept; 0 hands every image back.
        shape: of an image.
    """

    images: Tensor
    seen: Tensor

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        if size < 0:
            raise ValueError(f"pool={size} came; at least 0 is expected. 0 keeps no images.")
        self.register_buffer("images", torch.zeros(size, *shape))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def forward(self, x: Tensor, whole: Tensor) -> Tensor:
        """Images to show in place of `x`, (B, *shape); without a look at the device's memory from the host.

        Where `whole`, a scalar, is 0, nothing is kept and `x` comes back.
        """
        size, n = len(self.images), min(len(x), len(self.images))
        if not n:
            return x
        place = self.seen + torch.arange(n, device=x.device)
        full = self.seen >= size
        slot = torch.where(full, torch.rand(size, device=x.device).argsort()[:n], place % size)  # all of them distinct
        swap = full & (torch.rand(n, device=x.device) < 0.5) & (whole > 0)
        keep = swap | (~full & (place < size) & (whole > 0))
        shape = (n, *[1] * (x.ndim - 1))
        kept, new = self.images[slot], x[:n]
        self.images[slot] = torch.where(keep.view(shape), new, kept)
        self.seen += n * (whole > 0)
        return torch.cat([torch.where(swap.view(shape), kept, new), x[n:]])


def _norm(channels: int, domains: int = 0) -> nn.Module:
    return DomainNorm(channels, domains) if domains else nn.InstanceNorm2d(channels, affine=True)


def _layer(convolution: nn.Module, channels: int, domains: int = 0) -> tuple[nn.Module, ...]:
    return convolution, _norm(channels, domains), nn.ReLU(inplace=True)
