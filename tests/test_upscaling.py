"""Super-resolution: making pictures small, what the net adds, its losses, and the metric beside closed forms."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

import checks
from counterfeit.common.numerics import sharpness
from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Evaluation
from counterfeit.core import Batch, Clock, Model, Spec
from counterfeit.data.source import InMemory, Source
from counterfeit.inference.upscaling import upscaled
from counterfeit.metrics.base import Result
from counterfeit.metrics.features.extractors import pixels
from counterfeit.metrics.image.sharpness import relative_sharpness
from counterfeit.metrics.representation.reconstruction import psnr
from counterfeit.metrics.tasks.super_resolution import SUPER_RESOLUTION, feature_distance
from counterfeit.metrics.tasks.video_prediction import PREDICTION
from counterfeit.models.translation.srgan import SRGAN
from counterfeit.nets.upscaling import Upscaler, bicubic, shrink
from counterfeit.report.comparison.compare import best
from flat import flat

SPEC, CLOCK = Spec((1, 16, 16)), Clock(0, 10)


@pytest.fixture(autouse=True)
def same_numbers() -> Iterator[None]:
    with seeded(0):
        yield


def small(**settings: object) -> SRGAN:
    return flat(SRGAN, SPEC, **{"factor": 2, "width": 4, "blocks": 1, "discriminator_width": 4, **settings})


def smooth(n: int = 8, side: int = 16) -> Tensor:
    return interpolate(torch.rand(n, 1, 4, 4), side, mode="bicubic").clamp(0, 1)


class Smooth(Source):
    name, summary, spec = "smooth", "smooth noise", SPEC

    def split(self, name):
        with seeded(0):
            return InMemory(smooth(40))


class Bicubic(Model):
    """Upscales by bicubic interpolation."""

    factor = 2

    def updates(self, draw, clock):
        return iter(())

    @property
    def device(self):
        return torch.device("cpu")

    def upscale(self, x):
        return bicubic(x, self.factor).clamp(0, 1)


def test_making_small_keeps_means_and_makes_small_what_was_made_large():
    flat = torch.full((1, 1, 16, 16), 0.3)
    torch.testing.assert_close(shrink(flat, 4), flat[..., :4, :4])
    ramp = torch.linspace(0, 1, 32).expand(1, 1, 32, 32)
    inside = shrink(ramp, 2)[0, 0, 0, 2:-2]
    torch.testing.assert_close(inside, ramp[0, 0, 0].view(-1, 2).mean(1)[2:-2])


def test_making_small_removes_what_small_pictures_cannot_hold():
    board = (torch.arange(16)[:, None] + torch.arange(16)) % 2 * 1.0
    inside = shrink(board[None, None], 4)[..., 1:-1, 1:-1]
    torch.testing.assert_close(inside, torch.full((1, 1, 2, 2), 0.5), atol=1e-3, rtol=0)


@pytest.mark.parametrize("factor", [2, 4])
def test_a_net_whose_last_layer_is_silent_is_bicubic(factor):
    net, x = Upscaler(3, 4, 2, factor), torch.rand(2, 3, 5, 7)
    torch.nn.init.zeros_(net.last.weight)
    torch.nn.init.zeros_(net.last.bias)
    assert net(x).shape == (2, 3, 5 * factor, 7 * factor)
    torch.testing.assert_close(net(x), bicubic(x, factor))


def test_without_the_game_only_the_squared_error_of_pixels_is_descended():
    model, x = small(adversarial_weight=0.0, pixel_weight=2.0), smooth()
    (update,) = model.updates(lambda: Batch(x), CLOCK)
    off = model.generator(shrink(x, 2)) - x
    assert update.parts == ("generator",)
    torch.testing.assert_close(update.loss, 2 * off.square().mean())


def test_the_generator_descends_pixels_features_and_the_weighted_game():
    model, x = small(adversarial_weight=0.5, feature_weight=3.0), smooth()
    first, second = model.updates(lambda: Batch(x), CLOCK)
    fake, d = model.generate(Batch(x)), model.discriminator
    wanted, off = d.features(x), d.features(fake) - d.features(x)
    share = (off.square().sum(1) / wanted.square().sum(1)).mean()
    game = torch.nn.functional.softplus(-d(fake)).mean()
    assert (first.parts, second.parts) == (("discriminator",), ("generator",))
    torch.testing.assert_close(second.loss, (fake - x).square().mean() + 3 * share + 0.5 * game)


def test_factors_and_sides_are_told_from_wrong_ones():
    with pytest.raises(ValueError, match="factor=8 came; 2 or 4"):
        flat(SRGAN, SPEC, factor=8)
    with pytest.raises(ValueError, match=r"\(1, 30, 30\) came; .* multiples of 4"):
        flat(SRGAN, Spec((1, 30, 30)))
    with pytest.raises(ValueError, match="adversarial_weight=-1 came"):
        small(adversarial_weight=-1)


def test_sharpness_of_a_ramp_is_its_slope():
    ramp = (0.3 * torch.arange(5)[:, None] + 0.4 * torch.arange(6)).expand(2, 1, 5, 6)
    torch.testing.assert_close(sharpness(ramp), torch.full((2,), 0.5))


def test_flat_truths_have_no_sharpness_to_compare_with_and_say_so():
    flat = torch.full((4, 1, 8, 8), 0.5)
    with pytest.raises(ValueError, match="flat, each of one color"):
        relative_sharpness(torch.rand(4, 1, 8, 8), flat)


def test_relative_sharpness_is_a_ratio_whose_error_vanishes_where_it_is_the_same_for_all():
    x = torch.rand(20, 1, 8, 8)
    assert relative_sharpness(x / 2, x) == pytest.approx((0.5, 0.0), abs=1e-6)
    found, error = relative_sharpness(torch.rand(20, 1, 8, 8), x)
    assert abs(found - 1) < 5 * error


def test_neither_direction_of_sharpness_is_better():
    """1 is ideal: the noisiest pictures are the sharpest, and are not crowned."""
    rows = {**SUPER_RESOLUTION.rows, **PREDICTION.rows}
    assert {name for name, better in rows.items() if better is None} == {
        "upscaled-sharpness", "next-frame-sharpness", "rollout-sharpness",
    }  # fmt: skip
    noisy = {name: Result(value, 0.01, 10, "p") for name, value in (("noise", 9.0), ("ideal", 1.0))}
    assert best("upscaled-sharpness", noisy) == frozenset()
    assert best("upscaled-psnr", noisy) == {"noise"}


def test_bicubic_pictures_measure_as_the_reference_row_does():
    results = SUPER_RESOLUTION.compute(Bicubic(SPEC), Smooth(), Evaluation(features="pixels"))
    assert set(results) == set(SUPER_RESOLUTION.rows)
    for result in results.values():
        reference = result.references["bicubic"]
        assert (result.value, result.error) == (reference.value, reference.error)
        assert result.n == 40
    assert results["upscaled-psnr"].value > results["upscaled-psnr"].references["nearest"].value


def test_what_is_measured_is_what_the_functions_say():
    truth = smooth(40)
    found = upscaled(Bicubic(SPEC), truth)
    torch.testing.assert_close(found.nearest[..., ::2, ::2], shrink(truth, 2))
    assert bool((psnr(found.model, truth) > psnr(found.nearest, truth)).float().mean() > 0.9)
    assert feature_distance(truth, truth, pixels(SPEC)).tolist() == [0.0] * 40


def test_any_picture_of_the_right_channels_is_upscaled():
    model = small().eval()
    assert model.upscale(torch.rand(2, 1, 5, 9)).shape == (2, 1, 10, 18)
    with pytest.raises(ValueError, match=r"\(2, 3, 8, 8\); SRGAN.upscale expects \(B, 1, 8, 8\)"):
        model.upscale(torch.rand(2, 3, 8, 8))


def test_new_pixels_are_equal_before_training():
    net = Upscaler(1, 4, 1, 2)
    h = net.ups[:2](torch.randn(2, 4, 5, 5))
    assert torch.equal(h[..., ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3), h)


@pytest.mark.parametrize(
    ("how", "words"), [("noise", "differently"), ("range", "pixels lie"), ("size", "come back as")]
)
def test_the_common_check_sees_the_fault(how, words, monkeypatch):
    model, calls = small(), count()
    upscale = model.upscale
    wrong = {
        "noise": lambda x: (upscale(x) + 0.1 * (next(calls) % 2)).clamp(0, 1),
        "range": lambda x: upscale(x) + 1,
        "size": lambda x: upscale(x)[..., 1:],
    }
    checks.upscaling(model)
    monkeypatch.setattr(model, "upscale", wrong[how])
    with pytest.raises(AssertionError, match=words):
        checks.upscaling(model)
