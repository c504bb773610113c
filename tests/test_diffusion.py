"""Diffusion and flow matching beside what can be computed: Gaussian data, whose best denoiser has a closed form."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from counterfeit import catalogue
from counterfeit.cli import main
from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Data
from counterfeit.core import Batch, Clock, Net, Spec, Translates, Upscales
from counterfeit.evaluation.subject import Subject
from counterfeit.inference.draws import trajectory
from counterfeit.inference.sampling import sampling
from counterfeit.models.adversarial.gan import GAN
from counterfeit.models.diffusion.diffusion import PREDICTIONS, Diffusion
from counterfeit.models.diffusion.diffusion_edm import DiffusionEDM, EDMNoise, Preconditioning
from counterfeit.models.diffusion.flow_matching import FlowMatching, as_buffers
from counterfeit.models.diffusion.shared.bound import Chain
from counterfeit.models.diffusion.shared.model import DiffusionModel, LabelSettings
from counterfeit.models.diffusion.shared.nets import Condition, DenoiserNets
from counterfeit.models.diffusion.shared.noise import CLEAN, SCHEDULES, NoiseLevel, NoiseSettings, rho_levels
from counterfeit.models.diffusion.shared.samplers import Prediction, SamplingSettings, walk
from counterfeit.models.diffusion.shared.scaling import Scaling
from counterfeit.models.diffusion.shared.shrinking import Shrinking
from counterfeit.models.diffusion.shared.unet import UNet, UNetShape
from counterfeit.models.energy.rbm import RBM
from counterfeit.nets.upscaling import shrink
from counterfeit.run.run import Run, train

MEAN, COV = torch.tensor([0.5, -0.3]), torch.tensor([[0.3, 0.1], [0.1, 0.6]])
POINTS = Spec((2,), "real")
TINY = DenoiserNets(hidden=(4,), width=4, multipliers=(1, 2), blocks=1, attention=4)
ORDER = {"ddim": 1, "euler": 1, "dpm-solver++": 2, "heun": 2, "midpoint": 2}


def truth(x: Tensor) -> Tensor:
    return torch.distributions.MultivariateNormal(MEAN, COV).log_prob(x)


def data(n: int) -> Tensor:
    return torch.distributions.MultivariateNormal(MEAN, COV).sample((n,))


class Best(Net):
    """The outputs of a net that knows the data: those that E[x | z] would have.

    Arguments:
        output: (x, noise, level) -> the output for data and noise.
        unit: level -> what z = α x + σ ε is multiplied by before the net sees it.
        outputs: how many; those after the first are 0.
    """

    def __init__(self, output: Callable[..., Tensor], unit: Callable[[NoiseLevel], Tensor], outputs: int = 1) -> None:
        super().__init__()
        self.output, self.unit, self.outputs = output, unit, outputs
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, z: Tensor, log_snr: Tensor, y: Tensor | None = None) -> Tensor:
        level = NoiseLevel.of(log_snr.double()).like(z.double())
        z, mean, cov = z.double() / self.unit(level), MEAN.double(), COV.double()
        alpha, sigma = level.alpha[..., None], level.sigma[..., None]
        gain = alpha * cov @ torch.linalg.inv(alpha.square() * cov + sigma.square() * torch.eye(2))
        x = mean + (gain @ (z - level.alpha * mean)[..., None])[..., 0]
        out = self.output(x, (z - level.alpha * x) / level.sigma, level)
        return torch.stack([out, *[0 * out] * (self.outputs - 1)], 1).float()


OUTPUTS = {
    "epsilon": lambda x, noise, level: noise,
    "x0": lambda x, noise, level: x,
    "v": lambda x, noise, level: level.alpha * noise - level.sigma * x,
}


def knowing(prediction: str = "v", schedule: str = "cosine", variance: str = "fixed-small", **noise: int) -> Diffusion:
    settings = NoiseSettings(schedule, **{"bound_terms": 0, **noise})
    model = Diffusion(POINTS, prediction, variance, noise=settings, nets=TINY)
    model.net = Best(OUTPUTS[prediction], lambda level: 1.0, 1 + (variance == "learned"))
    return model.requires_grad_(False)


def knowing_edm() -> DiffusionEDM:
    model, of = DiffusionEDM(POINTS, EDMNoise(sigma_max=500.0), nets=TINY), Preconditioning(torch.ones(()))

    def output(x: Tensor, noise: Tensor, level: NoiseLevel) -> Tensor:
        return (x - of.skip(level.ratio) * (x + level.ratio * noise)) / of.out(level.ratio)

    model.net = Best(output, lambda level: of.inward(level.ratio) / level.alpha)
    return model.requires_grad_(False)


def knowing_flow() -> FlowMatching:
    model = FlowMatching(POINTS, nets=TINY)
    model.net = Best(lambda x, noise, level: x - noise, lambda level: 1 / (level.alpha + level.sigma))
    return model.requires_grad_(False)


def reached(model: DiffusionModel, sampler: str, steps: int) -> tuple[Tensor, Tensor]:
    """Mean and covariance of what a deterministic sampler draws, exactly: here every step is affine in z."""
    model.sampler, z = sampler, torch.cat([torch.zeros(1, 2), torch.eye(2)])
    *_, (_, end) = walk(model.estimate, z, model.levels_of(steps), sampler, model.path)
    return end[0], (end[1:] - end[0]).mT @ (end[1:] - end[0])


def off(model: DiffusionModel, sampler: str, steps: int) -> float:
    return float((reached(model, sampler, steps)[1] - COV).abs().max())


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_begin_and_end_where_they_are_told_and_have_inverses(schedule: str) -> None:
    settings = NoiseSettings(schedule, log_snr_max=9.0, log_snr_min=-7.0)
    ends = settings.log_snr(torch.tensor([0.0, 1.0], dtype=torch.float64))
    torch.testing.assert_close(ends, torch.tensor([9.0, -7.0], dtype=torch.float64))
    levels = settings.levels(7)
    assert [float(levels[i].log_snr) for i in (0, -1)] == pytest.approx([-7.0, 9.0])
    assert all(float(a.log_snr) < float(b.log_snr) for a, b in itertools.pairwise(levels))
    log_snr = torch.linspace(-9, 9, 7, dtype=torch.float64)
    one = SCHEDULES[schedule]
    torch.testing.assert_close(one.log_snr(one.time(log_snr)), log_snr)


def test_the_linear_schedule_is_that_of_a_thousand_steps() -> None:
    """Ho et al. (2020): β from 1e-4 to 0.02 over 1,000 steps; ᾱ is the product of 1 - β."""
    betas = torch.linspace(1e-4, 0.02, 1_000, dtype=torch.float64)
    expected = (1 - betas).cumprod(0)[99::100]
    found = SCHEDULES["linear"].log_snr(torch.arange(100, 1_001, 100, dtype=torch.float64) / 1_000).sigmoid()
    torch.testing.assert_close(found, expected, rtol=0.1, atol=1e-4)


def test_the_cosine_schedule_is_a_cosine() -> None:
    t = torch.tensor([0.1, 0.5, 0.9])
    torch.testing.assert_close(NoiseLevel.of(SCHEDULES["cosine"].log_snr(t)).alpha, torch.cos(math.pi * t / 2))


def test_karras_levels_are_even_in_their_seventh_root() -> None:
    found = torch.stack([level.ratio for level in rho_levels(80.0, 0.002, 5, 7.0)]) ** (1 / 7)
    torch.testing.assert_close(found.diff(), found.diff()[:1].expand(4))
    assert (float(found[0] ** 7), float(found[-1] ** 7)) == pytest.approx((80.0, 0.002))


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_predictions_convert_into_each_other(prediction: str) -> None:
    with seeded(0):
        x, noise = torch.randn(2, 5, 3, dtype=torch.float64)
    level = NoiseLevel.of(torch.linspace(-8, 8, 5, dtype=torch.float64)).like(x)
    found = PREDICTIONS[prediction](OUTPUTS[prediction](x, noise, level), level.noised(x, noise), level)
    torch.testing.assert_close(found, (x, noise))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("sampler", ORDER)
def test_samplers_reproduce_mean_and_covariance_to_their_order(schedule: str, sampler: str) -> None:
    model = knowing(schedule=schedule)
    errors = [off(model, sampler, steps) for steps in (20, 40, 80)]
    least = 0.8 * 2 ** ORDER[sampler]
    assert errors[0] / errors[1] > least or errors[0] < 0.01
    assert errors[1] / errors[2] > least or errors[2] < 5e-3
    assert errors[2] < {1: 0.05, 2: 0.02}[ORDER[sampler]]
    assert float((reached(model, sampler, 80)[0] - MEAN).abs().max()) < 0.005


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_predictions_give_the_same_samples(prediction: str) -> None:
    expected = reached(knowing("v"), "heun", 10)
    torch.testing.assert_close(reached(knowing(prediction), "heun", 10), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("make", [knowing_edm, knowing_flow])
def test_edm_and_flow_matching_reproduce_mean_and_covariance(make: Callable[[], DiffusionModel]) -> None:
    model = make()
    for sampler, order in ORDER.items():
        errors = [off(model, sampler, steps) for steps in (20, 40)]
        assert errors[0] / errors[1] > 0.8 * 2**order or errors[0] < 0.01
        assert errors[1] < {1: 0.12, 2: 0.03}[order]
        assert float((reached(model, sampler, 40)[0] - MEAN).abs().max()) < 0.005


@pytest.mark.parametrize("make", [knowing, knowing_edm, knowing_flow])
def test_the_chain_reproduces_mean_and_covariance(make: Callable[[], DiffusionModel]) -> None:
    model = make()
    model.sampler, model.sampling_steps = "ancestral", 200
    with seeded(0):
        x = model.sample(20_000)
    torch.testing.assert_close(x.mean(0), MEAN, rtol=0, atol=0.02)
    torch.testing.assert_close(x.mT.cov(), COV, rtol=0, atol=0.08)


def test_ddim_with_all_of_the_noise_is_the_chain() -> None:
    model, steps = knowing(), 6
    levels = model.levels_of(steps)
    ends = []
    for sampler, eta in (("ancestral", 0.0), ("ddim", 1.0)):
        with seeded(0):
            *_, (_, end) = walk(model.estimate, torch.randn(50, 2), levels, sampler, model.path, eta)
        ends.append(end)
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("make", [knowing, knowing_edm, knowing_flow])
def test_churn_keeps_mean_and_covariance_and_is_noise(make: Callable[[], DiffusionModel]) -> None:
    model, ends = make(), []
    z, levels = torch.randn(20_000, 2), model.levels_of(60)
    for churn in (0.0, 0.0, 10.0, 1e9):
        with seeded(len(ends)):
            *_, (_, end) = walk(model.estimate, z, levels, "heun", model.path, churn=churn)
        ends.append(end)
    assert torch.equal(ends[0], ends[1])
    for end in ends[2:]:
        assert float((end - ends[0]).abs().mean()) > 0.1  # another draw of the same distribution
        torch.testing.assert_close(end.mean(0), MEAN, rtol=0, atol=0.03)
        torch.testing.assert_close(end.mT.cov(), COV, rtol=0, atol=0.08)


@pytest.mark.parametrize("make", [knowing, knowing_edm, knowing_flow])
def test_the_likelihood_of_the_flow_is_that_of_the_data(make: Callable[[], DiffusionModel]) -> None:
    model = make()
    with seeded(0):
        x = data(200)
    difference = model.flow_log_prob(x) - truth(x)
    assert float(difference.mean().abs()) < 0.002  # of two dimensions
    assert float(difference.abs().max()) < 0.05


def test_the_random_trace_is_without_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    model = knowing()
    with seeded(0):
        x = data(1).expand(400, 2)
        exact = model.flow_log_prob(x[:1])
        monkeypatch.setattr("counterfeit.models.diffusion.shared.likelihood.EXACT", 0)
        found = model.flow_log_prob(x)
    assert float((found.mean() - exact).abs()) < 4 * float(found.std()) / 20 + 1e-3
    assert float(found.std()) > 0


def gap(model: Diffusion, n: int = 1_000) -> tuple[float, float]:
    """By how much the bound of data lies below the truth on average, and its standard error."""
    with seeded(0):
        x = data(n)
        below = truth(x) - model.elbo(x)
    return float(below.mean()), float(below.std()) / math.sqrt(n)


@pytest.mark.parametrize("variance", ["fixed-small", "fixed-large", "learned"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_bound_lies_below_the_truth(schedule: str, variance: str) -> None:
    model = knowing(schedule=schedule, variance=variance, timesteps=30)
    below, error = gap(model)
    assert below > -3 * error
    with seeded(0):
        x = data(200)
        iwae, elbo = model.iwae(x, 5), model.elbo(x)
    assert float((truth(x) - iwae).mean()) > -3 * float((truth(x) - iwae).std()) / math.sqrt(200)
    assert float((iwae - elbo).mean()) > -3 * float((iwae - elbo).std()) / math.sqrt(200)


def test_the_bound_is_tight_in_many_steps() -> None:
    few, many = (gap(knowing(variance="fixed-large", timesteps=t)) for t in (2, 200))
    assert few[0] > 5 * few[1]
    assert many[0] < few[0] / 2


def test_some_terms_of_the_bound_estimate_all() -> None:
    model = knowing(timesteps=50)
    with seeded(0):
        x = data(1).expand(2_000, 2)
        whole, some = model.elbo(x), knowing(timesteps=50, bound_terms=10).elbo(x)
    error = (whole.var() + some.var()).sqrt() / math.sqrt(2_000)
    assert float((whole.mean() - some.mean()).abs()) < 4 * float(error)


def test_a_variance_between_the_bounds_costs_less_than_the_worse_of_them() -> None:
    with seeded(0):
        x = data(500)
        small, large, learned = (
            float(knowing(variance=v, timesteps=20).elbo(x).mean()) for v in ("fixed-small", "fixed-large", "learned")
        )
    assert learned > min(small, large)


def test_the_cost_of_a_step_is_the_divergence_of_two_normal_distributions() -> None:
    level, lower = (NoiseLevel.of(torch.tensor(v, dtype=torch.float64)) for v in (-1.0, 1.0))
    chain = Chain(Scaling(POINTS), [level, lower])
    with seeded(0):
        m, guess = torch.randn(2, 3, 2)
    found = Prediction(guess, torch.zeros(3, 2), 0.3)
    new = level.share(lower)
    std = (new.sqrt() * lower.sigma, new.sqrt() * lower.sigma**0.7 * level.sigma**0.3)
    means = (lower.alpha * new * m, lower.alpha * new * guess)
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(means[0], std[0]), normal(means[1], std[1])).sum(1)
    torch.testing.assert_close(chain.step_cost(torch.zeros(3).long(), m, found), expected.float())


@pytest.mark.parametrize(("kind", "values"), [("image", torch.arange(256) / 255), ("binary", torch.arange(2.0))])
def test_probabilities_of_all_values_sum_to_one(kind: str, values: Tensor) -> None:
    scaling = Scaling(Spec((1,), kind))
    for mean, std in itertools.product((-1.2, -0.5, 0.001, 1.0), (1e-3, 0.05, 2.0)):
        log_p = scaling.log_emission(values[:, None], torch.full((len(values), 1), mean), torch.tensor(std))
        total = float(log_p.double().exp().sum()) / (256 if kind == "image" else 1)
        assert total == pytest.approx(1, abs=2e-4)


def test_a_score_is_the_gradient_of_the_log_density_of_noisy_data() -> None:
    model = knowing()
    model.initialize(Batch(torch.tensor([[1.0, 5.0], [5.0, 1.0]])))  # mean 3, standard deviation 2
    t = torch.tensor([0.2, 0.6, 0.9])
    ratio = model.level_at(t).ratio
    x = torch.tensor([[1.0, 2.0], [0.0, 3.0], [4.0, 4.0]]).requires_grad_()
    noisy = [3 + 2 * MEAN, [4 * COV + 4 * r.square() * torch.eye(2) for r in ratio]]
    log_p = [torch.distributions.MultivariateNormal(noisy[0], c).log_prob(x[i]) for i, c in enumerate(noisy[1])]
    (expected,) = torch.autograd.grad(torch.stack(log_p).sum(), x)
    torch.testing.assert_close(model.score(x.detach(), t), expected, rtol=1e-3, atol=1e-4)


def test_a_completion_has_the_conditional_distribution() -> None:
    model = knowing()
    model.sampling = replace(model.sampling, resampling=10)
    model.sampling_steps, known = 60, 1.0
    x = torch.tensor([[known, 0.0]]).expand(4_000, 2)
    with seeded(0):
        y = model.complete(x, torch.tensor([1.0, 0.0]).expand_as(x))[:, 1]
    mean = float(MEAN[1] + COV[0, 1] / COV[0, 0] * (known - MEAN[0]))
    variance = float(COV[1, 1] - COV[0, 1] ** 2 / COV[0, 0])
    assert float(y.mean()) == pytest.approx(mean, abs=0.05)
    assert float(y.var()) == pytest.approx(variance, rel=0.15)


class Labels(Net):
    """Predicts as data 1 for label 0, 2 for label 1, and 0 where no label is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, z: Tensor, log_snr: Tensor, y: Tensor) -> Tensor:
        return torch.tensor([1.0, 2.0, 0.0])[y].view(-1, 1, 1).expand(-1, 1, 2)


