"""Autoencoders against closed forms: principal components, posterior means, Jacobians, chains with a known end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Normal

from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Train
from counterfeit.core import Batch, Clock, Draw, Spec
from counterfeit.corruption import CORRUPTIONS, Corruption, corrupt
from counterfeit.engine.distributed import Processes
from counterfeit.engine.step import Stepper
from counterfeit.metrics.representation.code_distance import two_samples
from counterfeit.metrics.representation.principal_components import pca
from counterfeit.models.autoencoding.aae import AAE
from counterfeit.models.autoencoding.autoencoder import Autoencoder
from counterfeit.models.autoencoding.clustering_aae import ClusteringAAE
from counterfeit.models.autoencoding.contractive_autoencoder import ContractiveAutoencoder
from counterfeit.models.autoencoding.denoising_autoencoder import DenoisingAutoencoder
from counterfeit.models.autoencoding.semi_supervised_aae import SemiSupervisedAAE
from counterfeit.models.autoencoding.shared.code_model import like_rows
from counterfeit.models.autoencoding.shared.priors import CodePrior
from counterfeit.models.autoencoding.shared.reconstruction import reconstruction
from flat import flat

CLOCK = Clock(0, 10)
IMAGES, BITS, REAL = Spec((1, 4, 4)), Spec((1, 2, 3), "binary"), Spec((4,), "real")


@pytest.fixture(autouse=True)
def same_numbers() -> Iterator[None]:
    with seeded(0):
        yield


def always(x: Tensor) -> Draw:
    return lambda: Batch(x)


def descend(model, draw: Draw, steps: int, **settings) -> None:
    stepper = Stepper(model, Train(**{"steps": steps, "schedule": "cosine"} | settings), Processes())
    for step in range(steps):
        stepper.step([draw], Clock(step, steps))
    model.requires_grad_(False).eval()


# Errors and codes -----------------------------------------------------------------------------------------------------


def test_errors_are_log_densities_up_to_a_constant():
    raw, x = torch.randn(5, 4, 1), torch.randn(5, 4)
    density = Normal(raw.squeeze(-1), 1).log_prob(x).sum(1)
    constant = Normal(0, 1).log_prob(torch.tensor(0.0)) * 4
    assert torch.allclose(reconstruction(REAL).loss(x, raw), constant - density, atol=1e-5)
    raw, bits = torch.randn(5, *BITS.shape, 1), torch.rand(5, *BITS.shape).round()
    probability = Bernoulli(logits=raw.squeeze(-1)).log_prob(bits).flatten(1).sum(1)
    assert torch.allclose(reconstruction(BITS).loss(bits, raw), -probability, atol=1e-5)


def test_cross_entropy_of_gray_values_is_least_at_the_values_themselves():
    x = torch.rand(3, *IMAGES.shape) * 0.8 + 0.1
    raw = x.logit().unsqueeze(-1).requires_grad_()
    loss = reconstruction(IMAGES).loss(x, raw)
    assert torch.allclose(loss, Bernoulli(x).entropy().flatten(1).sum(1), atol=1e-5)
    (slope,) = torch.autograd.grad(loss.sum(), raw)
    assert float(slope.abs().max()) < 1e-6


def test_cross_entropy_of_real_values_is_refused():
    with pytest.raises(ValueError, match="squared is expected"):
        Autoencoder(REAL, error="cross-entropy")


def test_draws_like_rows_have_their_mean_and_covariance():
    rows = torch.randn(7, 3) @ torch.randn(3, 3) + 5
    drawn = like_rows(rows, 200_000)
    assert torch.allclose(drawn.mean(0), rows.mean(0), atol=0.05)
    assert torch.allclose(drawn.T.cov(), rows.T.cov(), atol=0.05 * float(rows.T.cov().max()))
    assert torch.allclose(like_rows(rows[:1], 4), rows[:1].expand(4, -1))


# The autoencoder ------------------------------------------------------------------------------------------------------


def test_a_linear_autoencoder_finds_the_principal_subspace():
    x = torch.randn(400, 4) @ torch.diag(torch.tensor([3.0, 2.0, 1.0, 0.5])) @ torch.linalg.qr(torch.randn(4, 4))[0]
    model = flat(Autoencoder, REAL, latent_dim=2, hidden=())
    descend(model, always(x), 600, lr=0.03)
    best = (pca(x, 2).reconstruct(x) - x).square().mean()
    found = model.decode(model.encode(x))
    assert float((found - x).square().mean()) == pytest.approx(float(best), rel=1e-3)  # no less is possible
    assert torch.allclose(found, pca(x, 2).reconstruct(x), atol=0.05)


def test_the_loss_is_the_mean_error_of_reconstructions():
    model, x = flat(Autoencoder, BITS, latent_dim=2, hidden=(8,)), torch.rand(6, *BITS.shape).round()
    (update,) = model.updates(always(x), CLOCK)
    with torch.no_grad():
        expected = -Bernoulli(model.decode(model.encode(x))).log_prob(x).flatten(1).sum(1).mean()
    assert float(update.loss.detach()) == pytest.approx(float(expected), rel=1e-5)


def test_codes_are_drawn_where_those_of_training_examples_lie():
    model, x = flat(Autoencoder, REAL, latent_dim=3, hidden=(8,)), torch.randn(50, 4) * 3 + 1
    model.initialize(Batch(x))
    with torch.no_grad():
        z, drawn = model.encode(x), model.prior(100_000)
    assert torch.allclose(drawn.mean(0), z.mean(0), atol=0.02)
    assert torch.allclose(drawn.T.cov(), z.T.cov(correction=0), atol=0.02)


@pytest.mark.parametrize("n", [1, 3, 1_000, 2_345])
def test_few_training_examples_are_all_kept_and_many_evenly(n):
    model, x = flat(Autoencoder, REAL, latent_dim=1, hidden=()), torch.arange(float(n))[:, None].expand(n, 4)
    model.initialize(Batch(x))
    kept = model.examples[:, 0]
    assert len(kept.unique()) == min(n, 1_000)
    assert float(kept.mean()) == pytest.approx((n - 1) / 2, abs=max(1.0, n / 1_000))


def test_sampled_bits_have_decoded_means():
    model = flat(Autoencoder, BITS, latent_dim=2, hidden=(8,))
    model.initialize(Batch(torch.ones(1, *BITS.shape)))  # one code
    with torch.no_grad():
        mean = model.decode(model.prior(1))[0]
        assert torch.allclose(model.sample(20_000).mean(0), mean, atol=0.02)


# Optimizers -----------------------------------------------------------------------------------------------------------


def test_the_first_step_of_adadelta_is_that_of_its_paper():
    model = flat(Autoencoder, REAL, latent_dim=1, hidden=())
    x, before = torch.randn(5, 4), [p.detach().clone() for p in model.parameters()]
    (update,) = model.updates(always(x), CLOCK)
    slopes = torch.autograd.grad(update.loss, [*model.parameters()])
    Stepper(model, Train(optimizer="adadelta", lr=1.0), Processes()).step([always(x)], CLOCK)
    for p, start, g in zip(model.parameters(), before, slopes, strict=True):
        expected = -g * (1e-6 / (0.1 * g.square() + 1e-6)).sqrt()  # Zeiler, 2012, algorithm 1, with decay 0.9
        assert torch.allclose(p - start, expected, atol=1e-6)


# Contractive autoencoders ---------------------------------------------------------------------------------------------


def stacked(**arguments) -> ContractiveAutoencoder:
    return flat(ContractiveAutoencoder, IMAGES, **{"hidden": (6, 5)} | arguments).requires_grad_(False)


def jacobians(model: ContractiveAutoencoder, x: Tensor) -> Tensor:
    """Of codes in examples, by autograd: (B, hidden, *shape)."""
    return torch.stack([torch.autograd.functional.jacobian(lambda one: model.encode(one[None])[0], row) for row in x])


def test_contraction_is_the_squared_norm_of_the_jacobian():
    model, x = stacked(hidden=(6,)), torch.rand(5, *IMAGES.shape)
    expected = jacobians(model, x).flatten(1).square().sum(1)
    assert torch.allclose(model.layers[0].contraction(model.encode(x)), expected, rtol=1e-4)


def test_each_layer_is_contracted_in_its_own_inputs():
    model, x = stacked(contraction=2.0), torch.rand(5, *IMAGES.shape)
    below = model.layers[0](x.flatten(1))
    slopes = torch.autograd.functional.jacobian(lambda h: model.layers[1](h).sum(0), below)  # (hidden, B, inputs)
    (update,) = model.requires_grad_().updates(always(x), Clock(9, 10))
    expected = 2.0 * slopes.square().sum((0, 2)).mean()
    assert float(update.logs["layers.1/contraction"]) == pytest.approx(float(expected), rel=1e-4)


def test_layers_are_trained_one_after_the_other():
    model, x = stacked(hidden=(6, 5, 4)).requires_grad_(), torch.rand(5, *IMAGES.shape)
    stages = []
    for step in range(9):
        (update,) = model.updates(always(x), Clock(step, 9))
        model.zero_grad()
        update.loss.backward()
        reached = {name.split(".")[1] for name, p in model.named_parameters() if p.grad is not None}
        assert {f"layers.{which}" for which in reached} == {*update.parts}
        stages += update.parts
    assert stages == [f"layers.{which}" for which in (0, 0, 0, 1, 1, 1, 2, 2, 2)]


def test_steps_go_along_the_tangents_that_the_jacobian_spans():
    model, x, v = stacked(), torch.rand(4, *IMAGES.shape), torch.randn(4, 5)
    j = jacobians(model, x).flatten(2)
    expected = torch.einsum("bhd,bkd,bk->bh", j, j, v)
    assert torch.allclose(model.along_tangents(model._codes(x), v), expected, atol=1e-6)


def test_a_chain_without_noise_rebuilds_again_and_again():
    model, x = stacked(chain_scale=0.0), torch.rand(4, *IMAGES.shape)
    assert torch.allclose(model.walk(x), model.encode(x))


def test_a_stack_decodes_from_the_top_down():
    model, z = stacked(), torch.rand(3, 5)
    first, second = model.layers
    middle = (z @ second.weight + second.visible_bias).sigmoid()
    expected = (middle @ first.weight + first.visible_bias).sigmoid().view(-1, *IMAGES.shape)
    assert torch.allclose(model.decode(z), expected, atol=1e-6)


@pytest.mark.parametrize(("contraction", "ratio"), [(0.0, (0.5, 2.0)), (0.5, (0.0, 0.05))])
def test_contraction_lets_codes_hold_still_across_the_data(contraction, ratio):
    x = torch.zeros(256, 2)
    x[:, 0] = torch.linspace(-2, 2, 256)  # a line
    model = flat(ContractiveAutoencoder, Spec((2,), "real"), hidden=(8,), contraction=contraction)
    descend(model, always(x), 600, lr=0.1)
    along, across = jacobians(model, x[::32]).square().sum(1).mean(0)
    assert ratio[0] < float(across / along) < ratio[1]


@pytest.mark.parametrize("wrong", [{"hidden": ()}, {"hidden": (3, 0)}, {"contraction": -1.0}, {"sampling_steps": -1}])
def test_stacks_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="are expected"):
        stacked(**wrong)


# Denoising autoencoders -----------------------------------------------------------------------------------------------


def test_corruptions_change_as_much_as_they_say():
    x = torch.full((1, 100_000), 0.4)
    gaussian = corrupt(x, Spec((100_000,), "real"), "gaussian", 0.3) - x
    assert float(gaussian.mean()) == pytest.approx(0, abs=0.005)
    assert float(gaussian.std()) == pytest.approx(0.3, abs=0.005)
    masked = corrupt(x, Spec((100_000,)), "masking", 0.3)
    assert float((masked == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    peppered = corrupt(x, Spec((100_000,)), "salt-and-pepper", 0.3)
    shares = [float((peppered == value).float().mean()) for value in (0.0, 1.0, x[0, 0])]
    assert shares == pytest.approx([0.15, 0.15, 0.7], abs=0.01)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("spec", [IMAGES, BITS, REAL], ids=lambda spec: spec.kind)
def test_corrupted_data_stay_of_their_kind(name, spec):
    x = torch.rand(20, *spec.shape).round()
    if spec.kind in CORRUPTIONS[name].kinds:
        spec.check(corrupt(x, spec, name, 0.5), "it")
        assert torch.equal(corrupt(x, spec, name, 0.0), x)
    else:
        with pytest.raises(ValueError, match=r"one of .* is expected"):
            flat(DenoisingAutoencoder, spec, corruption=name)


@pytest.mark.parametrize(("name", "level"), [("masking", 1.5), ("salt-and-pepper", -0.1), ("gaussian", -1.0)])
def test_levels_that_are_none_are_refused(name, level):
    with pytest.raises(ValueError, match="is expected"):
        Corruption(name, level)


def gaussian_denoiser(scale: float, noise: float, **arguments) -> DenoisingAutoencoder:
    """One linear unit each way, on a Gaussian of that scale; its slope is 1 until it is trained or set."""
    model = flat(
        DenoisingAutoencoder, Spec((1,), "real"), latent_dim=1, hidden=(), corruption="gaussian", level=noise,
        **arguments,
    )  # fmt: skip
    for p in model.parameters():
        p.data.fill_(float(p.ndim > 1))
    model.initialize(Batch(scale * torch.randn(1_000, 1)))
    return model


def test_a_linear_denoiser_of_a_gaussian_learns_its_posterior_mean():
    model, scale, noise = gaussian_denoiser(2.0, 1.5), 2.0, 1.5
    descend(model, lambda: Batch(scale * torch.randn(500, 1)), 300, lr=0.05)
    slope = model.decode(model.encode(torch.tensor([[1.0], [0.0]])))
    assert float(slope[0] - slope[1]) == pytest.approx(scale**2 / (scale**2 + noise**2), abs=0.02)
    left = (scale * noise) ** 2 / (scale**2 + noise**2)  # variance of the posterior
    assert float(model.residual()) == pytest.approx(left**0.5, rel=0.1)


@pytest.mark.parametrize("start", [0.0, 10.0])
def test_chains_of_the_true_conditional_end_at_the_data(start):
    scale, noise = 2.0, 1.5
    model = gaussian_denoiser(scale, noise, sampling_steps=40).requires_grad_(False)
    model.decoder.last.weight.fill_(scale**2 / (scale**2 + noise**2))
    model.like_codes = lambda n: start * torch.randn(n, 1)  # wherever they begin
    x = model.sample(50_000)
    assert float(x.mean()) == pytest.approx(0, abs=0.1)
    assert float(x.std()) == pytest.approx(scale, rel=0.08)


def test_walking_back_once_is_the_denoising_of_2008():
    model, x = flat(DenoisingAutoencoder, BITS, latent_dim=3, hidden=(8,)), torch.rand(6, *BITS.shape).round()
    with seeded(1):
        (update,) = model.updates(always(x), CLOCK)
    with seeded(1), torch.no_grad():
        mean = model.rebuilt(x)
    expected = -Bernoulli(mean).log_prob(x).flatten(1).sum(1).mean()
    assert float(update.loss.detach()) == pytest.approx(float(expected), rel=1e-5)


def test_walking_back_asks_for_the_example_from_where_chains_stray():
    model, x = gaussian_denoiser(1.0, 0.0, walkback=3), torch.full((5, 1), 2.0)
    model.decoder.last.weight.data.fill_(0.5)  # without noise: 2 -> 1, then 1 or thereabouts -> 1/2
    (update,) = model.updates(always(x), CLOCK)
    assert float(update.logs["first"]) == pytest.approx(0.5)
    assert float(update.loss.detach()) > 0.5


# Adversarial autoencoders ---------------------------------------------------------------------------------------------

CPU = torch.device("cpu")


def aae(**arguments) -> AAE:
    small = {"latent_dim": 2, "hidden": (8,), "discriminator_hidden": (8,)}
    return flat(AAE, IMAGES, **small | arguments)


def test_a_mixture_has_ten_gaussians_around_the_middle():
    z = CodePrior("mixture", latent_dim=4).draw(100_000, CPU)
    for plane in z.split(2, 1):
        assert float(plane.mean(0).abs().max()) < 0.02
        # E r² = 1.4² + 0.5² + 0.1², evenly in every direction
        assert torch.allclose(plane.T.cov(), torch.eye(2) * (1.96 + 0.25 + 0.01) / 2, atol=0.03)
        angle = torch.atan2(plane[:, 1], plane[:, 0]) / (2 * torch.pi) * 10
        near = (angle - angle.round()).abs() < 0.25  # as far apart as two components would be 1
        assert float(near.float().mean()) > 0.9
        shares = torch.bincount(angle.round().long() % 10) / len(z)
        assert torch.allclose(shares, torch.full((10,), 0.1), atol=0.01)


def test_a_swiss_roll_is_as_dense_everywhere_along_its_spiral():
    z = CodePrior("swiss-roll", latent_dim=2).draw(50_000, CPU)
    radius = z.norm(dim=1)
    turned = torch.stack([(4 * torch.pi * radius / 3).cos(), (4 * torch.pi * radius / 3).sin()], 1) * radius[:, None]
    assert torch.allclose(z, turned, atol=1e-4)  # r = 3 θ / 4π
    assert torch.allclose(
        (radius / 3).square().quantile(torch.tensor([0.25, 0.5, 0.75])), torch.tensor([0.25, 0.5, 0.75]), atol=0.01
    )


def test_categories_are_one_hot_and_equally_likely():
    z = CodePrior(latent_dim=3, categories=4).draw(40_000, CPU)
    assert z.shape == (40_000, 7)
    assert torch.equal(z[:, 3:].sum(1), torch.ones(len(z)))
    assert torch.allclose(z[:, 3:].mean(0), torch.full((4,), 0.25), atol=0.01)


@pytest.mark.parametrize("wrong", [{"prior": "mixture", "latent_dim": 3}, {"latent_dim": 0}, {"categories": 1}])
def test_priors_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        CodePrior(**wrong)


def test_players_of_an_adversarial_autoencoder_descend_what_they_should():
    model, x = aae(reconstruction_weight=3.0), torch.rand(6, *IMAGES.shape)
    with torch.no_grad():
        z = model.encode(x)
    updates = model.updates(always(x), CLOCK)
    with seeded(3):
        told = next(updates)
    with seeded(3), torch.no_grad():
        real, fake = model.discriminator(model.prior(6)), model.discriminator(z)
    expected = -0.5 * (real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean())
    assert float(told.loss.detach()) == pytest.approx(float(expected), rel=1e-5)
    assert {*torch.autograd.grad(told.loss, [*model.generator.parameters()], allow_unused=True)} == {None}
    told = next(updates)
    with torch.no_grad():
        error = -Bernoulli(model.decode(z), validate_args=False).log_prob(x).mean()
    expected = -fake.sigmoid().log().mean() + 3 * error
    assert float(told.loss.detach()) == pytest.approx(float(expected), rel=1e-5)
    assert told.parts == ("generator", "decoder")


def test_style_and_category_are_judged_each_by_itself():
    model = aae(categories=3)
    z = model.prior(5)
    logits = model.discriminator(z)
    assert logits.shape == (5, 2)
    other = torch.cat([z[:, :2], z[:, 2:].flip(0) * 0.5], 1)
    moved = (model.discriminator(other) - logits).abs().amax(0)
    assert moved[0] == 0
    assert moved[1] > 0


def test_codes_are_brought_to_the_prior():
    def draw() -> Batch:
        return Batch(torch.rand(200, 1) * torch.tensor([1.0, -2.0]))  # evenly along a line

    model = flat(
        AAE, Spec((2,), "real"), latent_dim=1, hidden=(16,), discriminator_hidden=(16,), instance_noise=0.3
    )  # fmt: skip
    before = two_samples(model.encode(draw().x).detach(), model.prior(200))
    descend(model, draw, 500, lr=5e-3, betas=(0.5, 0.99))
    x = draw().x
    after = two_samples(model.encode(x), model.prior(200))
    assert before.p < 0.01
    assert after.value < before.value / 10
    assert float((model.decode(model.encode(x)) - x).square().mean()) < 0.02


def test_what_no_discriminator_of_codes_can_use_is_refused():
    with pytest.raises(ValueError, match="none is expected of codes"):
        aae(augment=("flip",))


def test_labels_of_the_chosen_examples_alone_reach_the_encoder():
    spec = Spec((4,), "real", classes=2)
    model = flat(SemiSupervisedAAE, spec, num_labelled=4, latent_dim=2, hidden=(8,), discriminator_hidden=(8,))
    x, y = torch.randn(20, 4), torch.arange(20) % 2
    model.initialize(Batch(x, y))
    assert torch.bincount(model.labelled_y).tolist() == [2, 2]
    for one, label in zip(model.labelled_x, model.labelled_y, strict=True):
        assert y[(x == one).all(1)].tolist() == [int(label)]
    model.labelled_x[:], model.labelled_y[:] = x[:1], 1  # one example, whose label is known to be 1
    *_, update = model.updates(lambda: Batch(x, 1 - y), CLOCK)
    with torch.no_grad():
        assert float(update.logs["generator/class"]) == pytest.approx(-float(model.classify(x[:1])[0, 1]), rel=1e-5)


def test_few_labels_name_clusters_of_data():
    def draw() -> Batch:
        y = torch.randint(2, (200,))
        return Batch(torch.randn(200, 2) * 0.3 + (2.0 * y - 1)[:, None], y)

    spec = Spec((2,), "real", classes=2)
    model = flat(SemiSupervisedAAE, spec, num_labelled=2, latent_dim=1, hidden=(16,), discriminator_hidden=(16,))
    model.initialize(draw())
    descend(model, draw, 200, lr=5e-3, betas=(0.5, 0.99))
    x, y = draw()
    assert float((model.classify(x).argmax(1) == y).float().mean()) > 0.95


def test_the_classes_of_the_data_are_the_categories_of_codes():
    spec = Spec((4,), "real", classes=3)
    model = flat(SemiSupervisedAAE, spec, latent_dim=2)
    assert model.structure() == (2, 3, 0)
    with pytest.raises(ValueError, match="as many are expected"):
        flat(SemiSupervisedAAE, spec, categories=5)
    with pytest.raises(ValueError, match="Choose data with classes"):
        SemiSupervisedAAE(REAL)


def test_data_are_sorted_by_the_part_of_codes_that_is_a_category():
    model, x = flat(ClusteringAAE, IMAGES, latent_dim=2, categories=3, hidden=(8,)), torch.rand(5, *IMAGES.shape)
    with torch.no_grad():
        assert torch.allclose(model.cluster(x).exp(), model.encode(x)[:, 2:], atol=1e-6)
    with pytest.raises(ValueError, match="at least 2"):
        flat(ClusteringAAE, IMAGES, categories=0)
