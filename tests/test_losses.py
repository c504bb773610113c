"""Adversarial objectives: the papers' formulas, their optima on distributions that can be enumerated, saturation."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import Tensor

from counterfeit.losses import (
    DIVERGENCES,
    OBJECTIVES,
    PENALTIES,
    ObjectiveName,
    PenaltyName,
    feature_matching,
    iic_loss,
    variational,
)

P, Q = torch.tensor([0.5, 0.3, 0.2, 0.0]).double(), torch.tensor([0.1, 0.4, 0.0, 0.5]).double()
# ten examples of each, so that a mean over examples is an expectation
REAL, FAKE = (torch.arange(4).repeat_interleave((10 * t).round().long()) for t in (P, Q))
GAN = OBJECTIVES["minimax"]


def kl(p: Tensor, q: Tensor) -> Tensor:
    return torch.special.xlogy(p, p / q).nansum()


def logits(n: int, seed: int) -> Tensor:
    return 2 * torch.randn(n, 1, generator=torch.Generator().manual_seed(seed)).double()


def optimal_logits(p: Tensor, q: Tensor) -> Tensor:
    """Log D / (1 - D) of D = p / (p + q)."""
    return (p / q).log()


def generator_gradient(name: str, theta: Tensor, p: Tensor) -> Tensor:
    """Gradient of E_q f(D) in the logits `theta` of q, with D optimal for q and held still."""
    q = theta.softmax(0)
    values = torch.stack([OBJECTIVES[name].generator(a) for a in optimal_logits(p, q.detach())])
    return torch.autograd.grad((q * values).sum(), theta)[0]


def test_every_name_has_an_objective():
    assert {*OBJECTIVES} == {*get_args(ObjectiveName)}


def test_cross_entropy_is_the_formula_of_the_paper():
    real, fake = logits(7, 0), logits(5, 1)
    expected = -0.5 * real.sigmoid().log().mean() - 0.5 * (1 - fake.sigmoid()).log().mean()
    torch.testing.assert_close(GAN.discriminator(real, fake), expected)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("minimax", lambda d: 0.5 * (1 - d).log().mean()),
        ("non-saturating", lambda d: -d.log().mean()),
        ("maximum-likelihood", lambda d: -0.5 * (d / (1 - d)).mean()),
        ("classification-error", lambda d: -0.5 * d.mean()),
    ],
)
def test_generator_loss_is_the_formula_of_the_paper(name, formula):
    fake = logits(9, 2)
    torch.testing.assert_close(OBJECTIVES[name].generator(fake), formula(fake.sigmoid()))


@pytest.mark.parametrize("name", ["minimax", "classification-error"])
def test_game_is_zero_sum(name):
    real, fake = logits(6, 3), logits(6, 4).requires_grad_()
    (one,) = torch.autograd.grad(OBJECTIVES[name].discriminator(real, fake), fake)
    (other,) = torch.autograd.grad(OBJECTIVES[name].generator(fake), fake)
    torch.testing.assert_close(one, -other)


@pytest.mark.parametrize("name", ["minimax", "non-saturating", "classification-error"])
def test_losses_of_sure_discriminators_are_finite(name):
    for fake in (torch.full((3,), 1e4), torch.full((3,), -1e4)):
        assert torch.isfinite(OBJECTIVES[name].discriminator(-fake, fake))
        assert torch.isfinite(OBJECTIVES[name].generator(fake))


def test_optimal_discriminator_is_p_over_p_plus_q():
    a = torch.zeros(4).double().requires_grad_()
    optimizer = torch.optim.LBFGS([a], max_iter=200, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = GAN.discriminator(a[REAL], a[FAKE])
        value.backward()
        return value

    optimizer.step(loss)
    torch.testing.assert_close(a.sigmoid().detach(), P / (P + Q), atol=1e-5, rtol=0)


def test_value_of_the_optimal_discriminator_is_log_2_less_the_jensen_shannon_divergence():
    a = optimal_logits(P, Q).clamp(-50, 50)
    middle = (P + Q) / 2
    jsd = 0.5 * kl(P, middle) + 0.5 * kl(Q, middle)
    torch.testing.assert_close(GAN.discriminator(a[REAL], a[FAKE]), math.log(2) - jsd)


def test_equal_distributions_leave_log_2():
    torch.testing.assert_close(GAN.discriminator(torch.zeros(3), torch.zeros(3)), torch.tensor(math.log(2)))


def test_gradient_of_minimax_at_the_optimal_discriminator_is_that_of_the_jensen_shannon_divergence():
    p, theta = torch.tensor([0.6, 0.3, 0.1]).double(), torch.tensor([0.2, -0.4, 0.9]).double().requires_grad_()
    q = theta.softmax(0)
    jsd = 0.5 * kl(p, (p + q) / 2) + 0.5 * kl(q, (p + q) / 2)
    torch.testing.assert_close(generator_gradient("minimax", theta, p), torch.autograd.grad(jsd, theta)[0])


def test_gradient_of_maximum_likelihood_at_the_optimal_discriminator_is_half_that_of_kl():
    p, theta = torch.tensor([0.6, 0.3, 0.1]).double(), torch.tensor([0.2, -0.4, 0.9]).double().requires_grad_()
    expected = 0.5 * torch.autograd.grad(kl(p, theta.softmax(0)), theta)[0]
    torch.testing.assert_close(generator_gradient("maximum-likelihood", theta, p), expected)


@pytest.mark.parametrize("name", ["minimax", "non-saturating", "maximum-likelihood"])
def test_game_ends_where_the_model_is_the_data(name):
    p, theta = torch.tensor([0.6, 0.3, 0.1]).double(), torch.zeros(3).double().requires_grad_()
    for _ in range(300):
        theta.data -= 2 * generator_gradient(name, theta, p)
    torch.testing.assert_close(theta.softmax(0).detach(), p, atol=1e-3, rtol=0)


def test_minimax_saturates_where_the_discriminator_is_sure_and_non_saturating_does_not():
    fake = torch.full((4,), -20.0, requires_grad=True)
    (flat,) = torch.autograd.grad(OBJECTIVES["minimax"].generator(fake), fake)
    (steep,) = torch.autograd.grad(OBJECTIVES["non-saturating"].generator(fake), fake)
    assert flat.abs().max() < 1e-8
    torch.testing.assert_close(steep.sum(), torch.tensor(-1.0))


@pytest.mark.parametrize(("real", "fake", "error"), [(50.0, -50.0, 0.0), (0.0, 0.0, 0.5), (-50.0, 50.0, 1.0)])
def test_classification_error_counts_mistakes(real, fake, error):
    value = OBJECTIVES["classification-error"].discriminator(torch.full((3,), real), torch.full((3,), fake))
    torch.testing.assert_close(value, torch.tensor(error))


def test_least_classification_error_is_half_of_one_less_the_total_variation():
    a = torch.where(P > Q, 50.0, -50.0)
    total_variation = 0.5 * (P - Q).abs().sum()
    value = OBJECTIVES["classification-error"].discriminator(a[REAL], a[FAKE])
    torch.testing.assert_close(value.double(), 0.5 * (1 - total_variation))


# f-divergences ------------------------------------------------------------------------------------------------------

OUTPUTS = torch.linspace(-1.5, 2, 15).double()  # within every activation's range of ratios
NAMED = {
    "kl": kl,
    "reverse-kl": lambda p, q: kl(q, p),
    "pearson": lambda p, q: ((p - q).square() / q).sum(),
    "hellinger": lambda p, q: (p.sqrt() - q.sqrt()).square().sum(),
    "jensen-shannon": lambda p, q: kl(p, (p + q) / 2) + kl(q, (p + q) / 2),
    "gan": lambda p, q: kl(p, (p + q) / 2) + kl(q, (p + q) / 2) - math.log(4),
}


@pytest.mark.parametrize("name", DIVERGENCES)
def test_f_divergence_is_the_one_of_that_name(name):
    p, q = torch.tensor([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5]], dtype=torch.float64)
    torch.testing.assert_close((q * DIVERGENCES[name].f(p / q)).sum(), NAMED[name](p, q))


@pytest.mark.parametrize("name", DIVERGENCES)
def test_activation_is_the_slope_of_f_at_its_ratio(name):
    divergence = DIVERGENCES[name]
    u = divergence.ratio(OUTPUTS).exp().requires_grad_()
    (slope,) = torch.autograd.grad(divergence.f(u).sum(), u)
    torch.testing.assert_close(divergence.activation(OUTPUTS), slope)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_conjugate_is_the_supremum_of_a_line_over_f(name):
    divergence = DIVERGENCES[name]
    line, conjugate = divergence.activation(OUTPUTS), divergence.conjugate(OUTPUTS)
    best = divergence.ratio(OUTPUTS).exp()
    torch.testing.assert_close(conjugate, best * line - divergence.f(best))
    for u in (0.03, 0.5, 1.0, 3.0, 40.0):
        assert bool((conjugate >= u * line - divergence.f(torch.tensor(u).double()) - 1e-12).all())


@pytest.mark.parametrize("name", DIVERGENCES)
def test_variational_bound_is_tight_at_the_ratio_and_below_elsewhere(name):
    p, q = torch.tensor([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5]], dtype=torch.float64)
    divergence, weights = DIVERGENCES[name], torch.zeros(3).double().requires_grad_()
    real, fake = (torch.arange(3).repeat_interleave((10 * t).round().long()) for t in (p, q))
    optimizer = torch.optim.LBFGS([weights], max_iter=300, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = -variational(divergence, weights[real], weights[fake])
        value.backward()
        return value

    start = -loss().item()
    optimizer.step(loss)
    assert start < -loss().item()
    assert -loss().item() == pytest.approx(float(NAMED[name](p, q)), abs=1e-8)
    torch.testing.assert_close(divergence.ratio(weights.detach()), (p / q).log(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_game_of_an_f_divergence_is_zero_sum(name):
    real, fake = logits(6, 3), logits(6, 4).requires_grad_()
    (one,) = torch.autograd.grad(OBJECTIVES[name].discriminator(real, fake), fake)
    (other,) = torch.autograd.grad(OBJECTIVES[name].generator(fake), fake)
    torch.testing.assert_close(one, -other)


def test_least_squares_has_its_optimum_at_p_over_p_plus_q():
    a = (P / (P + Q)).requires_grad_()
    (slope,) = torch.autograd.grad(OBJECTIVES["least-squares"].discriminator(a[REAL], a[FAKE]), a)
    torch.testing.assert_close(slope, torch.zeros_like(slope))


def test_hinge_asks_no_more_than_the_margin():
    sure, unsure = torch.full((3,), 1.5), torch.zeros(3)
    assert float(OBJECTIVES["hinge"].discriminator(sure, -sure)) == 0.0
    assert float(OBJECTIVES["hinge"].discriminator(unsure, unsure)) == 2.0


def test_wasserstein_of_shifted_points_is_their_distance():
    x = torch.randn(50, generator=torch.Generator().manual_seed(0))
    assert float(OBJECTIVES["wasserstein"].discriminator(x + 3, x)) == pytest.approx(-3.0, abs=1e-5)


def test_classes_of_two_views_inform_by_the_entropies_of_their_joint_table():
    one, other = torch.randn(2, 9, 4, generator=torch.Generator().manual_seed(0)).double().softmax(2)
    table = sum(torch.outer(p, q) + torch.outer(q, p) for p, q in zip(one, other, strict=True)) / 18
    alone = table.sum(1)
    information = (table * (table / torch.outer(alone, alone)).log()).sum()
    entropy = -(alone * alone.log()).sum()
    torch.testing.assert_close(iic_loss(one, other, even=0.0), -information)
    torch.testing.assert_close(iic_loss(one, other), -information - 5 * information / math.log(4) * entropy)


def test_what_views_tell_is_not_rounded_under_autocast():
    one, other = torch.randn(2, 300, 10, generator=torch.Generator().manual_seed(1)).softmax(2)
    with torch.autocast("cpu", torch.bfloat16):
        found = iic_loss(one, other)
    torch.testing.assert_close(found, iic_loss(one, other))


def test_classes_that_are_certain_even_and_the_same_inform_most():
    certain, merged = torch.eye(6), torch.eye(6)
    merged[5] = merged[4]  # two classes in one
    assert float(iic_loss(certain, certain, even=0.0)) == pytest.approx(-math.log(6))
    assert float(iic_loss(torch.full((6, 6), 1 / 6), certain)) == pytest.approx(0.0, abs=1e-5)
    for even in (0.0, 5.0):
        assert float(iic_loss(certain, certain, even)) < float(iic_loss(merged, merged, even))
        assert float(iic_loss(certain, certain, even)) < float(iic_loss(certain, certain.roll(1, 0), even))


def test_raising_the_evenness_waits_for_classes():
    blank = torch.zeros(8, 4, requires_grad=True)
    lean = torch.tensor([1.0, 0, 0, 0])
    grads = []
    for even in (0.0, 5.0):  # no image differs from any: nothing is known, and nothing pulls at the marginal
        p = (blank + lean).softmax(1)
        grads += torch.autograd.grad(iic_loss(p, p, even), blank)
    torch.testing.assert_close(grads[0], grads[1], atol=1e-6, rtol=0)


def test_feature_matching_is_the_squared_distance_of_means():
    real, fake = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[0.0, 0.0], [2.0, 1.0]])
    assert float(feature_matching(real, fake)) == pytest.approx(1.0**2 + 2.5**2)


def test_a_relativistic_game_sees_differences_alone():
    real, fake = logits(6, 0), logits(6, 1)
    objective = OBJECTIVES["relativistic"]
    assert objective.relative is not None
    for play, formula in ((objective.discriminator, real - fake), (objective.relative, fake - real)):
        torch.testing.assert_close(play(real, fake), -formula.sigmoid().log().mean())
        torch.testing.assert_close(play(real, fake), play(real + 7, fake + 7))


# Penalties ----------------------------------------------------------------------------------------------------------


def plane(x: Tensor) -> Tensor:
    """A critic whose slope is 5 everywhere."""
    return x.flatten(1) @ torch.tensor([[3.0], [4.0]], dtype=x.dtype)


@pytest.mark.parametrize(
    ("name", "value"), [("gradient", 16.0), ("dragan", 16.0), ("r1", 12.5), ("r2", 12.5), ("r1-r2", 25.0)]
)
def test_penalty_of_a_plane(name, value):
    assert {*PENALTIES, "none"} == {*get_args(PenaltyName)}
    x = torch.randn(6, 1, 1, 2).double()
    torch.testing.assert_close(PENALTIES[name](plane, x, x + 1), torch.tensor(value).double())


@pytest.mark.parametrize(("name", "value"), [("gradient", 2.25), ("dragan", 2.25), ("r1", 3.125), ("r2", 3.125)])
def test_penalty_of_a_plane_by_another_unit(name, value):
    x = torch.randn(6, 1, 1, 2).double()
    torch.testing.assert_close(PENALTIES[name](plane, x, x + 1, 0.5), torch.tensor(value).double())


@pytest.mark.parametrize(("name", "at"), [("r1", 1.0), ("r2", 3.0)])
def test_zero_centred_penalties_look_at_data_or_samples(name, at):
    real, fake = torch.full((4, 1), 1.0), torch.full((4, 1), 3.0)
    value = PENALTIES[name](lambda x: x.square(), real, fake)  # slope 2x
    torch.testing.assert_close(value, torch.tensor(0.5 * (2 * at) ** 2))


def test_gradient_penalty_looks_between_data_and_samples():
    seen: list[Tensor] = []
    real, fake = torch.zeros(500, 2), torch.ones(500, 2)
    PENALTIES["gradient"](lambda x: (seen.append(x.detach()), x.sum(1))[1], real, fake)
    torch.testing.assert_close(seen[0][:, 0], seen[0][:, 1])  # one share for each example
    assert float(seen[0].min()) >= 0
    assert float(seen[0].max()) <= 1
    assert float(seen[0].std()) == pytest.approx(12**-0.5, abs=0.03)


def test_penalties_reach_the_weights_of_the_critic():
    critic = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(0)).double()

    def penalty(weight: Tensor) -> Tensor:
        call = lambda x: torch.func.functional_call(critic, {"0.weight": weight}, (x,))  # noqa: E731
        return PENALTIES["r1"](call, x, x)

    assert torch.autograd.gradcheck(penalty, critic[0].weight.detach().requires_grad_())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_what_is_shown_of_any_output_is_a_number(name):
    shown = OBJECTIVES[name].shown(torch.linspace(-30, 30, 61))
    assert bool(torch.isfinite(shown).all())