def test_guidance_of_1_is_the_conditional_model_and_0_the_unconditional_one() -> None:
    model = Diffusion(Spec((2,), "real", classes=2), "x0", labels=LabelSettings(conditional=True), nets=TINY)
    model.net = Labels()
    z, y, level = torch.zeros(2, 2), torch.tensor([0, 1]), NoiseLevel.of(torch.zeros(()))
    expected = {0.0: [0.0, 0.0], 1.0: [1.0, 2.0], 3.0: [3.0, 6.0]}
    for guidance, values in expected.items():
        model.guidance = guidance
        assert model.estimate(z, level, y).x[:, 0].tolist() == values
    assert model.estimate(z, level).x[:, 0].tolist() == [0.0, 0.0]


DELTA = torch.tensor([1.5, -0.5])


class Moved(Best):
    """The best net for v of data that lie DELTA further where the label is 1, and not where it is hidden."""

    def forward(self, z: Tensor, log_snr: Tensor, y: Tensor | None = None) -> Tensor:
        level = NoiseLevel.of(log_snr.double()).like(z.double())
        by = (y == 1)[:, None] * DELTA
        return super().forward(z - level.alpha * by, log_snr) - (level.sigma * by)[:, None].float()


def test_translation_goes_to_the_noise_of_an_example_and_back_to_data_of_the_label() -> None:
    """For the same covariance, the equation moves every point by the difference of means, to the order of Heun's."""
    model = Diffusion(Spec((2,), "real", classes=2), labels=LabelSettings(conditional=True), nets=TINY)
    model.net = Moved(OUTPUTS["v"], lambda level: 1.0)
    with seeded(0):
        x = data(20)
    errors = []
    for model.sampling_steps in (20, 40):
        there = [model.translate(x, torch.full((20,), to)) - to * DELTA for to in (0, 1)]
        errors.append(max(float((moved - x).abs().max()) for moved in there))
    assert errors[1] < 0.02
    assert errors[0] / errors[1] > 3


