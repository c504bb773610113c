"""Adversarial models: what their nets see and say, conditions, penalties and codes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bernoulli

from counterfeit.catalogue import model_class
from counterfeit.common.seeding import mix, seeded
from counterfeit.config.settings import Train
from counterfeit.core import Batch, Clock, Net, Spec
from counterfeit.engine.distributed import Processes
from counterfeit.engine.step import Stepper
from counterfeit.losses import OBJECTIVES, PENALTIES, iic_loss, label_smoothing
from counterfeit.models.adversarial.acgan import ACGAN
from counterfeit.models.adversarial.cgan import CGAN
from counterfeit.models.adversarial.dcgan import DCGAN
from counterfeit.models.adversarial.infogan import InfoGAN
from counterfeit.models.adversarial.inpainting_gan import InpaintingGAN
from counterfeit.models.adversarial.r3gan import R3GAN
from counterfeit.models.adversarial.semi_supervised_gan import SemiSupervisedGAN
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.adversarial.shared.prior import Prior
from counterfeit.models.adversarial.shared.sampling_gan import Fake, SamplingGAN
from counterfeit.models.adversarial.sngan import SNGAN
from counterfeit.models.adversarial.wgan_gp import WGANGP
from counterfeit.nets.conv import ConvDiscriminator, ConvPlayers, Head, halvings
from counterfeit.nets.layers import MinibatchDeviation, MinibatchDiscrimination
from counterfeit.nets.residual import Grow, PlainBlock, Shrink
from flat import flat

LABELLED, CLOCK = Spec((1, 8, 8), classes=10), Clock(0, 10)
SIZES = {"width": 4, "discriminator_width": 4}
TINY = {"nets": ConvPlayers(**SIZES), "noise_dim": 3}


@pytest.fixture(autouse=True)
def same_numbers() -> Iterator[None]:
    with seeded(0):
        yield


def batch(n: int = 6, spec: Spec = LABELLED) -> Batch:
    return Batch(torch.rand(n, *spec.shape), torch.arange(n) % max(spec.classes, 1))


# Nets -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [DCGAN, SNGAN, WGANGP])
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64), (1, 48, 32)])
def test_players_fit_any_image_whose_sides_can_be_halved(model, shape):
    made = flat(model, Spec(shape), noise_dim=3, **SIZES if model is SNGAN else {"nets": ConvPlayers(**SIZES)})
    x = made.sample(3)
    assert x.shape == (3, *shape)
    assert 0 <= float(x.detach().min()) <= float(x.detach().max()) <= 1
    assert made.discriminator_outputs(x).shape == (3, 1)


@pytest.mark.parametrize("name", ["dcgan", "inpainting-gan", "progan"])
def test_what_ends_in_a_sigmoid_refuses_data_beyond_0_and_1(name):
    with pytest.raises(ValueError, match=r"kind 'real' came; images in \[0, 1\].*symmetric and logit") as error:
        model_class(name)(Spec((1, 16, 16), "real"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("shape", [(1, 7, 8), (1, 4, 4), (12,)])
def test_images_that_cannot_be_halved_are_refused(shape):
    with pytest.raises(ValueError, match="expected"):
        halvings(Spec(shape))


@pytest.mark.parametrize("block", [Grow(4), Shrink(4, 4, down=True), Shrink(4, 6, down=False)])
def test_a_residual_block_is_a_path_and_a_shortcut(block):
    for conv in block.convs:
        nn.init.zeros_(conv.weight)
        nn.init.zeros_(conv.bias)
    x = torch.randn(2, 4, 8, 8)
    side = {"Grow": 16, "Shrink": 4 if getattr(block, "down", False) else 8}[type(block).__name__]
    out = block(x)
    assert out.shape[2:] == (side, side)
    assert float(out.detach().abs().sum()) > 0


def test_spectral_normalization_holds_the_discriminators_slope_at_one():
    net = flat(SNGAN, LABELLED, **SIZES, noise_dim=3).discriminator.train()
    for _ in range(50):  # the power iteration takes a step at every pass
        net(torch.rand(2, 1, 8, 8))
    weights = [m.weight.flatten(1) for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(weights) >= 7
    for weight in weights:
        assert float(torch.linalg.matrix_norm(weight.detach(), 2)) == pytest.approx(1.0, abs=0.02)


def test_projection_adds_the_inner_product_of_embedding_and_features():
    head, h, y = Head(5, 2, classes=3), torch.randn(4, 5), torch.tensor([0, 2, 1, 2])
    out, expected = head(h, y), head.linear(h)
    torch.testing.assert_close(out[:, 0], expected[:, 0] + (head.embedding.weight.T[y] * h).sum(1))
    torch.testing.assert_close(out[:, 1], expected[:, 1])


def test_deviation_over_the_minibatch_is_zero_for_equal_images_and_grows_with_their_differences():
    layer, x = MinibatchDeviation(), torch.randn(1, 2, 4, 4)
    assert layer(x.expand(5, -1, -1, -1))[:, 2].max() < 2e-4
    spread = torch.randn(2_000, 2, 4, 4)
    torch.testing.assert_close(layer(3 * spread)[:, 2], torch.full((2_000, 4, 4), 3.0), atol=0.05, rtol=0)


# Noise ----------------------------------------------------------------------------------------------------------------


def draws(n: int, **settings: object) -> Tensor:
    return Prior(**settings).draw(n, torch.device("cpu"))


@pytest.mark.parametrize("noise", ["gaussian", "uniform", "mixture", "discrete"])
@pytest.mark.parametrize("components", [2, 3, 5])
def test_every_prior_has_independent_dimensions_of_mean_0_and_variance_1(noise, components):
    z = draws(100_000, noise=noise, noise_dim=3, noise_components=components).double()
    torch.testing.assert_close(z.mean(0), torch.zeros(3).double(), atol=0.015, rtol=0)
    torch.testing.assert_close(z.T.cov(), torch.eye(3).double(), atol=0.02, rtol=0)


@pytest.mark.parametrize(("noise", "fourth"), [("gaussian", 3.0), ("uniform", 1.8), ("discrete", 1.0)])
def test_fourth_moments_tell_priors_apart(noise, fourth):
    assert float(draws(200_000, noise=noise, noise_dim=1).pow(4).mean()) == pytest.approx(fourth, abs=0.05)


def test_discrete_noise_takes_evenly_spaced_values_equally_often():
    values, counts = draws(30_000, noise="discrete", noise_dim=1, noise_components=3).unique(return_counts=True)
    torch.testing.assert_close(values, 1.5**0.5 * torch.tensor([-1.0, 0.0, 1.0]))
    assert (counts / 30_000 - 1 / 3).abs().max() < 0.012


def test_a_mixture_is_of_narrow_gaussians_around_discrete_noise():
    z = draws(50_000, noise="mixture", noise_dim=1)[:, 0].double()
    std = (1 / 4 + 1 / 64) ** -0.5 / 8  # an eighth of the distance of the centers
    upper = z[z > 0]
    assert len(upper) / len(z) == pytest.approx(0.5, abs=0.01)
    assert float(upper.mean()) == pytest.approx(4 * std, abs=0.01)
    assert float(upper.std()) == pytest.approx(std, rel=0.02)


def test_gaussian_and_uniform_codes_are_drawn_as_ever():
    with seeded(7):
        expected = torch.randn(5, 3), (torch.rand(5, 3) - 0.5) * 12**0.5
    with seeded(7):
        found = [draws(5, noise=noise, noise_dim=3) for noise in ("gaussian", "uniform")]
    assert all(map(torch.equal, found, expected))


@pytest.mark.parametrize("rules", [{"noise_dim": 0}, {"noise_components": 1}])
def test_priors_without_noise_are_refused(rules):
    with pytest.raises(ValueError, match=r"came; at least \d is expected. Raise it."):
        Prior(**rules)


# The game -------------------------------------------------------------------------------------------------------------


class Seen(Net):
    """Remembers what it is shown."""

    def __init__(self, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.norm, self.linear, self.shown = norm or nn.Identity(), nn.Linear(2, 1), []

    def forward(self, x: Tensor) -> Tensor:
        self.shown.append(x.detach().clone())
        return self.linear(self.norm(x))


def game(rules: GANSettings, norm: nn.Module | None = None) -> SamplingGAN:
    generator = Seen()
    generator.linear = nn.Linear(2, 2)
    return SamplingGAN(Spec((2,), "real"), generator, Seen(norm), Prior(noise_dim=2), rules)


@pytest.mark.parametrize(("norm", "passes"), [(None, [8, 4]), (nn.BatchNorm1d(2), [4, 4, 4])])
def test_data_and_samples_share_a_pass_unless_it_would_mix_them(norm, passes):
    model = game(GANSettings(), norm)
    list(model.updates(lambda: Batch(torch.randn(4, 2)), CLOCK))
    assert [len(x) for x in model.discriminator.shown] == passes


LR = 0.1


def moved(model: SamplingGAN, real: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights before and after one step of the engine with SGD."""
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    stepper = Stepper(model, Train(optimizer="sgd", lr=LR, momentum=0.0, device="cpu"), Processes())
    stepper.step([lambda: Batch(real)], CLOCK)
    return before, {name: p.detach() for name, p in model.named_parameters()}


