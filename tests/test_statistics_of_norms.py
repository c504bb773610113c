"""What enters the running statistics of batch norms: the passes that a net is evaluated on, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from counterfeit.common.seeding import seeded
from counterfeit.core import Batch, Clock, Model, Spec, frozen, without_statistics
from counterfeit.models.adversarial.bigan import BiGAN
from counterfeit.models.adversarial.dcgan import DCGAN
from counterfeit.models.adversarial.gan import GAN
from counterfeit.models.adversarial.infogan import InfoGAN
from counterfeit.models.adversarial.latent_regressor import LatentRegressor
from counterfeit.models.adversarial.semi_supervised_gan import SemiSupervisedGAN
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.text2image import Text2Image
from counterfeit.models.translation.srgan import SRGAN
from counterfeit.nets.conv import ConvPlayers
from flat import flat

SPEC, CLOCK = Spec((1, 16, 16), classes=2), Clock(0, 10)
CAPTIONED = Spec((1, 16, 16), vocabulary=("a", "red", "green", "seven", "two"), max_tokens=3)
NETS = ConvPlayers(width=4, discriminator_width=4)
SMALL = {"nets": NETS, "noise_dim": 3}
ONCE, PENALIZED = GANSettings(resample_noise=False), GANSettings(resample_noise=False, penalty="r1", penalty_weight=1.0)
REAL = Batch(torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(1)), torch.arange(6) % 2)
SAID = REAL._replace(y=torch.tensor([[1, 2, 4], [1, 3, 5], [1, 2, 5]]).repeat(2, 1))


@pytest.fixture(autouse=True)
def same_numbers() -> Iterator[None]:
    with seeded(0):
        yield


def statistics(net: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in net.named_buffers() if "running" in key or "tracked" in key}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return bool(a) and a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


# The mechanism --------------------------------------------------------------------------------------------------------


def test_a_side_pass_is_normalized_by_its_minibatch_and_leaves_no_trace():
    net, x = nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm2d(2, momentum=None)).train(), 5 + 3 * torch.randn(8, 2, 4, 4)
    before = statistics(net)
    with without_statistics(net):
        y = net(x)
    torch.testing.assert_close(y.mean((0, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)
    assert same(statistics(net), before)
    assert torch.equal(net(x), y)  # the same pass, counted
    assert not same(statistics(net), before)


def test_not_even_a_side_pass_that_diverged_leaves_a_trace():
    net = nn.BatchNorm2d(2).train()
    before = statistics(net)
    with without_statistics(net):
        net(torch.full((2, 2, 4, 4), torch.nan))
    assert same(statistics(net), before)


def test_passes_count_again_after_an_error_and_after_the_outermost_of_two():
    net, x = nn.BatchNorm2d(2).train(), torch.rand(8, 2, 4, 4)
    with pytest.raises(RuntimeError, match="on the way"), without_statistics(net):
        raise RuntimeError("on the way")
    net(x)
    assert int(net.num_batches_tracked) == 1
    with without_statistics(net):
        with without_statistics(net):
            net(x)
        net(x)
    net(x)
    assert int(net.num_batches_tracked) == 2


def test_norms_that_keep_no_statistics_go_on_keeping_none():
    net = nn.BatchNorm2d(2, track_running_stats=False).train()
    with without_statistics(net):
        net(torch.rand(8, 2, 4, 4))
    assert not net.track_running_stats


def test_what_stands_still_keeps_its_statistics_and_its_weights():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).train()
    before = statistics(net)
    with frozen(net):
        y = net(torch.rand(4, 1, 8, 8))
    assert not y.requires_grad
    assert same(statistics(net), before)
    assert all(p.requires_grad for p in net.parameters())


# Models ---------------------------------------------------------------------------------------------------------------


def made(model: Model, real: Batch) -> tuple[Model, Model]:
    """The model after the updates of a step, and after what counts of them: one pass of what it makes of data."""
    twin = deepcopy(model.train())
    with seeded(1):
        list(model.updates(lambda: real, CLOCK))
    with seeded(1):
        twin.generate(real)
    return model, twin


@pytest.mark.parametrize(("model", "real", "parts"), [
    (lambda: flat(BiGAN, SPEC, image_weight=1.0, code_weight=1.0, categories=3, units=8, encoder_width=4,
                  settings=PENALIZED, **SMALL), REAL, ("generator", "encoder")),
    (lambda: flat(Text2Image, CAPTIONED, interpolation=1.0, crossing=1.0, caption_dim=4, settings=ONCE, **SMALL), SAID,
     ("generator",)),
    (lambda: flat(LatentRegressor, SPEC, image_weight=1.0, encoder_width=4, settings=ONCE, **SMALL), REAL,
     ("generator",)),
])  # fmt: skip
def test_side_passes_of_a_generator_do_not_count(model: Callable[[], Model], real: Batch, parts: tuple[str, ...]):
    found, expected = made(model(), real)
    for part in parts:
        assert same(*(statistics(each.get_submodule(part)) for each in (found, expected)))


def test_a_finished_generator_keeps_its_statistics_while_another_net_learns_to_read_it():
    model = flat(LatentRegressor, SPEC, generator_frozen_from=0.0, image_weight=1.0, encoder_width=4, **SMALL).train()
    before = {part: statistics(model.get_submodule(part)) for part in ("generator", "encoder")}
    list(model.updates(lambda: REAL, CLOCK))
    assert same(statistics(model.generator), before["generator"])
    assert not same(statistics(model.encoder), before["encoder"])  # which learns from what it sees


def shown(twin: Model, real: Batch) -> None:
    """Data and then samples, as a discriminator is shown them."""
    fake = twin.generate(real)
    fake = fake if isinstance(fake, Tensor) else fake.x
    twin.discriminator_outputs(real.x)
    twin.discriminator_outputs(fake.detach())


@pytest.mark.parametrize("model", [
    lambda: flat(DCGAN, SPEC, settings=PENALIZED, **SMALL),
    lambda: flat(DCGAN, SPEC, settings=GANSettings(resample_noise=False, objective="feature-matching"), **SMALL),
    lambda: flat(
        InfoGAN, SPEC, categories=3, iic_weight=1.0, view_augmentations=("affine",), settings=PENALIZED, **SMALL
    ),
    lambda: flat(
        SemiSupervisedGAN, SPEC, num_labelled=4, iic_weight=1.0, view_augmentations=("affine",), settings=ONCE, **SMALL
    ),
    lambda: flat(SRGAN, SPEC, width=4, blocks=1, discriminator_width=4, discriminator_norm="batch", settings=PENALIZED),
])  # fmt: skip
def test_a_discriminator_counts_data_and_samples_in_its_own_move_alone(model: Callable[[], Model]):
    found = model().train()
    twin = deepcopy(found)
    with seeded(1):
        list(found.updates(lambda: REAL, CLOCK))
    with seeded(1):
        shown(twin, REAL)
    assert same(statistics(found.discriminator), statistics(twin.discriminator))


def test_samples_for_initial_weights_do_not_count():
    model = flat(GAN, SPEC, hidden=(16,), init_weights_from_data=True).train()
    before = statistics(model)
    model.initialize(REAL)
    assert same(statistics(model), before)