def test_what_is_made_small_is_known_but_for_its_null_space() -> None:
    shrinking = Shrinking((3, 5), 3, torch.zeros((), dtype=torch.float64))
    with seeded(0):
        x, y = torch.rand(2, 2, 9, 15, dtype=torch.float64), torch.rand(2, 2, 3, 5, dtype=torch.float64)
    torch.testing.assert_close(shrinking.small(x).clamp(0, 1), shrink(x, 3), atol=1e-6, rtol=0)
    held = shrinking.held(x, shrinking.large(y))
    torch.testing.assert_close(shrinking.small(held), y)
    other = held + torch.rand_like(x) - 0.5
    other = shrinking.held(other, shrinking.large(y))  # another picture that is y when made small lies further away
    assert float((held - x).square().sum()) < float((other - x).square().sum())


@pytest.mark.parametrize("sampler", ["ancestral", *ORDER])
@pytest.mark.parametrize("cls", [Diffusion, DiffusionEDM, FlowMatching])
def test_pictures_that_are_upscaled_are_what_was_given_when_made_small(cls: type[DiffusionModel], sampler: str) -> None:
    model = cls(Spec((1, 8, 6)), nets=TINY, sampling=SamplingSettings(sampler, 3))
    model.estimate = lambda z, level: Prediction(0.1 * z.tanh(), z)
    with seeded(0):
        x = 0.4 + 0.2 * torch.rand(2, 1, 4, 3)
        y, other = model.upscale(x), model.upscale(x)
    assert y.shape == (2, 1, 8, 6)
    assert not torch.equal(y, other)
    torch.testing.assert_close(shrink(y, 2), x, atol=1e-4, rtol=0)


