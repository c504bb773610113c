"""Multi-scale SSIM against two packages; pairs within a class; errors."""

from __future__ import annotations

import pytest
import torch

from counterfeit.metrics.coverage.ms_ssim import WEIGHTS, ms_ssim, pairs, scales, within


def images(n: int, side: int, seed: int, channels: int = 1) -> torch.Tensor:
    """Smooth images, of which some pairs are alike."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, channels, max(2, side // 4), max(2, side // 4), generator=generator, dtype=torch.float64)
    fine = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    return (fine + 0.1 * torch.rand(fine.shape, generator=generator, dtype=torch.float64)).clamp(0, 1)


@pytest.mark.parametrize(("side", "channels"), [(176, 1), (185, 3)])
def test_it_equals_pytorch_msssim(side, channels):
    package = pytest.importorskip("pytorch_msssim", reason="pytorch-msssim is not installed")
    x, y = images(2, side, 0, channels), images(2, side, 1, channels)
    options = {"data_range": 1.0, "size_average": False, "weights": _normalized(5), "win": _window(channels)}
    expected = package.ms_ssim(x, (x + y) / 2, **options)
    assert torch.allclose(ms_ssim(x, (x + y) / 2), expected, rtol=1e-9)


@pytest.mark.parametrize("side", [28, 32, 64])
def test_fewer_scales_equal_pytorch_msssim_scale_by_scale(side):
    package = pytest.importorskip("pytorch_msssim.ssim", reason="pytorch-msssim is not installed")
    x, y = images(2, side, 0), images(2, side, 1)
    mixed, expected, weights = (x + y) / 2, 1.0, _normalized(scales(side))
    a, b = x, mixed
    for level, weight in enumerate(weights, 1):
        whole, contrast = package._ssim(a, b, 1.0, _window(1))
        expected = expected * (whole if level == len(weights) else contrast).relu() ** weight
        a, b = (torch.nn.functional.avg_pool2d(image, 2, padding=image.shape[2] % 2) for image in (a, b))
    assert torch.allclose(ms_ssim(x, mixed), expected[:, 0], rtol=1e-9)


def _window(channels: int) -> torch.Tensor:
    """Of 11 taps in float64; the package's own is float32."""
    t = torch.arange(11, dtype=torch.float64) - 5
    weights = (-(t**2) / (2 * 1.5**2)).exp()
    return (weights / weights.sum()).expand(channels, 1, 1, 11)


def _normalized(levels: int) -> list[float]:
    return [weight / sum(WEIGHTS[:levels]) for weight in WEIGHTS[:levels]]


@pytest.mark.parametrize("side", [8, 28, 33])
def test_an_image_is_like_itself(side):
    x = images(3, side, 0)
    assert torch.allclose(ms_ssim(x, x), torch.ones(3, dtype=torch.float64))


def test_it_is_symmetric_and_below_one():
    x, y = images(4, 28, 0), images(4, 28, 1)
    assert torch.allclose(ms_ssim(x, y), ms_ssim(y, x))
    assert bool((ms_ssim(x, y) < 0.95).all())


def test_pairs_are_disjoint_and_of_one_class():
    y = torch.randint(0, 3, (101,), generator=torch.Generator().manual_seed(0))
    found = pairs(y, 3)
    places = torch.cat([torch.cat(pair) for pair in found])
    assert len(places.unique()) == len(places) >= 98
    assert all(bool((y[a] == c).all() and (y[b] == c).all()) for c, (a, b) in enumerate(found))


def test_one_picture_a_class_is_collapse():
    y = torch.arange(3).repeat(20)
    x = images(3, 28, 0)[y]
    assert within(x, y, 3)[0] == pytest.approx(1.0)


def test_classes_weigh_the_same_and_empty_ones_are_left_out():
    x = images(60, 28, 0)
    y = torch.tensor([0] * 50 + [2] * 10)
    value, error, means = within(x, y, 4)
    assert means[1] is means[3] is None
    assert value == pytest.approx((means[0] + means[2]) / 2)
    assert error > 0


def test_no_pair_is_an_error():
    with pytest.raises(ValueError, match="2 images without two of one class came; pairs are expected"):
        within(images(2, 28, 0), torch.tensor([0, 1]), 2)


def test_unknown_number_of_scales_is_an_error():
    with pytest.raises(ValueError, match="levels=6 came; 1 to 5 are expected"):
        ms_ssim(images(1, 28, 0), images(1, 28, 1), levels=6)
