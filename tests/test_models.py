"""Models against the mathematics of their papers."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits as bernoulli

from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Train
from counterfeit.core import Batch, Clock, Draw, Spec
from counterfeit.data.loader import Stream
from counterfeit.data.source import transformed
from counterfeit.data.sources.digits import Digits
from counterfeit.data.sources.toy import Gaussian1D
from counterfeit.engine.distributed import Processes
from counterfeit.engine.step import Stepper
from counterfeit.losses import OBJECTIVES
from counterfeit.models.adversarial.gan import GAN
from counterfeit.models.adversarial.shared.alternating import GANSettings
from counterfeit.models.autoencoding.vae import VAE, KLSettings, kl_to_standard_normal, log_normal
from counterfeit.transforms import build
from flat import flat

CLOCK = Clock(0, 10)
IMAGES, BITS = Spec((1, 4, 4)), Spec((1, 2, 3), "binary")


@pytest.fixture(autouse=True)
def same_numbers() -> Iterator[None]:
    with seeded(0):
        yield


def gan(**arguments) -> GAN:
    """A small GAN, without noise on what the discriminator sees."""
    small = {"hidden": (8,), "discriminator_hidden": (8,), "noise_dim": 3, "norm": "none"}
    return flat(GAN, IMAGES, **small | {"settings": GANSettings()} | arguments)


def vae(**arguments) -> VAE:
    """An untrained VAE whose decoder heeds the code, so that its bounds differ."""
    model = flat(VAE, BITS, **{"latent_dim": 2, "hidden": (8,)} | arguments)
    model.decoder.last.weight.data.mul_(8)
    return model


def draws(*batches: Tensor) -> Draw:
    rest = iter(batches)
    return lambda: Batch(next(rest))


def train(model, source, steps: int, **settings) -> None:
    chosen = Train(steps=steps, **settings)
    stepper = Stepper(model, chosen, Processes())
    stream = Stream(source.split("train"), chosen.batch_size, 0, torch.device("cpu"))
    for step in range(steps):
        stepper.step(stream.draws(), Clock(step, steps))
    model.eval()


def repeated(bound, x: Tensor, n: int = 4_000) -> tuple[Tensor, Tensor]:
    """Mean and standard error of `n` draws of a bound for each example."""
    with torch.no_grad():
        values = bound(x.repeat_interleave(n, 0)).view(len(x), n).double()
    return values.mean(1), values.std(1) / n**0.5


# Adversarial nets -----------------------------------------------------------------------------------------------------


def test_uniform_noise_has_unit_variance_within_the_root_of_three():
    z = gan(noise="uniform").prior(100_000)
    assert z.abs().max() <= 3**0.5
    assert z.abs().max() > 0.999 * 3**0.5
    torch.testing.assert_close(z.mean(0), torch.zeros(3), atol=0.015, rtol=0)
    torch.testing.assert_close(z.var(0), torch.ones(3), atol=0.015, rtol=0)


def test_gaussian_noise_is_standard_normal():
    z = gan(noise="gaussian").prior(100_000)
    torch.testing.assert_close(z.mean(0), torch.zeros(3), atol=0.015, rtol=0)
    torch.testing.assert_close(z.T.cov(), torch.eye(3), atol=0.02, rtol=0)
    assert (z.abs() < 1).float().mean() == pytest.approx(0.6827, abs=0.005)


def test_marginals_start_the_output_at_the_mean_of_the_data():
    model, x = gan(init_bias_from_data=True, init=0.05), torch.rand(50, *IMAGES.shape)
    x[:, 0, 0, 0], x[:, 0, 0, 1] = 0.0, 1.0  # never exactly certain
    model.initialize(Batch(x))
    bias = model.state_dict()["generator.body.last.bias"]
    torch.testing.assert_close(bias.sigmoid(), x.mean(0).flatten().clamp(1e-3, 1 - 1e-3))


def test_covariance_starts_samples_at_the_mean_and_covariance_of_the_data():
    model = flat(
        GAN,
        Spec((2,), "real"),
        hidden=(256,),
        activation="tanh",
        norm="none",
        init_weights_from_data=True,
        noise_dim=64,
    )
    x = torch.randn(4_000, 2) @ torch.tensor([[2.0, 1.0], [0.0, 0.5]]) + torch.tensor([3.0, -1.0])
    with torch.no_grad():
        model.initialize(Batch(x))
        samples = model.sample(20_000)
    torch.testing.assert_close(samples.mean(0), x.mean(0), atol=0.1, rtol=0)
    torch.testing.assert_close(samples.T.cov(), x.T.cov(), atol=0.5, rtol=0.25)


def test_covariance_starts_images_near_the_data():
    model, x = gan(init_weights_from_data=True, hidden=(64,), noise_dim=16), 0.2 + 0.6 * torch.rand(50, *IMAGES.shape)
    model.initialize(Batch(x))
    with torch.no_grad():
        samples = model.sample(5_000)
    torch.testing.assert_close(samples.mean(0), x.mean(0), atol=0.05, rtol=0)
    assert float(samples.var(0).mean()) == pytest.approx(float(x.var(0).mean()), rel=0.3)


def test_a_centered_discriminator_sees_examples_minus_the_mean_of_the_data():
    plain, x = gan(), torch.rand(50, *IMAGES.shape)
    centered = gan(center_inputs=True)
    centered.load_state_dict(plain.state_dict(), strict=False)
    centered.initialize(Batch(x))
    torch.testing.assert_close(centered.discriminator_outputs(x), plain.discriminator_outputs(x - x.mean(0)))


@pytest.mark.parametrize(
    "model", [gan(), flat(GAN, Spec((2,), "real"), init_bias_from_data=True)], ids=["not-asked", "real"]
)
def test_marginals_leave_other_models_as_they_are(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.initialize(Batch(torch.rand(5, *model.spec.shape)))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("k", [1, 3])
def test_each_of_k_discriminator_updates_has_a_fresh_minibatch(k):
    batches = [torch.rand(4, *IMAGES.shape) for _ in range(k)]
    left = iter(batches)
    updates = [*gan(discriminator_steps=k).updates(lambda: Batch(next(left)), Clock(0, 1))]
    assert [u.parts for u in updates] == [("discriminator",)] * k + [("generator",)]
    assert next(left, None) is None


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_players_descend_their_objectives(objective):
    model, real = gan(objective=objective), torch.rand(4, *IMAGES.shape)
    torch.manual_seed(1)
    one, other = model.updates(draws(real), Clock(0, 1))
    torch.manual_seed(1)
    first, second = (model.generator(model.prior(4)) for _ in range(2))
    expected = OBJECTIVES[objective].discriminator(model.discriminator(real), model.discriminator(first))
    torch.testing.assert_close(one.loss, expected)
    played = OBJECTIVES[objective]
    if played.relative:
        expected = played.relative(model.discriminator(real), model.discriminator(second))
    elif played.features is None:
        expected = played.generator(model.discriminator(second))
    else:
        expected = played.features(*(model.discriminator.features(x) for x in (real, second)))
    torch.testing.assert_close(other.loss, expected)


def test_loss_of_a_player_reaches_that_player_alone():
    model = gan()
    for update in model.updates(draws(torch.rand(4, *IMAGES.shape)), Clock(0, 1)):
        model.zero_grad()
        update.loss.backward()
        reached = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
        assert reached == {*update.parts}


def test_instance_noise_blurs_what_the_discriminator_sees_while_training():
    model, x = gan(instance_noise=0.5), torch.rand(4, *IMAGES.shape)
    seen: list[Tensor] = []
    model.discriminator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.discriminator_outputs(x.expand(5_000, 4, *IMAGES.shape).flatten(0, 1))
    assert float((seen[0].view(5_000, 4, *IMAGES.shape) - x).std()) == pytest.approx(0.5, rel=0.01)
    model.eval().discriminator_outputs(x)
    assert torch.equal(seen[1], x)


def test_samples_are_what_the_generator_makes_of_noise():
    model = gan()
    with seeded(3):
        x = model.sample(6)
    with seeded(3):
        torch.testing.assert_close(x, model.decode(model.prior(6)))


def test_generator_squeezes_bounded_data_only():
    large = torch.full((1, 3), 1e6)
    assert bool((gan().decode(large) <= 1).all())
    assert bool((flat(GAN, Spec((2,), "real"), noise_dim=3, norm="none").decode(large).abs() > 1).any())


@pytest.mark.parametrize("arguments", [{"discriminator_steps": 0}, {"noise_dim": 0}])
def test_impossible_games_are_refused(arguments):
    with pytest.raises(ValueError, match="at least 1"):
        gan(**arguments)


def test_labels_are_refused():
    with pytest.raises(ValueError, match="without labels"):
        gan().sample(2, torch.zeros(2))


def test_generator_learns_a_gaussian():
    model = flat(
        GAN,
        Gaussian1D().spec,
        hidden=(16,),
        norm="none",
        discriminator_hidden=(16,),
        noise_dim=1,
        settings=GANSettings(),
    )
    train(model, Gaussian1D(), 400, lr=3e-3, betas=(0.5, 0.99))
    with torch.no_grad():
        assert float(model.sample(4_000).mean()) == pytest.approx(2.0, abs=0.3)


# Variational autoencoder ----------------------------------------------------------------------------------------------


def test_kl_is_that_of_two_normal_distributions():
    loc, log_scale = torch.randn(5, 3), torch.randn(5, 3)
    expected = kl_divergence(Normal(loc, log_scale.exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl_to_standard_normal(loc, log_scale).sum(-1), expected)


def test_kl_is_the_mean_log_ratio():
    loc, log_scale = torch.tensor([[0.7, -1.2]]), torch.tensor([[-0.5, 0.3]])
    z = loc + log_scale.exp() * torch.randn(400_000, 2)
    ratio = log_normal(z, loc, log_scale) - log_normal(z, torch.zeros(2), torch.zeros(2))
    error = float(ratio.std()) / len(ratio) ** 0.5
    assert float(ratio.mean()) == pytest.approx(float(kl_to_standard_normal(loc, log_scale).sum()), abs=4 * error)


def test_log_normal_is_that_of_torch():
    z, loc, log_scale = torch.randn(3, 5, 2)
    torch.testing.assert_close(log_normal(z, loc, log_scale), Normal(loc, log_scale.exp()).log_prob(z).sum(1))


def test_elbo_is_the_mean_log_likelihood_less_the_divergence():
    model, x = vae(), torch.rand(4, *BITS.shape).round()
    with torch.no_grad():
        loc, log_scale = model.posterior(x)
        z = Normal(loc, log_scale.exp()).sample((20_000,))  # (S, B, latent)
        logits = model.decoder(z.flatten(0, 1)).view(20_000, 4, -1)
        likelihood = -bernoulli(logits, x.flatten(1).expand_as(logits), reduction="none").sum(2).mean(0)
    mean, error = repeated(model.elbo, x, 20_000)
    expected = likelihood.double() - kl_to_standard_normal(loc, log_scale).sum(-1)
    assert bool(((mean - expected).abs() < 6 * error).all())


def test_importance_weighted_bound_of_one_sample_is_the_elbo():
    model, x = vae(), torch.rand(4, *BITS.shape).round()
    (elbo, one), (iwae, other) = repeated(model.elbo, x), repeated(lambda x: model.iwae(x, 1), x)
    assert bool(((elbo - iwae).abs() < 4 * (one.square() + other.square()).sqrt()).all())


def test_importance_weighted_bound_rises_with_its_samples():
    model, x = vae(), torch.rand(4, *BITS.shape).round()
    bounds = [repeated(lambda x, k=k: model.iwae(x, k), x)[0].mean() for k in (1, 3, 10, 50)]
    assert bounds == sorted(bounds)
    assert bounds[0] < bounds[-1] - 0.01


def test_importance_weights_of_one_example_do_not_mix_with_those_of_another():
    model, x = vae(), torch.rand(4, *BITS.shape).round()
    together, _ = repeated(lambda x: model.iwae(x, 50), x, 500)
    apart = torch.cat([repeated(lambda x: model.iwae(x, 50), one, 500)[0] for one in x.split(1)])
    torch.testing.assert_close(together, apart, atol=0.05, rtol=0)


def test_gradient_of_the_elbo_reaches_encoder_and_decoder():
    model = vae()
    model.elbo(torch.rand(4, *BITS.shape).round()).mean().backward()
    assert all(bool(torch.isfinite(p.grad).all()) and bool(p.grad.any()) for p in model.parameters())


def test_gradient_through_the_samples_is_that_of_the_expectation():
    loc, log_scale = torch.tensor(0.6, requires_grad=True), torch.tensor(-0.3, requires_grad=True)
    z = loc + log_scale.exp() * torch.randn(200_000)
    found = torch.autograd.grad(z.square().mean(), (loc, log_scale))  # E z² = loc² + scale²
    expected = (2 * loc.detach(), 2 * (2 * log_scale.detach()).exp())
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)


def test_update_descends_the_negative_bound():
    model, x = vae(), torch.rand(4, *BITS.shape).round()
    torch.manual_seed(1)
    (update,) = model.updates(draws(x), Clock(0, 1))
    torch.manual_seed(1)
    torch.testing.assert_close(update.loss, -model.elbo(x).mean())
    assert update.parts == ("",)


@pytest.mark.parametrize(
    ("beta", "warmup", "step", "weight"),
    [(4.0, 0.0, 0, 4.0), (1.0, 0.5, 0, 0.02), (2.0, 0.5, 24, 1.0), (1.0, 0.5, 60, 1.0)],
)
def test_divergence_is_weighed_by_beta_and_rises_while_warming_up(beta, warmup, step, weight):
    model = vae(beta=beta, kl_warmup_fraction=warmup)
    (update,) = model.updates(draws(torch.rand(4, *BITS.shape).round()), Clock(step, 100))
    expected = weight * update.logs["kl"] - update.logs["reconstruction"]
    torch.testing.assert_close(update.loss.detach(), expected)


def test_bounds_are_reported_without_beta():
    x = torch.rand(4, *BITS.shape).round()
    plain = vae()
    weighed = vae(beta=10.0)
    weighed.load_state_dict(plain.state_dict())
    with seeded(1):
        expected = plain.elbo(x)
    with seeded(1):
        torch.testing.assert_close(weighed.elbo(x), expected)


def test_samples_are_draws_of_the_decoded_means():
    model = vae()
    with torch.no_grad():
        mean, x = model.decode(model.prior(100_000)).mean(0), model.sample(100_000)
    assert bool(((x == 0) | (x == 1)).all())
    torch.testing.assert_close(x.mean(0), mean, atol=0.01, rtol=0)


def test_codes_are_means_of_the_posterior():
    model, x = vae(), torch.rand(4, *BITS.shape).round()
    torch.testing.assert_close(model.encode(x), model.posterior(x)[0])


def test_a_bernoulli_decoder_refuses_other_data_than_binary():
    with pytest.raises(ValueError, match="Add `binarize`"):
        VAE(IMAGES, likelihood="bernoulli")


@pytest.mark.parametrize(("kind", "name"), [("image", "logistic"), ("image", "categorical"), ("image", "gaussian"),
    ("real", "gaussian"), ("real", "student"), ("binary", "bernoulli")])  # fmt: skip
def test_a_vae_of_any_likelihood_bounds_the_same_integral(kind, name):
    """The importance-weighted bound with many samples, and the mean likelihood under the prior, meet at log p(x)."""
    model = flat(VAE, Spec((3, 1, 2), kind), latent_dim=1, hidden=(8,), likelihood=name)
    x = torch.rand(3, 3, 1, 2)
    x = x.round() if kind == "binary" else (255 * x).round() / 255
    with torch.no_grad():
        z = torch.linspace(-8, 8, 4_001)[:, None]
        log_p = torch.stack([model.p.of_examples(one.expand(len(z), -1, -1, -1), model.decoder(z)) for one in x])
        prior = -0.5 * (z[:, 0].square() + math.log(2 * math.pi))
        exact = (log_p + prior).logsumexp(1) + math.log(16 / 4_000)
        torch.testing.assert_close(model.iwae(x, 20_000), exact, atol=0.03, rtol=0)
        assert bool((repeated(model.elbo, x, 500)[0] < exact + 0.01).all())
        model.spec.check(model.sample(5), "samples")
        model.spec.check(model.decode(model.prior(5)), "means", values=kind != "binary")


def test_free_bits_cost_nothing_up_to_their_number():
    kl = torch.tensor([[0.1, 2.0], [0.3, 4.0]])  # means 0.2 and 3
    assert float(KLSettings(free_bits=0.5).cost(kl, CLOCK)) == pytest.approx(3.5)
    assert float(KLSettings(beta=2.0).cost(kl, CLOCK)) == pytest.approx(6.4)
    with pytest.raises(ValueError, match="at least 0"):
        KLSettings(free_bits=-1.0)


def test_autoencoder_learns_the_digits():
    source = transformed(Digits(), build(["binarize"]))
    model, x = flat(VAE, source.spec, latent_dim=4, hidden=(32,)), source.split("test").first(250).x
    before = float(model.elbo(x).mean().detach())
    train(model, source, 150, lr=3e-3)
    assert before == pytest.approx(-64 * math.log(2), abs=3)  # an untrained decoder knows nothing
    assert float(model.elbo(x).mean().detach()) > before + 10


@pytest.mark.parametrize("fresh", [True, False])
def test_the_generators_update_draws_codes_of_its_own_or_reuses_the_last_fakes(fresh, monkeypatch):
    model, seen = gan(resample_noise=fresh), []
    monkeypatch.setattr(model, "discriminator_outputs", lambda x, y: seen.append(x) or model.discriminator(x))
    list(model.updates(lambda: Batch(torch.rand(5, 1, 4, 4)), Clock(0, 1)))
    fakes_of_discriminator, fakes_of_generator = seen[0][5:], seen[1]
    assert torch.equal(fakes_of_discriminator, fakes_of_generator) is not fresh
    assert fakes_of_generator.requires_grad