def test_only_models_with_labels_translate_and_only_those_of_pictures_upscale() -> None:
    for spec, conditional in itertools.product((Spec((1, 4, 4), classes=2), POINTS), (False, True)):
        model = Diffusion(spec, labels=LabelSettings(conditional), nets=TINY)
        assert isinstance(model, Translates) == (conditional and spec.classes > 0)
        assert isinstance(model, Upscales) == (spec is not POINTS)


def test_data_without_labels_are_learnt_without_them() -> None:
    model = Diffusion(POINTS, labels=LabelSettings(conditional=True), nets=TINY)
    assert (model.conditional, model.labels) == (False, 0)
    assert model.sample(3).shape == (3, 2)


def test_a_share_of_labels_is_hidden_in_training() -> None:
    model = Diffusion(Spec((2,), "real", classes=2), labels=LabelSettings(True, label_dropout=0.25), nets=TINY)
    with seeded(0):
        seen = model.noisy(Batch(torch.zeros(4_000, 2), torch.ones(4_000).long()))[2]
    assert seen is not None
    assert float((seen == 2).float().mean()) == pytest.approx(0.25, abs=0.03)
    assert {*seen.unique().tolist()} == {1, 2}


def test_labels_that_nobody_asks_for_are_as_frequent_as_in_the_data() -> None:
    model = Diffusion(Spec((2,), "real", classes=2), "x0", labels=LabelSettings(conditional=True), nets=TINY)
    model.net, model.sampling_steps = Labels(), 2
    model.initialize(Batch(torch.randn(8, 2), torch.tensor([0, 0, 0, 0, 0, 0, 0, 1])))
    with seeded(0):
        x = (model.sample(2_000) - model.scaling.loc) / model.scaling.scale
    assert float((x[:, 0] > 1.5).float().mean()) == pytest.approx(1 / 8, abs=0.03)