def test_simultaneous_players_move_by_the_gradients_at_the_old_weights_of_both():
    model, real = game(GANSettings(simultaneous=True, resample_noise=False)), torch.randn(4, 2)
    objective = OBJECTIVES["non-saturating"]
    with seeded(mix(0, 0, 0)):  # the engine's stream of the first step
        fake = model.generate(Batch(real)).x
    losses = {
        "discriminator": objective.discriminator(model.discriminator(real), model.discriminator(fake.detach())),
        "generator": objective.generator(model.discriminator(fake)),
    }
    parameters = [(f"{part}.{name}", p, losses[part]) for part in losses
                  for name, p in model.get_submodule(part).named_parameters()]  # fmt: skip
    gradients = {name: torch.autograd.grad(loss, p, retain_graph=True)[0] for name, p, loss in parameters}
    before, after = moved(model, real)
    for name, gradient in gradients.items():
        torch.testing.assert_close(after[name], before[name] - LR * gradient)


def test_players_in_turn_move_elsewhere_than_simultaneous_ones():
    real, found = torch.randn(4, 2), []
    for simultaneous in (False, True):
        with seeded(1):
            model = game(GANSettings(simultaneous=simultaneous, resample_noise=False))
        found.append(moved(model, real)[1])
    alternating, at_once = found
    for name in alternating:
        same = torch.equal(alternating[name], at_once[name])
        assert same if name.startswith("discriminator") else not same, name


