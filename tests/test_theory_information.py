"""Information against its definitions, identities and closed forms, and against scipy and torch."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch.distributions import Exponential, MultivariateNormal, Normal, kl_divergence

from counterfeit.theory import gaussian, information, montecarlo, quadrature
from counterfeit.theory.gaussian import Gaussian

LOG2 = math.log(2)


def simplex(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64).log().neg().pow(2).softmax(-1)


def normal(mean: float, std: float) -> Normal:
    return Normal(*torch.tensor([mean, std], dtype=torch.float64))


P, Q = simplex(200, 7), simplex(200, 7, seed=1)
LINE = quadrature.rule(-30.0, 30.0, 200)


@pytest.mark.parametrize(("chance", "bits"), [(0.81, 0.304), (0.14, 2.837), (0.05, 4.322)])
def test_football_information(chance, bits):
    assert float(information.information([chance], "bits")) == pytest.approx(bits, abs=5e-4)


@pytest.mark.parametrize(("match", "bits"), [((0.81, 0.14, 0.05), 0.8595), ((0.36, 0.30, 0.34), 1.5809)])
def test_football_entropy(match, bits):
    assert float(information.entropy(match, "bits")) == pytest.approx(bits, abs=5e-5)


def test_entropy_and_kl_equal_scipy():
    assert torch.allclose(information.entropy(P), torch.from_numpy(stats.entropy(P, axis=1)))
    assert torch.allclose(information.kl(P, Q, "bits"), torch.from_numpy(stats.entropy(P, Q, base=2, axis=1)))


def test_cross_entropy_is_entropy_plus_kl():
    assert torch.allclose(information.cross_entropy(P, Q), information.entropy(P) + information.kl(P, Q))


def test_kl_is_not_negative_and_zero_only_at_equality():
    assert (information.kl(P, Q) > 0).all()
    assert torch.allclose(information.kl(P, P), torch.zeros(200).double())


def test_jsd_is_symmetric_and_at_most_log_two():
    assert torch.allclose(information.jsd(P, Q), information.jsd(Q, P))
    assert (information.jsd(P, Q) <= LOG2).all()
    assert float(information.jsd([1.0, 0.0], [0.0, 1.0])) == pytest.approx(LOG2)


def test_jsd_is_entropy_of_the_mixture_less_mean_entropy():
    apart = information.entropy((P + Q) / 2) - (information.entropy(P) + information.entropy(Q)) / 2
    assert torch.allclose(information.jsd(P, Q), apart)


def test_root_of_jsd_obeys_the_triangle_inequality():
    r = simplex(200, 7, seed=2)
    there, detour = information.jsd(P, Q).sqrt(), information.jsd(P, r).sqrt() + information.jsd(r, Q).sqrt()
    assert (there <= detour + 1e-12).all()


def test_chain_rule():
    joint = simplex(50, 12).view(50, 3, 4)
    marginal = joint.sum(-1)
    rest = (marginal * information.entropy(joint / marginal[..., None])).sum(-1)  # ∑ p(x) H(Y | x)
    assert torch.allclose(information.conditional_entropy(joint), rest)
    assert torch.allclose(information.entropy(joint.flatten(1)), information.entropy(marginal) + rest)


def test_mutual_information_is_what_knowing_x_saves():
    joint = simplex(50, 12).view(50, 3, 4)
    saved = information.entropy(joint.sum(-2)) - information.conditional_entropy(joint)
    assert torch.allclose(information.mutual_information(joint), saved)
    assert float(information.mutual_information(torch.full((2, 2), 0.25))) == pytest.approx(0)


def test_conditional_mutual_information_is_the_mean_over_conditions():
    joint = simplex(50, 24).view(50, 2, 3, 4)
    z = joint.sum((1, 2))
    mean = (z * information.mutual_information((joint / z[:, None, None]).permute(0, 3, 1, 2))).sum(-1)
    assert torch.allclose(information.conditional_mutual_information(joint), mean)


def test_chain_rule_of_mutual_information():
    joint = simplex(50, 24).view(50, 2, 3, 4)
    of_both = information.mutual_information(joint.flatten(2))  # I(X; Y, Z)
    of_z = information.mutual_information(joint.sum(2))
    assert torch.allclose(of_both, of_z + information.conditional_mutual_information(joint))


def test_a_common_cause_explains_and_a_common_effect_makes_dependence():
    noisy = torch.tensor([[0.8, 0.2], [0.3, 0.7]]).double()
    cause = torch.tensor([0.4, 0.6]).double() * torch.einsum("zx,zy->xyz", noisy, noisy)
    assert float(information.mutual_information(cause.sum(-1))) > 0.02
    assert float(information.conditional_mutual_information(cause)) == pytest.approx(0, abs=1e-12)
    either = torch.zeros(2, 2, 2).double()  # z = x or y, of two fair coins
    either[0, 0, 0] = either[0, 1, 1] = either[1, 0, 1] = either[1, 1, 1] = 0.25
    assert float(information.mutual_information(either.sum(-1))) == pytest.approx(0, abs=1e-12)
    assert float(information.conditional_mutual_information(either)) > 0.1


def test_outcomes_that_never_happen():
    assert float(information.entropy([1.0, 0.0])) == 0
    assert float(information.kl([1.0, 0.0], [0.5, 0.5])) == pytest.approx(LOG2)
    assert float(information.kl([0.5, 0.5], [1.0, 0.0])) == math.inf


def test_a_bit_is_log_two_nats():
    assert torch.allclose(information.entropy(P), LOG2 * information.entropy(P, "bits"))


@pytest.mark.parametrize(
    ("p", "message"),
    [([0.5, 0.6], "sum to 1.1"), ([1.5, -0.5], "of -0.5 came"), ([math.nan, 1.0], "finite"), ([], "dimensions")],
)
def test_what_is_no_distribution_is_refused(p, message):
    with pytest.raises(ValueError, match=message):
        information.entropy(p)


def test_other_bad_input_is_refused():
    with pytest.raises(ValueError, match="2 and 3 outcomes"):
        information.kl([0.5, 0.5], [0.2, 0.3, 0.5])
    with pytest.raises(ValueError, match="nats or bits"):
        information.entropy([1.0], "hartleys")
    with pytest.raises(ValueError, match="probabilities are expected"):
        information.information([1.2])


def random_gaussian(seed: int) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    return Gaussian(torch.randn(3, generator=generator), root @ root.T + torch.eye(3))


def test_gaussian_closed_forms_equal_torch():
    p, q = random_gaussian(0), random_gaussian(1)
    a, b = (MultivariateNormal(g.mean, g.covariance) for g in (p, q))
    assert torch.allclose(gaussian.entropy(p), a.entropy())
    assert torch.allclose(gaussian.kl(p, q), kl_divergence(a, b))
    assert torch.allclose(gaussian.cross_entropy(p, q), gaussian.entropy(p) + gaussian.kl(p, q))


def test_quadrature_equals_closed_forms():
    p, q = normal(0.5, 1.5), normal(-1.0, 0.7)
    a, b = Gaussian(0.5, 1.5**2), Gaussian(-1.0, 0.7**2)
    assert float(quadrature.entropy(p.log_prob, LINE)) == pytest.approx(float(gaussian.entropy(a)), abs=1e-10)
    cross = quadrature.cross_entropy(p.log_prob, q.log_prob, LINE)
    assert float(cross) == pytest.approx(float(gaussian.cross_entropy(a, b)), abs=1e-10)
    divergence = quadrature.kl(p.log_prob, q.log_prob, LINE, "bits")
    assert float(divergence) == pytest.approx(float(gaussian.kl(a, b, "bits")), abs=1e-10)


def test_quadrature_is_exact_on_polynomials_of_degree_19():
    line = quadrature.rule(0.0, 2.0, 1)
    assert float(line.integrate(line.x**19)) == pytest.approx(2**20 / 20, rel=1e-12)


def test_entropy_of_an_exponential():
    line, rate = quadrature.rule(0.0, 40.0), torch.tensor(2.0).double()
    assert float(quadrature.entropy(Exponential(rate).log_prob, line)) == pytest.approx(1 - LOG2, abs=1e-10)


def test_density_that_the_rule_does_not_cover_is_refused():
    with pytest.raises(ValueError, match=r"integrates to 0.5.* Widen or refine"):
        quadrature.entropy(normal(30.0, 1.0).log_prob, LINE)


def test_masses_equal_the_cumulative_distribution():
    edges = torch.linspace(-6, 6, 41, dtype=torch.float64)
    assert torch.allclose(quadrature.masses(normal(0.3, 1.0).log_prob, edges), normal(0.3, 1.0).cdf(edges).diff())


def test_pushed_noise_follows_the_change_of_variables():
    codes = torch.linspace(-8, 8, 4_001, dtype=torch.float64)
    noise, edges = normal(0.0, 1.0).cdf(codes).diff(), torch.linspace(-4, 4, 81, dtype=torch.float64)
    monotone = quadrature.pushed(3 * codes + 1, noise, edges)
    assert torch.allclose(monotone, normal(1.0, 3.0).cdf(edges).diff(), atol=1e-6)
    folded = quadrature.pushed(codes.square(), noise, edges.clamp(min=0))  # chi-squared, from two branches
    exact = torch.from_numpy(stats.chi2(1).cdf(edges.clamp(min=0).numpy())).diff()
    assert torch.allclose(folded, exact, atol=1e-4)


def test_estimates_lie_within_their_errors():
    p, q, generator = normal(0.0, 1.0), normal(1.0, 2.0), torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 50_000, generator=generator, dtype=torch.float64)
    y = 1 + 2 * y
    exact = {
        "entropy": (montecarlo.entropy(p.log_prob, x), quadrature.entropy(p.log_prob, LINE)),
        "cross": (montecarlo.cross_entropy(q.log_prob, x), quadrature.cross_entropy(p.log_prob, q.log_prob, LINE)),
        "kl": (montecarlo.kl(p.log_prob, q.log_prob, x), quadrature.kl(p.log_prob, q.log_prob, LINE)),
        "jsd": (montecarlo.jsd(p.log_prob, q.log_prob, x, y), quadrature.jsd(p.log_prob, q.log_prob, LINE)),
    }
    for estimate, truth in exact.values():
        assert abs(estimate.value - float(truth)) < 3.5 * estimate.error
        assert 0 < estimate.error < 0.01


def test_errors_cover_the_truth_as_often_as_they_say():
    p, q = normal(0.0, 1.0), normal(0.5, 1.0)
    x = torch.randn(300, 400, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    estimates = [montecarlo.kl(p.log_prob, q.log_prob, row) for row in x]
    covered = sum(abs(e.value - 0.125) < 1.96 * e.error for e in estimates) / len(estimates)
    assert 0.92 <= covered <= 0.98


def test_one_draw_tells_no_error():
    with pytest.raises(ValueError, match="fewer than two draws"):
        montecarlo.entropy(normal(0.0, 1.0).log_prob, torch.zeros(1))


@pytest.mark.parametrize(
    ("mean", "covariance", "message"),
    [([0.0, 0.0], 1.0, r"\(2, 2\) is expected"), (0.0, -1.0, "positive definite")],
)
def test_what_is_no_gaussian_is_refused(mean, covariance, message):
    with pytest.raises(ValueError, match=message):
        Gaussian(mean, covariance)