def test_preconditioning_gives_inputs_and_targets_of_unit_variance() -> None:
    """Karras et al. (2022), appendix B.6."""
    of = Preconditioning(torch.tensor(0.5))
    with seeded(0):
        x, noise = 0.5 * torch.randn(50_000), torch.randn(50_000)
    for sigma in torch.tensor([0.01, 0.3, 1.0, 40.0]):
        seen = x + sigma * noise
        target = (x - of.skip(sigma) * seen) / of.out(sigma)
        assert float((of.inward(sigma) * seen).var()) == pytest.approx(1, abs=0.03)
        assert float(target.var()) == pytest.approx(1, abs=0.03)


def test_the_velocity_between_two_normal_distributions() -> None:
    """From N(0, I) to N(m, C): u = m + (t C - (1 - t) I) (t² C + (1 - t)² I)⁻¹ (x - t m)."""
    model = knowing_flow()
    t, x = 0.3, torch.tensor([[0.2, -0.4]])
    level = NoiseLevel.between(torch.tensor(t), torch.tensor(1 - t))
    found = model.estimate((level.alpha + level.sigma) * x, level)  # x_t is z / (α + σ)
    cov = t**2 * COV + (1 - t) ** 2 * torch.eye(2)
    expected = MEAN + (t * COV - (1 - t) * torch.eye(2)) @ torch.linalg.solve(cov, x[0] - t * MEAN)
    torch.testing.assert_close((found.x - found.noise)[0], expected, rtol=1e-3, atol=1e-4)


