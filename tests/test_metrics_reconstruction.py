"""Reconstruction and structural similarity against closed forms and recorded values of a reference package."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import nn

from counterfeit.common.numerics import mean_squared_error
from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Evaluation
from counterfeit.core import Model, Spec, Update
from counterfeit.data.source import InMemory, Source
from counterfeit.inference.encoding import Reconstructs
from counterfeit.metrics.image.ssim import ssim, ssim_parts, window
from counterfeit.metrics.representation.principal_components import pca
from counterfeit.metrics.representation.reconstruction import RECONSTRUCTION, psnr
from counterfeit.metrics.tasks.denoising import DENOISING

# pytorch-msssim 1.0.0, ssim(x, y, data_range=1, size_average=False) of the images of `noise`, float64
RECORDED = [-0.02720830549933521, -0.008852802837519113]


def noise(n=2, channels=3, side=32):
    g = torch.Generator().manual_seed(0)
    return tuple(torch.rand(n, channels, side, side, generator=g).double() for _ in range(2))


class Rounds(Model):
    """Keeps the sign of x - 1/2, or everything."""

    def __init__(self, spec, exact=False):
        super().__init__(spec)
        self.scale, self.exact = nn.Parameter(torch.ones(())), exact

    def updates(self, draw, clock):
        yield Update(self.scale * draw().x.mean())

    def encode(self, x):
        return (x if self.exact else x.round()).flatten(1)

    def prior(self, n):
        return torch.rand(n, self.spec.dims)

    def decode(self, z):
        return z.unflatten(1, self.spec.shape)


class Uniform(Source):
    name, summary = "uniform", "uniform noise"

    def __init__(self, shape=(1, 12, 12), kind="image"):
        self.spec = Spec(shape, kind)

    def split(self, name):
        return InMemory(torch.rand(200, *self.spec.shape, generator=torch.Generator().manual_seed(0)))


def test_ssim_equals_recorded_values_of_a_reference():
    assert ssim(*noise()).tolist() == pytest.approx(RECORDED, abs=1e-6)  # its window is in float32


def test_ssim_equals_a_reference_where_it_is_installed():
    reference = pytest.importorskip("pytorch_msssim")
    x, y = (image.float() for image in noise(5, 1, 28))
    assert torch.allclose(ssim(x, y), reference.ssim(x, y, data_range=1, size_average=False), rtol=1e-5, atol=1e-6)


def test_ssim_of_constant_images_is_the_luminance_term():
    x, y = (torch.full((1, 1, 20, 20), level, dtype=torch.float64) for level in (0.2, 0.6))
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert float(ssim(x, y)) == pytest.approx(expected, abs=1e-9)
    assert float(ssim_parts(x, y)[1]) == pytest.approx(1, abs=1e-9)


def test_ssim_equals_its_definition_at_one_position():
    x, y = (image[:1, :1, :11, :11] for image in noise())
    t = torch.arange(-5, 6).double()
    g = (-(t**2) / 4.5).exp()
    w = torch.outer(g, g) / g.sum() ** 2
    mx, my = (w * x[0, 0]).sum(), (w * y[0, 0]).sum()
    vx, vy = (w * (x[0, 0] - mx) ** 2).sum(), (w * (y[0, 0] - my) ** 2).sum()
    cov = (w * (x[0, 0] - mx) * (y[0, 0] - my)).sum()
    expected = (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    assert float(ssim(x, y)) == pytest.approx(float(expected), abs=1e-12)


def test_ssim_is_symmetric_and_one_for_equal_images():
    x, y = noise()
    assert torch.allclose(ssim(x, y), ssim(y, x), atol=1e-12)
    assert torch.allclose(ssim(x, x), torch.ones(2).double(), atol=1e-12)


def test_the_window_shrinks_on_small_images():
    assert [window(side) for side in (28, 11, 10, 8, 3, 1)] == [11, 11, 9, 7, 3, 1]
    x, y = (torch.rand(2, 1, 8, 8) for _ in range(2))
    assert ssim_parts(x, y)[0].shape == (2, 1)


def test_images_that_do_not_match_are_an_error():
    with pytest.raises(ValueError, match="equal shape and dtype"):
        ssim(torch.rand(1, 1, 8, 8), torch.rand(1, 1, 9, 9))
    with pytest.raises(ValueError, match="equal ones are expected"):
        mean_squared_error(torch.rand(2, 3), torch.rand(3, 2))


def test_psnr_of_a_known_difference():
    x = torch.rand(3, 1, 8, 8)
    assert torch.allclose(psnr(x, x + 0.01), torch.full((3,), 40.0), atol=1e-3)
    assert psnr(x, x).tolist() == [100.0] * 3


def test_rounding_uniform_noise_has_its_closed_form():
    source = Uniform()
    found = RECONSTRUCTION.compute(Rounds(source.spec), source, Evaluation())
    assert list(found) == ["mse", "psnr", "ssim"]
    assert found["mse"].value == pytest.approx(1 / 12, abs=4 * found["mse"].error)  # E min(u, 1 - u)²
    assert found["psnr"].value == pytest.approx(-10 * math.log10(1 / 12), abs=0.05)
    assert found["mse"].n == 200
    assert "window of 11 x 11" in found["ssim"].protocol
    assert json.loads(json.dumps(found["ssim"].to_dict())) == found["ssim"].to_dict()


def test_everything_kept_is_perfect():
    source = Uniform()
    found = RECONSTRUCTION.compute(Rounds(source.spec, exact=True), source, Evaluation(max_examples=50))
    assert [found[name].value for name in ("mse", "psnr")] == [0, 100]
    assert found["ssim"].value == pytest.approx(1)


def test_real_values_have_an_error_only():
    source = Uniform((3,), "real")
    assert list(RECONSTRUCTION.compute(Rounds(source.spec), source, Evaluation())) == ["mse"]


def test_the_metric_asks_for_both_ways():
    assert isinstance(Rounds(Spec((2,))), Reconstructs)
    assert not isinstance(nn.Linear(1, 1), Reconstructs)


@pytest.mark.parametrize("n", [40, 5])
def test_principal_components_are_those_of_the_singular_value_decomposition(n):
    x = torch.randn(n, 2, 4, generator=torch.Generator().manual_seed(0)) * torch.arange(1.0, 5.0)
    centred = x.flatten(1) - x.flatten(1).mean(0)
    values = torch.linalg.svdvals(centred)
    for k in (1, 3):
        found = pca(x, k)
        assert torch.allclose(found.directions @ found.directions.T, torch.eye(k), atol=1e-5)
        lost = (found.reconstruct(x) - x).square().sum()
        assert float(lost) == pytest.approx(float(values[k:].square().sum()), rel=1e-4)
    assert torch.allclose(pca(x, 8).reconstruct(x), x, atol=1e-4)


def test_examples_that_are_all_equal_have_no_principal_component_but_themselves():
    x = torch.full((3, 5), 0.3)
    assert torch.allclose(pca(x, 2).reconstruct(x), x)


def test_principal_components_as_many_as_a_codes_numbers_stand_beside_the_error():
    source = Uniform((4,), "real")
    found = RECONSTRUCTION.compute(Rounds(source.spec), source, Evaluation())["mse"]
    assert found.references["pca"].value == pytest.approx(0, abs=1e-10)  # four components of four values


def test_what_rebuilds_everything_removes_no_noise():
    source = Uniform()
    with seeded(0):  # metrics are measured under a seed
        found = DENOISING.compute(Rounds(source.spec, exact=True), source, Evaluation(max_examples=50))
    assert len(found) == 9
    for result in found.values():
        assert result.value == pytest.approx(result.references["noisy"].value)
    masked = found["denoised-masking-0.3"]
    assert masked.value == pytest.approx(-10 * math.log10(0.3 / 3), abs=0.3)  # E u² = 1/3


def test_bits_have_no_gaussian_noise_to_remove():
    source = Uniform((6,), "binary")
    source.split = lambda name: InMemory(torch.rand(50, 6).round())
    found = DENOISING.compute(Rounds(source.spec), source, Evaluation())
    assert "came for data of kind 'binary'" in found["denoised-gaussian-0.1"]
    assert found["denoised-masking-0.1"].value > 0