@pytest.mark.parametrize(
    ("rules", "parts"),
    [
        ({"generator_steps": 3}, ["d", "g", "g", "g"]),
        ({"discriminator_steps": 2, "generator_steps": 2}, ["d", "d", "g", "g"]),
        ({"simultaneous": True}, ["dg"]),
        ({"simultaneous": True, "discriminator_steps": 2, "generator_steps": 3}, ["d", "dg", "g", "g"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("resample", [True, False])
def test_players_take_as_many_steps_as_they_are_given_on_fresh_minibatches(rules, parts, resample):
    model, seen = game(GANSettings(**rules, resample_noise=resample)), []
    updates = model.updates(lambda: seen.append(0) or Batch(torch.randn(4, 2)), CLOCK)
    assert ["".join(part[0] for part in update.parts) for update in updates] == parts
    assert len(seen) == sum(map(len, parts)) - 1  # the first of the generator shares the last of the discriminator


def test_moves_at_once_log_what_moves_in_turn_log():
    logged = []
    for simultaneous in (False, True):
        updates = game(GANSettings(simultaneous=simultaneous)).updates(lambda: Batch(torch.randn(4, 2)), CLOCK)
        logged.append({name for update in updates for name in update.logs})
    assert logged[0] == logged[1] >= {"discriminator/loss", "generator/loss"}


@pytest.mark.parametrize(("step", "weight"), [(0, 3 * 5.0), (1, 0.0), (3, 3 * 5.0)])
def test_a_lazy_penalty_weighs_as_many_times_as_it_is_rare(step, weight):
    model = game(GANSettings(objective="wasserstein", penalty="r1", penalty_weight=5.0, penalty_every=3))
    model.discriminator.linear.weight.data = torch.tensor([[3.0, 4.0]])
    plain = game_like(model)
    update, base = (next(m.updates(lambda: Batch(torch.zeros(4, 2)), Clock(step, 10))) for m in (model, plain))
    assert (update.loss - base.loss).item() == pytest.approx(weight * 12.5, rel=1e-4)


def game_like(model: SamplingGAN) -> SamplingGAN:
    """The same players without a penalty; both get codes of zeros."""
    twin = game(GANSettings(objective="wasserstein"))
    twin.load_state_dict(model.state_dict())
    for player in (twin, model):
        player.prior = lambda n, y=None: torch.zeros(n, 2)
    return twin


@pytest.mark.parametrize("name", ["gradient", "dragan", "r1", "r2"])
def test_slopes_at_images_are_per_unit_of_what_nets_see(name):
    """Papers give images in [-1, 1]: the penalty is that of the critic as a function of u = 2x - 1."""
    nets = ConvPlayers(width=4, discriminator_width=4, discriminator_norm="none")
    model = flat(DCGAN, Spec((1, 8, 8)), nets, noise_dim=3, settings=GANSettings(penalty=name, penalty_weight=3.0))
    x = torch.rand(2, 4, 1, 8, 8)
    fake = Fake(x[1], torch.zeros(4, 3), None)
    with seeded(1):
        found = model.gradient_penalty(x[0], fake, CLOCK)["penalty"]
    with seeded(1):
        expected = 3 * PENALTIES[name](lambda u: model.discriminator_outputs((u + 1) / 2), 2 * x[0] - 1, 2 * x[1] - 1)
    torch.testing.assert_close(found, expected)


def test_rules_that_make_no_sense_are_refused():
    for rules in (
        {"discriminator_steps": 0},
        {"generator_steps": 0},
        {"instance_noise": -1.0},
        {"penalty_every": 0},
        {"instance_noise": math.nan},
    ):
        with pytest.raises(ValueError, match="expected"):
            GANSettings(**rules)


def test_images_are_augmented_in_training_only():
    model, x = flat(DCGAN, LABELLED, **TINY, settings=GANSettings(augment=("cutout",))), torch.ones(4, 1, 8, 8)
    seen: list[Tensor] = []
    model.discriminator.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    model.discriminator_outputs(x)
    model.eval().discriminator_outputs(x)
    assert float(seen[0].min()) == 0.5
    assert torch.equal(seen[1], x)


# Conditions and codes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", ["projection", "concatenate"])
def test_both_players_of_a_conditional_game_heed_the_label(condition):
    model = flat(CGAN, LABELLED, condition=condition, **TINY).eval()
    x, zero, one = torch.rand(3, 1, 8, 8), torch.zeros(3).long(), torch.ones(3).long()
    assert not torch.allclose(model.discriminator_outputs(x, zero), model.discriminator_outputs(x, one))
    with seeded(1):
        a = model.sample(3, zero)
    with seeded(1):
        b = model.sample(3, one)
    assert not torch.allclose(a, b)


def test_a_conditional_game_judges_samples_with_the_labels_of_the_data():
    model, seen = flat(CGAN, LABELLED, **TINY), []
    judge = model.discriminator_outputs
    model.discriminator_outputs = lambda x, y: (seen.append(y), judge(x, y))[1]
    real = batch()
    list(model.updates(lambda: real, CLOCK))
    assert all(torch.equal(part, real.y) for y in seen for part in y.split(6))
    assert torch.equal(model.generate(real).z[:, 3:].argmax(1), real.y)


@pytest.mark.parametrize("y", [torch.tensor([0.0, 1.0]), torch.tensor([0]), torch.tensor([0, 10])])
def test_labels_that_do_not_fit_are_refused(y):
    with pytest.raises(ValueError, match="expected"):
        flat(CGAN, LABELLED, **TINY).sample(2, y)


def test_a_conditional_game_needs_labels():
    with pytest.raises(ValueError, match="labels"):
        flat(CGAN, Spec((1, 8, 8)), **TINY)


def test_the_auxiliary_classifier_learns_from_both_and_is_not_told_the_label():
    model, real = flat(ACGAN, LABELLED, **TINY), batch()
    logits = torch.randn(6, 11)
    fake = model.generate(real)
    on_fake = model.generator_losses(real, fake, logits)["class"]
    both = model.discriminator_losses(real, fake, logits, -logits)["class"]
    expected = [-(sign * logits[:, 1:]).log_softmax(1)[torch.arange(6), real.y].mean() for sign in (1, -1)]
    torch.testing.assert_close(on_fake, expected[0])
    torch.testing.assert_close(both, (expected[0] + expected[1]) / 2)
    assert torch.equal(
        model.eval().discriminator_outputs(real.x, real.y), model.discriminator_outputs(real.x, (real.y + 1) % 10)
    )


def test_infogan_codes_are_noise_then_a_category_then_continuous_codes():
    z = flat(InfoGAN, LABELLED, categories=4, continuous=2, **TINY).prior(4_000)
    noise, category, c = z.split([3, 4, 2], 1)
    assert noise.std() == pytest.approx(1.0, abs=0.05)
    assert bool((category.sum(1) == 1).all())
    torch.testing.assert_close(category.mean(0), torch.full((4,), 0.25), atol=0.03, rtol=0)
    assert float(c.abs().max()) <= 1
    assert c.var() == pytest.approx(1 / 3, abs=0.02)


def test_infogan_samples_the_category_it_is_asked_for():
    model, y = (
        flat(InfoGAN, Spec((1, 8, 8)), categories=4, nets=ConvPlayers(**SIZES), noise_dim=3).eval(),
        torch.arange(4),
    )
    assert torch.equal(model.prior(4, y)[:, 3:7].argmax(1), y)
    with seeded(1):
        sampled = model.sample(4, y)
    with seeded(1):
        torch.testing.assert_close(sampled, model.decode(model.prior(4, y)))
    with pytest.raises(ValueError, match="labels 0 to 4 came; 0 to 3 are expected"):
        model.sample(2, torch.tensor([0, 4]))
    with pytest.raises(ValueError, match="samples without labels"):
        flat(DCGAN, LABELLED, ConvPlayers(**SIZES), noise_dim=3).sample(4, y)


def test_infogan_descends_the_code_length_of_what_it_was_told():
    model = flat(InfoGAN, LABELLED, categories=4, continuous=1, **TINY)
    fake = model.generate(batch())
    outputs = torch.cat([torch.zeros(6, 1), 50 * fake.z[:, 3:7], fake.z[:, 7:]], 1)
    read = model.generator_losses(batch(), fake, outputs)
    assert float(read["category"]) == pytest.approx(0.0, abs=1e-6)
    assert float(read["continuous"]) == 0.0
    unread = model.generator_losses(batch(), fake, torch.zeros(6, 6))
    assert float(unread["category"]) == pytest.approx(math.log(4))


def test_a_discriminator_shows_what_its_output_is_linear_in():
    net, x = ConvDiscriminator(LABELLED, 4, outputs=3).eval(), torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(net(x), net.head.linear(net.features(x)))


@pytest.mark.parametrize("condition", ["projection", "concatenate"])
def test_a_conditional_discriminator_does_not_judge_without_labels(condition):
    with pytest.raises(ValueError, match="no labels came"):
        flat(CGAN, LABELLED, condition=condition, **TINY).eval().discriminator_outputs(torch.rand(2, 1, 8, 8))


def test_the_ends_of_residual_nets_have_a_gain_of_one():
    last = flat(SNGAN, Spec((3, 8, 8)), width=32, discriminator_width=4).generator.last
    bound = (6 / (9 * (32 + 3))) ** 0.5
    assert float(last.weight.detach().abs().max()) == pytest.approx(bound, rel=0.02)


# Smoothing, clipping, features ----------------------------------------------------------------------------------------


def test_smoothing_is_cross_entropy_with_softer_targets():
    real, fake, share = torch.randn(50, 1), torch.randn(50, 1), 0.1
    soft = bernoulli(real, torch.full_like(real, 1 - share)) + bernoulli(fake, torch.zeros_like(fake))
    ours = OBJECTIVES["non-saturating"].discriminator(real, fake) + label_smoothing(real, share)
    torch.testing.assert_close(ours, 0.5 * soft)


def test_smoothing_is_refused_where_the_discriminator_gives_no_probabilities():
    with pytest.raises(ValueError, match=r"label_smoothing=0\.1 came with objective hinge"):
        GANSettings(objective="hinge", label_smoothing=0.1)


def test_clipping_keeps_the_weights_of_the_discriminator_in_a_box():
    model = flat(WGANGP, LABELLED, noise_dim=3, settings=GANSettings(objective="wasserstein", weight_clip=0.01))
    updates = model.updates(batch, CLOCK)
    next(updates), next(updates)  # the engine would step in between
    assert max(float(p.detach().abs().max()) for p in model.discriminator.parameters()) <= 0.01 + 1e-9
    assert max(float(p.detach().abs().max()) for p in model.generator.parameters()) > 0.01


def test_a_relativistic_generator_is_drawn_towards_the_data_beside_it():
    model = flat(R3GAN, Spec((2,), "real"), noise_dim=3, settings=GANSettings(objective="relativistic"))
    real = Batch(torch.randn(5, 2))
    updates = model.updates(lambda: real, CLOCK)
    next(updates)
    with seeded(1):
        update = next(updates)
    with seeded(1):
        fake = model.generator(model.prior(len(real.x)))
    with torch.no_grad():
        on_real = model.discriminator(real.x)
    expected = -(model.discriminator(fake) - on_real).sigmoid().log().mean()
    torch.testing.assert_close(update.loss, expected)
    update.loss.backward()
    assert all(p.grad is None for p in model.discriminator.parameters())


def test_a_residual_block_without_norms_begins_as_the_identity():
    x = torch.randn(2, 8, 5, 5)
    torch.testing.assert_close(PlainBlock(8, 4)(x), x)


@pytest.mark.parametrize("side", [28, 32])
def test_nets_without_norms_begin_at_the_scale_of_what_comes(side):
    model = flat(R3GAN, Spec((1, side, side)), width=16, discriminator_width=16, noise_dim=32)
    logits = model.generator(torch.randn(64, 32)).logit().detach()
    assert 0.2 < float(logits.std()) < 3
    noise = 0.5 + 0.5 * torch.randn(64, 1, side, side)  # of mean square 1, once it is in [-1, 1]
    assert 0.2 < float(model.discriminator(noise).detach().std()) < 3


def test_feature_matching_moves_the_generator_by_the_mean_features():
    nets = ConvPlayers(**SIZES, discriminator_norm="none")
    model = flat(
        DCGAN, LABELLED, nets, noise_dim=3, settings=GANSettings(objective="feature-matching", resample_noise=False)
    )
    real = batch()
    updates = model.updates(lambda: real, CLOCK)
    with seeded(1):
        next(updates)
        loss = next(updates).loss
    with seeded(1):
        fake = model.generator(model.prior(len(real.x)))
    wanted, found = (model.discriminator.features(x).mean(0) for x in (real.x, fake))
    torch.testing.assert_close(loss, (wanted - found).square().sum())


def test_features_that_know_no_label_are_not_matched_by_a_model_of_labels():
    """Under projection the label meets the output alone: the generator would never be asked for the class."""
    rules = GANSettings(objective="feature-matching")
    with pytest.raises(ValueError, match="condition projection"):
        flat(CGAN, LABELLED, "projection", settings=rules)
    model, real = flat(CGAN, LABELLED, "concatenate", settings=rules, **TINY), batch()
    same = model.generate(real)
    other = same._replace(y=(same.y + 1) % 10)
    wrong, right = (
        float(model.generator_update(real._replace(y=same.y), fake).loss.detach()) for fake in (other, same)
    )
    assert wrong != right


def test_minibatch_discrimination_counts_how_near_the_others_are():
    layer, h = MinibatchDiscrimination(4, kernels=3, size=2), torch.randn(5, 4)
    out = layer(h)
    m = (h @ layer.linear.weight.T).view(5, 3, 2)
    for i in range(5):
        near = sum(torch.exp(-(m[i] - m[j]).abs().sum(1)) for j in range(5) if j != i)
        torch.testing.assert_close(out[i], torch.cat([h[i], near]))


def test_minibatch_discrimination_tells_a_collapsed_minibatch():
    layer, one = MinibatchDiscrimination(4, kernels=3), torch.randn(1, 4)
    same, various = layer(one.expand(8, 4))[:, 4:], layer(torch.randn(8, 4))[:, 4:]
    torch.testing.assert_close(same, torch.full((8, 3), 7.0))
    assert bool((various < same).all())


# Few labels -----------------------------------------------------------------------------------------------------------


def test_few_labels_are_as_many_of_each_class_and_the_seeds_own():
    data = Batch(torch.rand(200, 1, 8, 8), torch.arange(200) % 10)
    models = [flat(SemiSupervisedGAN, LABELLED, num_labelled=20, **TINY) for _ in range(3)]
    for model, seed in zip(models, (0, 0, 1), strict=True):
        with seeded(seed):
            model.initialize(data)
        assert torch.bincount(model.labelled_y).tolist() == [2] * 10
        for x, y in zip(model.labelled_x, model.labelled_y, strict=True):
            assert any(torch.equal(x, some) for some in data.x[data.y == y])
    assert torch.equal(models[0].labelled_x, models[1].labelled_x)
    assert not torch.equal(models[0].labelled_x, models[2].labelled_x)


def test_data_with_too_few_labels_are_refused():
    model = flat(SemiSupervisedGAN, LABELLED, num_labelled=100, **TINY)
    with pytest.raises(ValueError, match="a class with 5 training examples came"):
        model.initialize(Batch(torch.rand(50, 1, 8, 8), torch.arange(50) % 10))


def test_samples_are_a_class_whose_output_is_fixed_at_zero():
    model, x = flat(SemiSupervisedGAN, LABELLED, num_labelled=20, **TINY).eval(), torch.rand(6, 1, 8, 8)
    with torch.no_grad():
        outputs = torch.cat([model.discriminator(x), torch.zeros(6, 1)], 1).softmax(1)
        torch.testing.assert_close(model.discriminator_outputs(x)[:, 0].sigmoid(), 1 - outputs[:, 10])
        torch.testing.assert_close(model.classify(x).exp(), outputs[:, :10] / outputs[:, :10].sum(1, keepdim=True))


def test_a_classifier_alone_learns_from_the_labelled_examples():
    model = flat(SemiSupervisedGAN, LABELLED, num_labelled=20, adversarial=False, **TINY)
    updates = [*model.updates(batch, CLOCK)]
    assert [update.parts for update in updates] == [("discriminator",)]
    assert float(updates[0].loss.detach()) == pytest.approx(math.log(10), rel=0.02)  # it knows nothing yet
    updates[0].loss.backward()
    assert all(p.grad is None for p in model.generator.parameters())


def test_a_classifier_of_few_labels_tells_classes_of_two_views():
    model, x = flat(SemiSupervisedGAN, LABELLED, num_labelled=20, iic_weight=3.0, **TINY), torch.rand(6, 1, 8, 8)
    model.labelled_y.fill_(3)
    on_x, on_views = torch.randn(6, 11), torch.randn(12, 11)  # of labelled images first
    model.discriminator_outputs = lambda seen, y=None: on_views if len(seen) == 12 else on_x  # type: ignore[method-assign]
    for known in (on_x, None):
        losses = model.classifier_losses(x, known)
        one, other = on_x[:, 1:].softmax(1), on_views[6:, 1:].softmax(1)
        torch.testing.assert_close(losses["views"], 3 * iic_loss(one, other))
        torch.testing.assert_close(losses["class"], -on_views[:6, 1:].log_softmax(1)[:, 3].mean())


def test_infogan_tells_categories_of_two_views_of_data():
    model = flat(InfoGAN, LABELLED, categories=4, continuous=1, iic_weight=2.0, **TINY)  # views do not differ
    real, fake = batch(), model.generate(batch())
    outputs = torch.randn(6, 6)
    model.discriminator_outputs = lambda x, y=None: 2 * outputs  # type: ignore[method-assign]
    found = model.discriminator_losses(real, fake, outputs, torch.zeros(6, 6))["views"]
    one, other = (out[:, 1:5].softmax(1) for out in (outputs, 2 * outputs))
    torch.testing.assert_close(found, 2 * iic_loss(one, other))
    assert "views" not in model.generator_losses(real, fake, torch.zeros(6, 6))


@pytest.mark.parametrize("model", [InfoGAN, SemiSupervisedGAN])
def test_a_negative_weight_of_views_is_refused(model):
    with pytest.raises(ValueError, match="iic_weight=-1"):
        flat(model, LABELLED, iic_weight=-1.0)


def test_without_views_only_labels_are_learnt_from():
    model = flat(SemiSupervisedGAN, LABELLED, num_labelled=20, **TINY)
    assert {*model.classifier_losses(torch.rand(4, 1, 8, 8))} == {"class"}


def test_masks_are_moved_with_their_images_where_features_are_matched():
    rules = GANSettings(objective="feature-matching", augment=("translation",))
    model, x = flat(InpaintingGAN, Spec((1, 8, 8)), nets=ConvPlayers(**SIZES), settings=rules), torch.rand(32, 1, 8, 8)
    moved, mask = model.augmented(x, (x > 0.5).float())
    assert torch.equal(mask, (moved > 0.5).float())  # nothing is known of what is filled in
    assert not torch.equal(moved, x)