def test_rectification_trains_on_what_the_model_drew() -> None:
    model = FlowMatching(POINTS, rectified_fraction=0.5, rectified_steps=3, nets=TINY)
    batch = Batch(torch.full((6, 2), 9.0))
    losses = [next(model.updates(lambda: batch, Clock(step, 4))).loss.detach() for step in (0, 2, 3)]
    assert float(losses[0]) > 50  # of data that lie far away
    assert float(losses[1]) < 10  # of samples of a net that does not move yet
    kept = dict(model.before.named_buffers())
    assert all(torch.equal(kept[name], p) for name, p in model.net.named_parameters())
    assert not [*as_buffers(model.net).parameters()]


def test_pictures_are_noised_in_minus_one_to_one() -> None:
    scaling = Scaling(Spec((1, 2, 2)))
    x = torch.rand(3, 1, 2, 2)
    assert float(scaling.inward(torch.zeros(1, 1, 2, 2)).max()) == -1
    torch.testing.assert_close(scaling.outward(scaling.inward(x)), x)
    assert float(scaling.outward(torch.full((1, 1, 2, 2), 7.0)).max()) == 1


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 20, 28), (2, 13, 9), (5, 4, 7), (1, 33, 33)])
def test_u_nets_take_pictures_of_any_sides_and_channels(shape: tuple[int, ...]) -> None:
    net = UNet(Spec(shape), UNetShape(4, (1, 2, 2), 1, 8, 0.1), Condition(16, 3), 16, 2).eval()
    for p in net.parameters():  # the last layers begin at 0
        nn.init.normal_(p, 0, 0.1)
    x, log_snr, y = torch.randn(2, *shape), torch.tensor([-3.0, 4.0]), torch.tensor([0, 3])
    out = net(x, log_snr, y)
    assert out.shape == (2, 2, *shape)
    torch.testing.assert_close(net(x[1:], log_snr[1:], y[1:]), out[1:], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(net(x, log_snr + 1, y), out)
    assert not torch.allclose(net(x, log_snr, 2 - y.clamp(max=2)), out)


def test_u_nets_look_everywhere() -> None:
    net = UNet(Spec((1, 13, 9)), UNetShape(4, (1, 2), 1, 8, 0.0), Condition(16, 0), 16, 1)
    for p in net.parameters():
        nn.init.normal_(p, 0, 0.2)
    x = torch.randn(1, 1, 13, 9, requires_grad=True)
    (moved,) = torch.autograd.grad(net(x, torch.zeros(1))[0, 0, 0, 0, 0], x)
    assert bool((moved != 0).all())


def test_reduced_precision_leaves_outputs_float32_and_near() -> None:
    net = UNet(Spec((1, 8, 8)), UNetShape(8, (1, 2), 1, 8, 0.0), Condition(16, 0), 16, 1)
    for p in net.parameters():
        nn.init.normal_(p, 0, 0.1)
    x, log_snr = torch.randn(4, 1, 8, 8), torch.zeros(4)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        short = net(x, log_snr)
    assert short.dtype == torch.float32
    whole = net(x, log_snr).detach()
    assert float((short - whole).norm() / whole.norm()) < 0.05


@pytest.mark.parametrize("sampler", ["ancestral", *ORDER])
@pytest.mark.parametrize("cls", [Diffusion, DiffusionEDM, FlowMatching])
def test_every_model_draws_by_every_sampler_in_any_number_of_steps(cls: type[DiffusionModel], sampler: str) -> None:
    model = cls(Spec((1, 5, 6)), nets=TINY)
    for p in model.parameters():
        nn.init.normal_(p, 0, 0.1)
    model.sampler = sampler
    for steps in (1, 2, 5):
        model.sampling_steps = steps
        with torch.no_grad():
            shown = [*model.trajectory(3)]
        assert len(shown) == steps
        assert all(x.shape == (3, 1, 5, 6) and float(x.min()) >= 0 and float(x.max()) <= 1 for x in shown)
        with seeded(1):
            first = model.sample(3)
        with seeded(1):
            assert torch.equal(first, model.sample(3))


@pytest.mark.parametrize("weighting", ["epsilon", "x0", "v", "min-snr"])
def test_weights_make_losses_of_predictions_those_of_others(weighting: str) -> None:
    """Errors of x by themselves, times the SNR, and times 1 + SNR, are those of x, ε and v."""
    log_snr = torch.tensor([-3.0, 0.0, 4.0])
    snr = log_snr.exp()
    of_x = {"epsilon": snr, "x0": torch.ones(3), "v": 1 + snr, "min-snr": snr.clamp(max=5.0)}
    for prediction in PREDICTIONS:
        model = Diffusion(POINTS, prediction, weighting=weighting, nets=TINY)
        torch.testing.assert_close(model._weight(log_snr) * of_x[prediction], of_x[weighting])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: NoiseSettings(log_snr_max=-1, log_snr_min=1), "in this order"),
        (lambda: NoiseSettings(timesteps=0), "at least 1 step"),
        (lambda: SamplingSettings(sampling_steps=0), "at least 1"),
        (lambda: LabelSettings(label_dropout=0.0), "a share between"),
        (lambda: EDMNoise(sigma_min=2.0, sigma_max=1.0), "sigma_min below"),
        (lambda: FlowMatching(POINTS, rectified_fraction=1.0), "a share below 1"),
        (lambda: DenoiserNets("unet").build(POINTS, 0, 1), "4 x 4 pixels"),
        (lambda: DenoiserNets(width=0).build(Spec((1, 8, 8)), 0, 1), "at least 1 channel"),
        (lambda: Diffusion(POINTS, nets=TINY).elbo(torch.zeros(2, 2), torch.zeros(2).long()), "without labels"),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused_in_one_line(make: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says) as error:
        make()
    assert "\n" not in str(error.value)


