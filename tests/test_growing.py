"""Nets that grow: what each stage sees and shows, and what it is scaled by."""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from counterfeit.common.seeding import seeded
from counterfeit.core import Batch, Clock, Spec
from counterfeit.engine.doctor.network_statistics import gain
from counterfeit.models.adversarial.progan import ProGAN
from counterfeit.nets.growing import EqualConv2d, EqualLinear
from counterfeit.nets.layers import pixel_norm

SPEC = Spec((1, 16, 16))


@pytest.fixture(autouse=True)
def same_numbers() -> Iterator[None]:
    with seeded(0):
        yield


def model(stage: float = 0.0) -> ProGAN:
    made = ProGAN(SPEC, width=4, discriminator_width=4, noise_dim=3)
    stand(made, stage)
    return made


def stand(made: ProGAN, stage: float) -> None:
    made.generator.grow(stage)
    made.discriminator.grow(stage)


def images(n: int = 6) -> Tensor:
    return torch.rand(n, *SPEC.shape)


@pytest.mark.parametrize(("stage", "pixels"), [(0.0, 4), (1.0, 8), (2.0, 16)])
def test_samples_have_the_pixels_of_their_stage_repeated(stage, pixels):
    x, times = model(stage).sample(3), SPEC.shape[1] // pixels
    assert x.shape == (3, *SPEC.shape)
    torch.testing.assert_close(interpolate(avg_pool2d(x, times), scale_factor=times), x)
    assert pixels == 16 or not torch.allclose(avg_pool2d(x, times)[:, :, 1:], avg_pool2d(x, times)[:, :, :-1])


@pytest.mark.parametrize("level", [0, 1])
def test_a_level_fades_in_without_a_jump(level):
    made, x = model(level), images()
    z = made.prior(5)
    before, told = made.decode(z), made.discriminator_outputs(x)
    stand(made, level + 0.001)
    torch.testing.assert_close(made.decode(z), before, atol=5e-3, rtol=0)
    torch.testing.assert_close(made.discriminator_outputs(x), told, atol=2e-2, rtol=0)
    stand(made, level + 1)
    assert float((made.decode(z) - before).detach().abs().max()) > 0.02


def test_the_discriminator_sees_means_over_the_pixels_there_are():
    made, x = model(1), images()
    torch.testing.assert_close(made.discriminator_outputs(x), made.discriminator_outputs(made.discriminator.shown(x)))


def test_data_are_shown_in_the_pixels_there_are_and_half_faded_between_two_stages():
    x = images()
    small, large = (interpolate(avg_pool2d(x, n), scale_factor=n) for n in (4, 2))
    torch.testing.assert_close(model(0).discriminator.shown(x), small)
    torch.testing.assert_close(model(0.5).discriminator.shown(x), (small + large) / 2)
    torch.testing.assert_close(model(2).discriminator.shown(x), x)


def test_every_parameter_of_levels_that_fade_gets_a_gradient():
    made = model()
    made.train()
    clock = Clock(45, 60)  # 5/6 of the time of growing at 0.9: the last level fades in
    made.growing = 0.9
    missing = set()
    for update in made.updates(lambda: Batch(images()), clock):
        part = made.get_submodule(update.parts[0])
        gradients = torch.autograd.grad(update.loss, list(part.parameters()), allow_unused=True)
        missing |= {name for (name, _), g in zip(part.named_parameters(), gradients, strict=True) if g is None}
    assert 1 < made.stage(clock) < 2
    assert {name for name in missing if not name.startswith("images.0")} == set()


def test_training_begins_small_and_ends_at_full_size():
    made, steps = model(), 100
    stages = [made.stage(Clock(step, steps)) for step in range(steps)]
    assert stages[0] == 0
    assert stages == sorted(stages)
    assert stages[60:] == [2.0] * 40
    assert stages.count(0) == stages.count(1) == 15 + 1  # as long as fading takes
    assert ProGAN(SPEC, width=4, growing=0).stage(Clock(0, 9)) == 2


def test_the_stage_is_kept_with_the_weights():
    made, again = model(1.5), model()
    z = made.prior(2)
    again.load_state_dict(made.state_dict())
    assert torch.equal(again.decode(z), made.decode(z))


def test_pixels_are_normalized_over_channels():
    h = torch.randn(2, 5, 3, 3)
    torch.testing.assert_close(pixel_norm(h).square().mean(1), torch.ones(2, 3, 3))
    torch.testing.assert_close(pixel_norm(3 * h), pixel_norm(h))


@pytest.mark.parametrize("size", [64, 1024])
def test_weights_are_standard_normal_and_signals_keep_their_scale(size):
    layer = EqualLinear(size, 64, gain=1.0)
    assert float(layer.weight.detach().std()) == pytest.approx(1, abs=0.02)
    assert float(layer(torch.randn(500, size)).detach().std()) == pytest.approx(1, abs=0.1)


def test_the_doctor_counts_weights_as_they_are_used():
    assert gain(EqualConv2d(100, 8, 3)) == pytest.approx(math.sqrt(2), rel=0.05)


def test_the_doctor_asks_layers_how_they_scale_their_weights():
    class Halved(nn.Linear):
        weight_scale = 0.5

    layer, plain = Halved(4, 3), nn.Linear(4, 3)
    plain.load_state_dict(layer.state_dict())
    assert gain(layer) == pytest.approx(gain(plain) / 2)


def test_training_does_not_wait_for_the_device_to_tell_the_stage():
    made = model()
    made.train().generator.grow(1.5)
    made.generator.stage = made.generator.stage.to("meta")  # it cannot be read
    assert made.generator.standing() == (2, 0.5)
    with pytest.raises(RuntimeError, match="meta"):
        made.eval().generator.standing()


@pytest.mark.parametrize("training", [True, False])
def test_the_stage_that_was_loaded_rules_until_the_next_step(training):
    made, again = model(1.5), model(0)
    again.train(training).load_state_dict(made.state_dict())
    assert again.generator.standing() == again.discriminator.standing() == (2, 0.5)
    again.generator.grow(1)
    assert again.generator.standing() == (1, 1.0)


def test_a_copy_in_evaluation_goes_by_the_stage_it_was_given():
    made = model(1)
    twin = deepcopy(made).eval()
    made.generator.grow(2)
    twin.generator.stage.copy_(made.generator.stage)
    assert twin.generator.standing() == (2, 1.0)


def test_growing_is_a_share():
    with pytest.raises(ValueError, match="growing=2 came; a share"):
        ProGAN(SPEC, growing=2)


def test_a_level_that_doubles_is_a_convolution_of_repeated_pixels():
    layer, x = EqualConv2d(3, 5, 3).double(), torch.rand(2, 3, 4, 6, dtype=torch.float64)
    torch.testing.assert_close(layer.upscale(x), layer(interpolate(x, scale_factor=2.0)))