def test_the_data_have_no_noise() -> None:
    assert (float(CLEAN.alpha), float(CLEAN.sigma), float(CLEAN.log_snr)) == (1, 0, 20)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = catalogue.recipe("diffusion")
    settings = {**recipe.smoke, "train": {**recipe.smoke["train"], "threads": 1, "tensorboard": False}}
    return train("diffusion", out=tmp_path_factory.mktemp("diffusion") / "run", settings=settings, show=False)


def test_a_draw_has_its_own_sampler_steps_and_guidance(run: Run) -> None:
    usual = run.sample(4, y=3)
    assert torch.equal(usual, run.sample(4, y=3, sampler="dpm-solver++", sampling_steps=3, guidance=1.0))
    for options in ({"sampler": "ddim"}, {"sampling_steps": 2}, {"guidance": 3.0}):
        assert not torch.equal(usual, run.sample(4, y=3, **options))
        assert torch.equal(usual, run.sample(4, y=3))  # as before


def test_all_steps_of_a_draw_end_at_its_samples(run: Run) -> None:
    steps = run.trajectory(3, seed=1, y=2, sampling_steps=5)
    assert steps.shape == (3, 5, 1, 8, 8)
    assert torch.equal(steps[:, -1], run.sample(3, 1, 2, sampling_steps=5))


def test_the_command_draws_as_it_is_told(run: Run, tmp_path: Path) -> None:
    path, options = str(run.path), ["--sampler", "heun", "--sampling-steps", "2", "--guidance", "2"]
    assert main(["sample", path, "-n", "6", "--class", "3", *options, "--out", str(tmp_path / "x.npy")]) == 0
    expected = run.sample(6, y=3, sampler="heun", sampling_steps=2, guidance=2.0)
    assert np.array_equal(np.load(tmp_path / "x.npy"), expected.numpy())
    assert main(["sample", path, "-n", "4", "--trajectory", *options, "--out", str(tmp_path / "steps.gif")]) == 0
    with Image.open(tmp_path / "steps.gif") as picture:
        assert picture.n_frames == 2
    assert main(["sample", path, "-n", "4", "--trajectory", "--class", "3", "--out", str(tmp_path / "steps.npy")]) == 0
    assert np.load(tmp_path / "steps.npy").shape == (4, 3, 1, 8, 8)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--sampler", "dim"], "did you mean 'ddim'"),
        (["--sampling-steps", "0"], "at least 1"),
        (["--guidance", "-1"], "at least 0"),
        (["--guidance", "nan"], "at least 0"),
        (["--trajectory", "--per-class", "2"], "came together"),
        (["--interpolate", "2", "--sampler", "ddim"], "came together"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(
    options: list[str], says: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    assert main(["sample", str(run.path), *options]) == 2
    error = capsys.readouterr().err.strip()
    assert says in error
    assert "\n" not in error


def test_models_without_an_option_say_so_and_chains_take_steps() -> None:
    gan, rbm = GAN(Spec((1, 8, 8))), RBM(Spec((4,), "binary"), 3)
    unlabelled = Diffusion(POINTS, nets=TINY)
    for model, options in (
        (gan, {"sampler": "ddim"}), (gan, {"sampling_steps": 3}), (gan, {"guidance": 2.0}), (rbm, {"sampler": "ddim"}),
        (unlabelled, {"guidance": 2.0}), (gan, {"temperature": 1.0}),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="Leave it out"), sampling(model, options):
            pass
    before = rbm.sampling_steps
    with sampling(rbm, {"sampling_steps": 0, "sampler": None}):
        assert rbm.sampling_steps == 0
    assert rbm.sampling_steps == before
    with pytest.raises(ValueError, match="draws in steps"):
        trajectory(Subject("gan", gan, catalogue.source(Data())), 2)
